package store

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// The signals of a call and of close are one when they come before the
// goroutine looks; close must still end.
func TestCloseRightAfterACall(t *testing.T) {
	b := &batcher{run: func([]*job) {}, wake: make(chan struct{}, 1), idle: make(chan struct{})}
	j := &job{ctx: context.Background(), done: make(chan struct{})}
	if err := b.push(j); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	b.closed = true
	b.signal()
	b.mu.Unlock()
	go b.loop()
	<-j.done
	<-b.idle
	if err := b.do(context.Background(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a call after the end answers %v", err)
	}
}

func TestGroups(t *testing.T) {
	var sizes []int
	began, proceed := make(chan struct{}), make(chan struct{})
	b := newBatcher(func(batch []*job) {
		began <- struct{}{}
		<-proceed
		sizes = append(sizes, len(batch))
	})
	var wg sync.WaitGroup
	call := func() {
		wg.Go(func() {
			if err := b.do(context.Background(), nil); err != nil {
				t.Error(err)
			}
		})
	}
	call()
	<-began
	const more = maxBatch + 100
	for range more {
		call()
	}
	for n := 0; n < more; {
		b.mu.Lock()
		n = len(b.waiting)
		b.mu.Unlock()
	}
	for range 2 {
		proceed <- struct{}{}
		<-began
	}
	proceed <- struct{}{}
	wg.Wait()
	b.close()
	if len(sizes) != 3 || sizes[0] != 1 || sizes[1] != maxBatch || sizes[2] != 100 {
		t.Errorf("the groups are %v, want 1, %d, 100", sizes, maxBatch)
	}
}
