// Package blob keeps large byte strings as files named by their SHA-256.
package blob
