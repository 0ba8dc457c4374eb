package runtimeapi

import "net"

// A link is a private way to a bootstrap of ours: a stream socket that the
// process has as descriptor 3 (MAYFLY_LINK names it), instead of HTTP. The states
// behind both are the same. Everything on it is a frame:
//
//	length  4 bytes, little endian: of what follows
//	kind    1 byte
//	body
//
// A body that has a head begins with the head's length, 4 bytes little endian,
// and the head as JSON; the rest is the payload. From the server:
//
//	A  assignment: JSON {"env": {...}}, the process's whole environment from then on
//	I  invocation: head {"lambda-runtime-aws-request-id": ..., the other headers
//	   of /next by their lower-case names, "limit": most bytes of the answer}, payload
//
// From the runtime; R, F, E each also ask for the next invocation:
//
//	B  it waits for an assignment
//	N  it waits for its first invocation
//	X  initialisation failed: head {"type": ...}, the error's JSON
//	R  answer: head {"type": media type}, payload; with "large": n in the head
//	   the payload of n bytes was over the limit and was left out
//	F  the function failed: head {"type": ...}, the error's JSON
//	S  an answer begins that comes in pieces: head {"type": media type}
//	C  a piece of it
//	E  its end: head {}, or {"type": ...} and the error's JSON when it broke off

// Attach makes c, a connected stream socket, the way to the runtime that is
// started next, beside HTTP. The Server closes it with the next Reset or Close.
func (s *Server) Attach(c net.Conn) { panic("not yet") }

// Assign gives the runtime on the link its environment. It does not wait for
// anything: Started tells when it has loaded the function.
func (s *Server) Assign(env map[string]string) error { panic("not yet") }
