package telemetry

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A subscriber brings events to one extension.
type subscriber struct {
	name string
	sub  Subscription
	wire Wire
	lost func(reason string, records, bytes int)

	wake   chan struct{} // of the pump; of capacity 1
	cancel context.CancelFunc
	done   chan struct{} // closed when the pump has ended

	mu        sync.Mutex // guards what follows
	waiting   [][]byte   // events, encoded
	size      int        // of them, in bytes
	since     time.Time  // when the first of them came
	added     uint64     // so far
	gone      uint64     // of these, delivered
	urgent    uint64     // so many are to be delivered at once
	flushers  []flusher
	paused    bool
	lostItems int // that there was no room for, and that nobody was told of
	lostBytes int
}

// A flusher waits until gone is upTo.
type flusher struct {
	upTo uint64
	done chan struct{}
}

// An extension that does not read what it asked for may leave so much behind.
const (
	mostWaiting = 100_000
	mostBytes   = 16 << 20
)

// maxPause is the longest between two attempts to deliver.
const maxPause = 250 * time.Millisecond

func newSubscriber(name string, s Subscription, w Wire, lost func(string, int, int)) *subscriber {
	ctx, cancel := context.WithCancel(context.Background())
	n := &subscriber{name: name, sub: s, wire: w, lost: lost, wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go n.pump(ctx)
	return n
}

// add takes e if it is wanted.
func (s *subscriber) add(e *Event) {
	if !slices.Contains(s.sub.Types, e.Category) {
		return
	}
	b := e.appendTo(nil, s.sub.Schema)
	if len(b) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) >= mostWaiting || s.size+len(b) > mostBytes {
		s.lostItems++
		s.lostBytes += len(b)
		return
	}
	if len(s.waiting) == 0 {
		s.since = time.Now()
	}
	s.waiting = append(s.waiting, b)
	s.size += len(b)
	s.added++
	if len(s.waiting) == 1 || s.full() {
		s.rouse()
	}
}

// full reports whether what waits is a batch. s.mu is held.
func (s *subscriber) full() bool {
	return len(s.waiting) >= s.sub.MaxItems || s.size >= s.sub.MaxBytes
}

func (s *subscriber) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscriber) pause(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = on
	s.rouse()
}

// flush returns when all that was added is delivered, or ctx has ended.
func (s *subscriber) flush(ctx context.Context) {
	s.mu.Lock()
	f := flusher{s.added, make(chan struct{})}
	if s.gone >= f.upTo {
		s.mu.Unlock()
		return
	}
	s.urgent = f.upTo
	s.flushers = append(s.flushers, f)
	s.rouse()
	s.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
	case <-s.done:
	}
}

// close ends the subscriber.
func (s *subscriber) close() {
	s.cancel()
	<-s.done
}

// pump delivers batches, one after the other, as they are due.
func (s *subscriber) pump(ctx context.Context) {
	defer close(s.done)
	defer s.wire.Close()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait, due := s.due()
		if due {
			if !s.deliver(ctx) {
				return
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-s.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// due reports whether a batch is to be delivered now, or how long there is time.
func (s *subscriber) due() (wait time.Duration, now bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 || s.paused {
		return time.Hour, false
	}
	if s.full() || s.gone < s.urgent {
		return 0, true
	}
	wait = s.sub.Wait - time.Since(s.since)
	return wait, wait <= 0
}

// deliver sends one batch, again and again until it is taken; false when ctx ends.
func (s *subscriber) deliver(ctx context.Context) bool {
	batch, n := s.batch()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, maxPause) {
		if s.wire.Send(ctx, batch) == nil {
			s.taken(n)
			return true
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
	}
}

// batch is the first events that wait, as they are sent, and how many they are.
func (s *subscriber) batch() (b []byte, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for size := 0; n < min(len(s.waiting), s.sub.MaxItems) && (n == 0 || size+len(s.waiting[n]) <= s.sub.MaxBytes); n++ {
		size += len(s.waiting[n])
	}
	if s.sub.TCP {
		for _, e := range s.waiting[:n] {
			b = append(append(b, e...), '\n')
		}
		return b, n
	}
	b = append(b, '[')
	for i, e := range s.waiting[:n] {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	return append(b, ']'), n
}

// taken notes that the first n events are delivered.
func (s *subscriber) taken(n int) {
	s.mu.Lock()
	for _, e := range s.waiting[:n] {
		s.size -= len(e)
	}
	s.waiting = slices.Delete(s.waiting, 0, n)
	s.since = time.Now()
	s.gone += uint64(n)
	s.flushers = slices.DeleteFunc(s.flushers, func(f flusher) bool {
		if s.gone >= f.upTo {
			close(f.done)
		}
		return s.gone >= f.upTo
	})
	items, bytes := s.lostItems, s.lostBytes
	s.lostItems, s.lostBytes = 0, 0
	s.mu.Unlock()
	if items > 0 {
		s.lost("Some logs were dropped because the downstream consumer is slower than the logs production rate", items, bytes)
	}
}
