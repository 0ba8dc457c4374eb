package runtimeapi

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
)

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
//	D  as F, but the runtime ends, and asks for nothing; after S it stands for E
//	S  an answer begins that comes in pieces: head {"type": media type}
//	C  a piece of it
//	E  its end: head {}, or {"type": ...} and the error's JSON when it broke off
//
// After X and D the server ends the link: until then the runtime must not end, so
// that its last word is heard before its end is. What breaks these rules ends the
// link, too, and with it the runtime. An answer on the link is one to the invocation
// that the link brought.
const (
	frameAssign  = 'A'
	frameInvoke  = 'I'
	frameBlank   = 'B'
	frameNext    = 'N'
	frameNoInit  = 'X'
	frameAnswer  = 'R'
	frameFailure = 'F'
	frameDying   = 'D'
	frameStream  = 'S'
	framePiece   = 'C'
	frameEnd     = 'E'
)

var errNoLink = errors.New("runtimeapi: no link")

// Attach makes c, a connected stream socket, the way to the runtime that is
// started next, beside HTTP. The Server closes it with the next Reset or Close.
func (s *Server) Attach(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return
	}
	l := newLink(s.run, c)
	s.run.attach(l)
	s.serving.Go(l.serve)
}

// Waiting is closed when the runtime on the link waits for an assignment.
func (s *Server) Waiting() <-chan struct{} { return s.current().blank }

// Assign gives the runtime on the link its environment. It does not wait for
// anything: Started tells when it has loaded the function.
func (s *Server) Assign(env map[string]string) error {
	l := s.current().linked()
	if l == nil {
		return errNoLink
	}
	body, err := json.Marshal(struct {
		Env map[string]string `json:"env"`
	}{env})
	if err != nil {
		return err
	}
	frame := binary.LittleEndian.AppendUint32(make([]byte, 0, 5+len(body)), uint32(1+len(body)))
	return l.write(append(append(frame, frameAssign), body...))
}

// attach makes l the run's link, in the place of an earlier one.
func (r *run) attach(l *link) {
	r.mu.Lock()
	old := r.link
	r.link = l
	r.mu.Unlock()
	if old != nil {
		r.leave(old)
		old.cut()
	}
}

func (r *run) linked() *link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.link
}
