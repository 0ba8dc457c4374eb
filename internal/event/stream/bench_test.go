package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/event/source/sourcetest"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// counter is a function that takes no time.
type counter struct {
	fakes
	want, got atomic.Int64
	done      chan struct{}
}

func (c *counter) Invoke(_ context.Context, _ function.Ref, in function.Invocation) (function.Result, error) {
	var e struct{ Records []json.RawMessage }
	if err := json.Unmarshal(in.Payload, &e); err != nil {
		return function.Result{}, err
	}
	if c.got.Add(int64(len(e.Records))) >= c.want.Load() {
		select {
		case c.done <- struct{}{}:
		default:
		}
	}
	return function.Result{Version: "1"}, nil
}

// BenchmarkConsume reads a stream with a function that takes no time: what is
// left is the reading, the events, and the marks on disk. ns/op is for a record.
func BenchmarkConsume(b *testing.B) {
	for _, factor := range []int{1, 10} {
		b.Run(fmt.Sprint("factor", factor), func(b *testing.B) {
			db, err := store.OpenSQLite(filepath.Join(b.TempDir(), "queue.db"), store.Options{Sync: store.Full, Ballast: -1})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			fs := &counter{done: make(chan struct{}, 1)}
			m, err := Open(b.Context(), Config{DB: db, Functions: fs, Router: &target.Router{}, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			s := sourcetest.New(streamARN, 1)
			for i := range b.N {
				s.Put(0, fmt.Sprint("key-", i%40), "a record of some bytes")
			}
			fs.want.Store(int64(b.N))
			ctx, cancel := context.WithCancel(b.Context())
			b.ResetTimer()
			done := make(chan struct{})
			go func() {
				defer close(done)
				m.Run(ctx, Job{UUID: "u", Source: streamARN, Stream: s, FunctionARN: functionARN, Note: func(string) {},
					Plan: Plan{BatchSize: 100, Factor: factor, Retries: -1, MaxAge: -1}})
			}()
			<-fs.done
			b.StopTimer()
			cancel()
			<-done
		})
	}
}
