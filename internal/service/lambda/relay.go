package lambda

import (
	"cmp"
	"context"
	"encoding/base64"
	"io"
	"sync"

	"github.com/mayfly-faas/mayfly/internal/function"
)

// maxChunk is how much of an answer one message holds at most.
const maxChunk = 64 << 10

// messages are buffers for messages, as large as the largest that they had.
var messages = sync.Pool{New: func() any { return new([]byte) }}

// A relay carries an answer from the invocation, which begins first, to the
// client, whose connection is ready later. It holds three messages at most: one
// that is being sent, one that waits, and one for which there is no place yet.
// While there is none, the function waits in Write.
type relay struct {
	gone <-chan struct{} // closed when the request is over: the invocation goes on alone
	tail bool

	version string        // set before begun or ended is closed
	kind    string        // set before begun is closed
	begun   chan struct{} // closed when the answer begins
	begins  bool          // begun is closed; used by the invocation alone

	out   chan *[]byte  // messages on their way to the client
	cut   chan struct{} // closed when nobody wants the rest
	ended chan struct{} // closed when the invocation has ended

	res function.Result // good once ended is closed
	err error
}

func newRelay(gone <-chan struct{}, tail bool) *relay {
	return &relay{
		gone: gone, tail: tail, begun: make(chan struct{}),
		out: make(chan *[]byte, 1), cut: make(chan struct{}), ended: make(chan struct{}),
	}
}

// run invokes the function. The Registry waits for it, where the server ends.
func (r *relay) run(ctx context.Context, fs *function.Registry, ref function.Ref, in function.Invocation) {
	defer close(r.ended)
	r.res, r.err = fs.Invoke(ctx, ref, in)
}

// begin is told the answer's media type.
func (r *relay) begin(kind string) {
	if !r.begins {
		r.begins, r.kind = true, cmp.Or(kind, "application/octet-stream")
		close(r.begun)
	}
}

// Write hands a part of the answer on. It waits while the client does not read.
// When the client is gone the function is not to notice.
func (r *relay) Write(p []byte) (int, error) {
	r.begin("")
	for rest := p; len(rest) > 0; {
		select {
		case <-r.gone:
			return len(p), nil
		default:
		}
		n := min(len(rest), maxChunk)
		m := messages.Get().(*[]byte)
		*m = appendMessage((*m)[:0], chunkHeaders, rest[:n])
		select {
		case r.out <- m:
		case <-r.gone:
			messages.Put(m)
		case <-r.cut:
			messages.Put(m)
			return 0, io.ErrClosedPipe
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// Interrupt ends a Write that waits: the invocation is over, its client may
// read what there is in its own time.
func (r *relay) Interrupt() { close(r.cut) }

// stream is the client's side: it returns when all has been sent, or the client
// is gone.
func (r *relay) stream(w io.Writer) error {
	for ended := false; !ended; {
		select {
		case m := <-r.out:
			if err := pass(w, m); err != nil {
				return err
			}
		case <-r.ended:
			ended = true
		}
	}
	for len(r.out) > 0 { // nobody adds any more
		if err := pass(w, <-r.out); err != nil {
			return err
		}
	}
	if r.err != nil {
		return r.err
	}
	return writeCompletion(w, r.completion())
}

func pass(w io.Writer, m *[]byte) error {
	_, err := w.Write(*m)
	messages.Put(m)
	return err
}

// completion says how the invocation ended. AWS calls every failure unhandled,
// as it does in X-Amz-Function-Error; the details name it.
func (r *relay) completion() completion {
	var c completion
	if r.res.Failure != nil {
		c.ErrorCode, c.ErrorDetails = "Unhandled", string(r.res.Failure)
	}
	if r.tail {
		c.LogResult = base64.StdEncoding.EncodeToString(r.res.Tail)
	}
	return c
}
