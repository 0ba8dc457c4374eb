package blank

import (
	"io"
	"sync"
)

// An Output is where a blank's process writes. What it writes before it is
// anybody's goes to the server's own log, and then to its function's.
type Output struct {
	mu sync.Mutex // guards to; held while that is written to
	to io.Writer
}

// NewOutput makes an Output that writes to w, until To.
func NewOutput(w io.Writer) *Output { return &Output{to: w} }

// To has everything written from now on go to w.
func (o *Output) To(w io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.to = w
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.to.Write(p)
}
