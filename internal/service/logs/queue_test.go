package logs

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestQueueWaits fills the queue: who comes then waits, and loses nothing.
func TestQueueWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		big := func() *job { return &job{entries: []entry{{0, strings.Repeat("x", queueBytes*2/5)}}} }
		var put atomic.Int32
		for range 5 {
			go func() {
				if q.put(big()) {
					put.Add(1)
				}
			}()
		}
		synctest.Wait()
		if n := put.Load(); n != 2 {
			t.Fatalf("%d jobs went in, want the 2 that fit", n)
		}
		total := 0
		for total < 5 {
			jobs, closed := q.take()
			if len(jobs) == 0 || closed {
				t.Fatalf("%d jobs after %d, closed %v", len(jobs), total, closed)
			}
			total += len(jobs)
			synctest.Wait()
		}
		if n := put.Load(); n != 5 {
			t.Errorf("%d jobs went in, want all 5", n)
		}
	})
}

// TestQueueTakesOneTooLarge lets in a job that is larger than the queue.
func TestQueueTakesOneTooLarge(t *testing.T) {
	q := newQueue()
	if !q.put(&job{entries: []entry{{0, strings.Repeat("x", queueBytes+1)}}}) {
		t.Error("refused")
	}
}

func TestQueueClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		full := &job{entries: []entry{{0, strings.Repeat("x", queueBytes)}}}
		q.put(full)
		var refused atomic.Bool
		go func() { refused.Store(!q.put(full)) }()
		synctest.Wait()
		q.close()
		synctest.Wait()
		if !refused.Load() {
			t.Error("who waited was not sent away")
		}
		if jobs, closed := q.take(); len(jobs) != 1 || !closed {
			t.Errorf("%d jobs, closed %v: what was put before must come out", len(jobs), closed)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	book := openBook(b, b.TempDir(), nil)
	at, m := []time.Time{noon}, []string{strings.Repeat("x", 100)}
	b.SetBytes(100)
	for i := range b.N {
		book.Put("g", fmt.Sprint("s", i%1000), at, m)
	}
	book.settle(b)
}

// BenchmarkGetOfMany reads one of a thousand streams that share their slice.
func BenchmarkGetOfMany(b *testing.B) {
	book := openBook(b, b.TempDir(), nil)
	for i := range 100_000 {
		book.Put("g", fmt.Sprint("s", i%1000), []time.Time{noon}, []string{strings.Repeat("x", 100)})
	}
	book.settle(b)
	a := &api{book}
	for i := 0; b.Loop(); i++ {
		out, err := a.getLogEvents(b.Context(), &GetLogEventsRequest{LogGroupName: new("g"), LogStreamName: new(fmt.Sprint("s", i%1000))})
		if err != nil || len(out.Events) != 100 {
			b.Fatal(len(out.Events), err)
		}
	}
}
