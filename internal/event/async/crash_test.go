package async

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const childDir = "MAYFLY_ASYNC_CHILD"

// TestMain is also the child that the crash test kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		acceptForever(dir)
	}
	os.Exit(m.Run())
}

// script fails every fifth event, and throttles some.
func script(n int, _ function.Ref, in function.Invocation) (function.Result, error) {
	switch {
	case n%11 == 10:
		return function.Result{}, &function.Throttled{}
	case n%5 == 4:
		return failed("")
	}
	in.Answer.Write(in.Payload)
	return function.Result{Version: "$LATEST"}, nil
}

func openOn(ctx context.Context, dir string, fs *fakes) (store.DB, *Queue, error) {
	db, err := store.OpenSQLite(filepath.Join(dir, "queue.db"), store.Options{Sync: store.Full, Ballast: -1})
	if err != nil {
		return nil, nil, err
	}
	if err := db.Migrate(ctx, "sink", `CREATE TABLE sink (arn TEXT NOT NULL, doc TEXT NOT NULL)`); err != nil {
		return nil, nil, err
	}
	var router target.Router
	router.Register("sqs", sink{})
	q, err := Open(ctx, Config{DB: db, Functions: fs, Router: &router, Log: slog.New(slog.DiscardHandler)})
	return db, q, err
}

func newFakes() *fakes {
	return &fakes{
		handling: map[string]function.Handling{"f": {MaxAge: time.Hour, OnSuccess: queue, OnFailure: dead}},
		running:  map[string]int{}, most: map[string]int{}, script: script,
	}
}

// acceptForever takes events as fast as it can and prints what it acknowledged.
func acceptForever(dir string) {
	_, q, err := openOn(context.Background(), dir, newFakes())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var mu sync.Mutex // guards standard output
	for i := range 8 {
		go func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("%d-%d-%d", os.Getpid(), i, n)
				err := q.Accept(context.Background(), Event{Ref: function.Ref{Name: "f"}, Payload: []byte(`"` + name + `"`)})
				mu.Lock()
				if err == nil {
					fmt.Println(name)
				}
				mu.Unlock()
				if n%8 == 7 {
					time.Sleep(time.Millisecond)
				}
			}
		}()
	}
	select {}
}

// TestKilledAtAnyTime kills a server that takes and handles events, again and
// again: what was acknowledged is sent on, once.
func TestKilledAtAnyTime(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	acked := map[string]bool{}
	for range 6 {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 100 + rand.IntN(400); n > 0 && lines.Scan(); n-- {
			acked[lines.Text()] = true
		}
		cmd.Process.Kill()
		for lines.Scan() {
			acked[lines.Text()] = true
		}
		io.Copy(io.Discard, out)
		cmd.Wait()
	}
	fs := newFakes()
	db, q, err := openOn(t.Context(), dir, fs)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for {
		left := 0
		err := db.View(t.Context(), func(tx store.Tx) error { return tx.Get([]any{&left}, `SELECT COUNT(*) FROM async_events`) })
		if err != nil {
			t.Fatal(err)
		}
		if left == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	sent := map[string]int{}
	err = db.View(t.Context(), func(tx store.Tx) error {
		return tx.Each(`SELECT doc FROM sink`, nil, func(scan func(...any) error) error {
			var doc string
			if err := scan(&doc); err != nil {
				return err
			}
			var d target.Delivery
			var r record
			if err := json.Unmarshal([]byte(doc), &d); err != nil {
				return err
			}
			if err := json.Unmarshal(d.Payload, &r); err != nil {
				return err
			}
			sent[strings.Trim(string(r.Payload), `"`)]++
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range acked {
		if sent[name] != 1 {
			t.Errorf("%s was acknowledged, and sent on %d times", name, sent[name])
		}
	}
	for name, n := range sent {
		if n != 1 {
			t.Errorf("%s was sent on %d times", name, n)
		}
	}
	if len(acked) < 600 {
		t.Errorf("only %d events were acknowledged", len(acked))
	}
}

// BenchmarkAccept is how fast events are taken, durably, by 64 senders, beside
// functions that take no time.
func BenchmarkAccept(b *testing.B) {
	fs := &fakes{handling: map[string]function.Handling{"f": {MaxAge: time.Hour}}, running: map[string]int{}, most: map[string]int{}}
	db, q, err := openOn(b.Context(), b.TempDir(), fs)
	if err != nil {
		b.Fatal(err)
	}
	payload := []byte(`{"k":"` + strings.Repeat("x", 1000) + `"}`)
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := q.Accept(b.Context(), Event{Ref: function.Ref{Name: "f"}, Payload: payload}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "accepted/s")
	b.StopTimer()
	if err := q.Close(); err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}
