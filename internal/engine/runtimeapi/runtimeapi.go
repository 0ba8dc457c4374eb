// Package runtimeapi is the Lambda Runtime API, as a function's code sees it:
// it asks for the next invocation, and answers or fails it.
package runtimeapi
