package payload

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
)

// StreamType is the media type of a streamed answer that begins with a prelude:
// its status and headers in JSON, and eight NUL bytes.
const StreamType = "application/vnd.awslambda.http-integration-response"

// maxPrelude is the most that a prelude may hold.
const maxPrelude = 1 << 20

// unknown is the media type of what does not say its own.
const unknown = "application/octet-stream"

// nuls ends a prelude.
var nuls = make([]byte, 8)

// A Stream turns a streamed answer into HTTP as it comes. Its methods are not
// for concurrent use.
type Stream struct {
	w       http.ResponseWriter
	flush   *http.ResponseController
	send    func(*Answer) // changes the head before it goes
	prelude bool          // one is awaited, or being read
	head    []byte        // of it, what has come
	kind    string
	begun   bool
	empty   bool // the status knows no body
	err     error
}

// NewStream makes a Stream to w. send, unless nil, may change the status and
// the headers before they go.
func NewStream(w http.ResponseWriter, send func(*Answer)) *Stream {
	return &Stream{w: w, flush: http.NewResponseController(w), send: send}
}

// Begin tells the media type that the code gives its answer, as
// function.Invocation's Begin does.
func (s *Stream) Begin(contentType string) {
	s.kind = contentType
	s.prelude = contentType == StreamType
}

// Begun tells whether the status has been sent.
func (s *Stream) Begun() bool { return s.begun }

// Write takes some of what the code writes, and sends it at once. Its error
// wraps ErrMalformed when the prelude is none.
func (s *Stream) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.prelude {
		rest, err := s.readPrelude(p)
		if err != nil || rest == nil {
			s.err = err
			return len(p), err
		}
		if err := s.body(rest); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	if !s.begun {
		s.start(s.plain())
	}
	if err := s.body(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// readPrelude gives what follows the prelude, nil while it has not ended.
func (s *Stream) readPrelude(p []byte) ([]byte, error) {
	from := max(0, len(s.head)-len(nuls)+1)
	s.head = append(s.head, p...)
	i := bytes.Index(s.head[from:], nuls)
	if i < 0 && len(s.head) > maxPrelude || i >= 0 && from+i > maxPrelude {
		return nil, fmt.Errorf("%w: prelude too large", ErrMalformed)
	}
	if i < 0 {
		return nil, nil
	}
	a, err := parse(s.head[:from+i], form{cookies: true, multi: true, lax: true, kind: unknown})
	if err != nil {
		return nil, err
	}
	rest := s.head[from+i+len(nuls):]
	s.prelude, s.head = false, nil
	s.start(a)
	return rest, nil
}

func (s *Stream) start(a *Answer) {
	if s.send != nil {
		s.send(a)
	}
	maps.Copy(s.w.Header(), a.Header)
	s.empty = bodiless(a.Status)
	s.begun = true
	s.w.WriteHeader(final(a.Status))
}

// plain is the head of an answer without a prelude.
func (s *Stream) plain() *Answer {
	kind := s.kind
	if kind == "" || !validValue(kind) {
		kind = unknown
	}
	return &Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {kind}}}
}

func (s *Stream) body(p []byte) error {
	if s.empty {
		return nil
	}
	if len(p) > 0 {
		if _, err := s.w.Write(p); err != nil {
			return err
		}
	}
	return s.flush.Flush()
}

// End says that the code has written all. Its error wraps ErrMalformed when a
// prelude was begun and never ended; when there was no answer at all, an empty
// one is sent.
func (s *Stream) End() error {
	switch {
	case s.err != nil:
		return s.err
	case s.prelude:
		return fmt.Errorf("%w: the prelude does not end", ErrMalformed)
	case !s.begun:
		s.start(s.plain())
	}
	return nil
}
