// Package e2e drives the built binary with the clients that people use: the AWS
// CLI, boto3, the AWS SDKs for Go and JavaScript, and Mayfly's own command line.
// It imports no room of the program. `make test` installs what it needs.
package e2e
