package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// maxBatch bounds how many callers share one commit, and so how long the first
// of them waits for the others.
const maxBatch = 512

// A job is one caller's Update on its way through the batcher.
type job struct {
	ctx  context.Context
	fn   func(Tx) error
	err  error
	done chan struct{} // closed once err is final
}

// A batcher turns concurrent calls into groups. It owns the goroutine that run
// is called on.
type batcher struct {
	run  func(batch []*job) // sets err of each job; called by one goroutine
	wake chan struct{}      // capacity 1: there may be something in waiting
	idle chan struct{}      // closed when the goroutine has ended

	mu      sync.Mutex // guards what follows
	waiting []*job
	closed  bool
}

func newBatcher(run func(batch []*job)) *batcher {
	b := &batcher{run: run, wake: make(chan struct{}, 1), idle: make(chan struct{})}
	go b.loop()
	return b
}

// do waits until fn was committed, or failed. A ctx that ends before the group
// of fn began takes it out of the line; after that its outcome is waited for,
// since nobody could tell it otherwise.
func (b *batcher) do(ctx context.Context, fn func(Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{ctx: ctx, fn: fn, done: make(chan struct{})}
	if err := b.push(j); err != nil {
		return err
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
	}
	if b.drop(j) {
		return ctx.Err()
	}
	<-j.done
	return j.err
}

func (b *batcher) push(j *job) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	b.waiting = append(b.waiting, j)
	b.signal()
	return nil
}

// drop takes j out of the line and tells whether it was still there.
func (b *batcher) drop(j *job) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, w := range b.waiting {
		if w == j {
			b.waiting = append(b.waiting[:i:i], b.waiting[i+1:]...)
			return true
		}
	}
	return false
}

func (b *batcher) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take answers the next group; more is false when there never will be another.
func (b *batcher) take() (batch []*job, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.waiting), maxBatch)
	batch, b.waiting = b.waiting[:n:n], b.waiting[n:]
	if len(b.waiting) == 0 {
		b.waiting = nil
	}
	if len(b.waiting) > 0 || b.closed { // come back, for the rest or for the end
		b.signal()
	}
	return batch, n > 0 || !b.closed
}

func (b *batcher) loop() {
	var batch []*job
	ended := false
	defer func() {
		if ended {
			close(b.idle)
			return
		}
		// A caller's fn ended this goroutine (runtime.Goexit, as a test's
		// FailNow does). The others must not pay for it.
		finish(batch, errors.New("store: the transaction function ended its goroutine"))
		go b.loop()
	}()
	for more := true; more; {
		<-b.wake
		if batch, more = b.take(); len(batch) > 0 {
			b.run(batch)
			finish(batch, nil)
		}
	}
	ended = true
}

// finish tells the callers of batch; err, when not nil, is what they get.
func finish(batch []*job, err error) {
	for _, j := range batch {
		if err != nil {
			j.err = err
		}
		close(j.done)
	}
}

// close refuses new calls and waits for those under way.
func (b *batcher) close() {
	b.mu.Lock()
	b.closed = true
	b.signal()
	b.mu.Unlock()
	<-b.idle
}

// call runs fn and makes an error of a panic: one caller's mistake must not
// take the writer, and with it everybody's writes, down.
func call(fn func(Tx) error, tx Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: panic in a transaction: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(tx)
}
