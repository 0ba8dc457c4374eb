// Package pool keeps sandboxes warm and picks one for an invocation.
package pool
