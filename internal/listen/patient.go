package listen

import (
	"net/http"
	"time"
)

// piece is how much of an answer has to go out in the time for a write.
const piece = 64 << 10

// A patient ResponseWriter gives up on a client of HTTP/2 that does not take
// what was written: such a client can stop one answer and keep its connection
// well, so the connection's own deadline says nothing.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
	time    time.Duration
}

func (p *patient) Write(b []byte) (n int, err error) {
	for first := true; err == nil && (first || len(b) > 0); first = false {
		var m int
		part := b[:min(len(b), piece)]
		p.control.SetWriteDeadline(time.Now().Add(p.time)) // an error means that there is no connection: tests
		m, err = p.ResponseWriter.Write(part)
		n, b = n+m, b[m:]
	}
	p.control.SetWriteDeadline(time.Time{}) // the handler may think as long as it likes
	return n, err
}

// FlushError is for http.ResponseController.
func (p *patient) FlushError() error {
	p.control.SetWriteDeadline(time.Now().Add(p.time))
	defer p.control.SetWriteDeadline(time.Time{})
	return p.control.Flush()
}

// Flush implements http.Flusher.
func (p *patient) Flush() { _ = p.FlushError() }

// last bounds what net/http sends after the handler.
func (p *patient) last() { p.control.SetWriteDeadline(time.Now().Add(p.time)) }

// Unwrap lets http.ResponseController reach the rest.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }
