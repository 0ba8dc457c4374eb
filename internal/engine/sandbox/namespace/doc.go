// Package namespace is the tier that isolates code with what Linux offers:
// namespaces, a root of its own, control groups, and seccomp.
//
// A sandbox is an init that does nothing, first process of a PID namespace, in
// a file system that it has built for itself. Commands join its namespaces. Both
// are a machine of a few hundred bytes that runs a list of system calls which
// the server has prepared: see program.
//
// It needs Linux 5.12, and root or user namespaces for ordinary users; see New for
// what else it wants, and what it does without.
package namespace
