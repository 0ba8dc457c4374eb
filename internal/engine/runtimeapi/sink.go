package runtimeapi

import (
	"errors"
	"io"
	"sync"
)

var (
	errTooLarge = errors.New("runtimeapi: answer is too large")
	errClosed   = errors.New("runtimeapi: invocation has ended")
)

// A sink is where an answer goes: as far as the limit, and until the invocation
// has ended.
type sink struct {
	mu   sync.Mutex // guards what follows; held while w is written to
	w    io.Writer  // nil once closed, or once it failed
	left int64
	n    int64
	over bool
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return 0, errClosed
	}
	keep := min(int64(len(p)), s.left)
	if s.w != nil {
		if _, err := s.w.Write(p[:keep]); err != nil {
			s.w = nil // the caller has gone; the code runs on, as on AWS
		}
	}
	s.n += keep
	s.left -= keep
	if keep < int64(len(p)) {
		return int(keep), errTooLarge
	}
	return len(p), nil
}

// begin calls f, unless the invocation has ended.
func (s *sink) begin(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		f()
	}
}

func (s *sink) close() {
	s.mu.Lock()
	s.over, s.w = true, nil
	s.mu.Unlock()
}
