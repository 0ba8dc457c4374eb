// Package lambda is the Lambda API.
package lambda
