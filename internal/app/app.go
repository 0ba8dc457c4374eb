// Package app wires the rooms together. It is the one package that may import
// them all, and it does nothing else.
package app
