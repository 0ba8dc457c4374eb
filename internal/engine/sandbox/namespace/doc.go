// Package namespace is the tier that isolates code with what Linux offers:
// namespaces, a root of its own, control groups, and seccomp.
//
// A sandbox is an init that does nothing, first process of a PID namespace, in
// a file system that it has built for itself. Commands join its namespaces. Both
// are a machine of a few hundred bytes that runs a list of system calls which
// the server has prepared: see program.
//
// A sandbox may be opened late: it is complete but for the code and the limits, which
// furnish.go brings. Where root runs us, a process may be forked into a sandbox from
// a zygote instead of executed: zygote.go says what it has to do. Some blanks are made
// ahead of demand (blank.go), with a control group and a network namespace that nobody
// had before: counters of the kernel, sockets in TIME_WAIT and charged page cache would
// tell the next function about the last, and cannot all be reset. The disk of /tmp can
// be, byte by byte, and is used again (disk.go).
//
// It needs Linux 5.12, and root or user namespaces for ordinary users; see New for
// what else it wants, and what it does without.
package namespace
