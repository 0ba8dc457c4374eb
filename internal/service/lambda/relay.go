package lambda

import (
	"cmp"
	"context"
	"encoding/base64"
	"io"
	"runtime"
	"sync"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/wire/eventstream"
)

const (
	smallPart  = 4 << 10           // what is written in such parts is waited for
	maxChunk   = 64 << 10          // how much of an answer one message holds at most
	maxWaiting = 2*maxChunk + 1024 // how much waits, before its writer has to
)

// buffers are for messages, as large as the largest use that they had.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// A relay carries an answer from the invocation, which begins first, to the
// client, whose connection is ready later. What comes while something is sent is
// sent together, next. Of more than that the function waits, in Write.
type relay struct {
	gone <-chan struct{} // closed when the request is over: the invocation goes on alone
	tail bool

	version string        // set before begun or ended is closed
	kind    string        // so is this: the answer's media type, "" for no answer
	begun   chan struct{} // closed with the first byte
	begins  bool          // begun is closed; used by the invocation alone

	mu      sync.Mutex // guards waiting
	waiting *[]byte    // messages on their way to the client; nil for none

	more  chan struct{} // of capacity 1: something waits
	room  chan struct{} // of capacity 1: what waited is being sent
	cut   chan struct{} // closed when nobody wants the rest
	ended chan struct{} // closed when the invocation has ended

	res function.Result // good once ended is closed
	err error
}

func newRelay(gone <-chan struct{}, tail bool) *relay {
	return &relay{
		gone: gone, tail: tail, begun: make(chan struct{}), more: make(chan struct{}, 1), room: make(chan struct{}, 1),
		cut: make(chan struct{}), ended: make(chan struct{}),
	}
}

// run invokes the function. The Registry waits for it, where the server ends.
func (r *relay) run(ctx context.Context, fs *function.Registry, ref function.Ref, in function.Invocation) {
	defer close(r.ended)
	r.res, r.err = fs.Invoke(ctx, ref, in)
}

// begin is told the answer's media type. The client hears of it with the first
// byte: one packet, where there would be two.
func (r *relay) begin(kind string) { r.kind = cmp.Or(kind, "application/octet-stream") }

// Write hands a part of the answer on. It waits while the client does not read.
// When the client is gone the function is not to notice.
func (r *relay) Write(p []byte) (int, error) {
	hasty := !r.begins || len(p) < smallPart
	if !r.begins {
		r.begins, r.kind = true, cmp.Or(r.kind, "application/octet-stream")
		close(r.begun)
	}
	for rest := p; len(rest) > 0; {
		select {
		case <-r.gone:
			return len(p), nil
		default:
		}
		n := min(len(rest), maxChunk)
		if r.add(rest[:n]) {
			rest = rest[n:]
			if hasty {
				runtime.Gosched() // who sends it is to do so now, and not once another thread has been woken
			}
			continue
		}
		select {
		case <-r.room:
		case <-r.gone:
		case <-r.cut:
			return 0, io.ErrClosedPipe
		}
	}
	return len(p), nil
}

// Interrupt ends a Write that waits: the invocation is over, its client may
// read what there is in its own time.
func (r *relay) Interrupt() { close(r.cut) }

// add makes a message of p; false when there is no place for it.
func (r *relay) add(p []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.waiting == nil:
		r.waiting = buffers.Get().(*[]byte)
	case len(*r.waiting)+len(p) > maxWaiting:
		return false
	}
	*r.waiting = eventstream.Append(*r.waiting, chunkHeaders, p)
	signal(r.more)
	return true
}

// take is what waits; nil for nothing.
func (r *relay) take() *[]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.waiting
	r.waiting = nil
	signal(r.room)
	return b
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has been said
	}
}

// stream is the client's side: it returns when all has been sent, or the client
// is gone.
func (r *relay) stream(w io.Writer) error {
	for ended := false; !ended; {
		select {
		case <-r.more:
		case <-r.ended:
			ended = true // nobody adds any more
		}
		if b := r.take(); b != nil {
			_, err := w.Write(*b)
			*b = (*b)[:0]
			buffers.Put(b)
			if err != nil {
				return err
			}
		}
	}
	if r.err != nil {
		return r.err
	}
	return writeCompletion(w, r.completion())
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
