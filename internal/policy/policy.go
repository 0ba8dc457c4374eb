// Package policy is the IAM policy language: it parses documents and says what
// is wrong with them. It does no I/O.
package policy
