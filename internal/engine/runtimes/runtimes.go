// Package runtimes says how to start each Lambda runtime on this machine.
package runtimes
