// Package sigv4 checks and makes AWS Signature Version 4 signatures.
package sigv4
