// Package admit decides whether one more invocation may run now. It does no
// I/O; its tests run in virtual time.
package admit
