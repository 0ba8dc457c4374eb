package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// A warehouse keeps what is put, or fails as it is told.
type warehouse struct {
	mu   sync.Mutex // guards what follows
	fail error
	got  []string // bucket/key=body
	puts []object.Put
}

func (w *warehouse) Put(_ context.Context, p object.Put, content io.Reader) (object.Info, error) {
	body, err := io.ReadAll(content)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err = errors.Join(err, w.fail); err != nil {
		return object.Info{}, err
	}
	w.got, w.puts = append(w.got, p.Bucket+"/"+p.Key+"="+string(body)), append(w.puts, p)
	return object.Info{}, nil
}

func (w *warehouse) set(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

func (w *warehouse) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.got, want) {
		t.Errorf("written: %v, want %v", w.got, want)
	}
}

// writing runs a test in virtual time, with a writer that can be opened again.
func writing(t *testing.T, test func(t *testing.T, db store.DB, h *warehouse, open func() *Writer)) {
	path := filepath.Join(t.TempDir(), "queue.db")
	synctest.Test(t, func(t *testing.T) {
		db, err := store.OpenSQLite(path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		h := &warehouse{}
		test(t, db, h, func() *Writer {
			w, err := OpenWriter(t.Context(), WriterConfig{DB: db, Objects: h, Account: "000000000000", Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			return w
		})
	})
}

func enqueue(t *testing.T, db store.DB, w *Writer, d target.Delivery) error {
	t.Helper()
	committed, err := store.Write(t.Context(), db, func(tx store.Tx) (func(), error) { return w.Enqueue(tx, arn.ARN{Service: "s3", Resource: "b"}, d) })
	if err == nil {
		committed()
	}
	return err
}

func TestWriter(t *testing.T) {
	writing(t, func(t *testing.T, db store.DB, h *warehouse, open func() *Writer) {
		w := open()
		defer w.Close()
		for i := range 3 {
			d := target.Delivery{Payload: fmt.Append(nil, i), Key: fmt.Sprint("k", i), Trace: "Root=1", Principal: "lambda.amazonaws.com"}
			if err := enqueue(t, db, w, d); err != nil {
				t.Fatal(err)
			}
		}
		h.want(t, "b/k0=0", "b/k1=1", "b/k2=2")
		if p := h.puts[0]; p.By.Trace != "Root=1" || p.By.Principal != "lambda.amazonaws.com" || p.Event != "ObjectCreated:Put" {
			t.Errorf("put as %+v", p)
		}
		if err := enqueue(t, db, w, target.Delivery{}); !errors.Is(err, target.ErrInvalid) {
			t.Errorf("no key: %v", err)
		}
		if err := w.Put(t.Context(), "c", "d", []byte("e")); err != nil {
			t.Error(err)
		}
		h.want(t, "b/k0=0", "b/k1=1", "b/k2=2", "c/d=e")
	})
}

// What the store cannot take is tried again, by the next writer too.
func TestWriterTriesAgain(t *testing.T) {
	writing(t, func(t *testing.T, db store.DB, h *warehouse, open func() *Writer) {
		h.set(object.ErrFull)
		w := open()
		for _, k := range []string{"x", "y"} {
			if err := enqueue(t, db, w, target.Delivery{Key: k}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		h.want(t)
		w.Close()
		h.set(nil)
		w = open()
		defer w.Close()
		time.Sleep(time.Minute)
		h.want(t, "b/x=", "b/y=")
	})
}

func TestWriterDropsForBucketsThatAreGone(t *testing.T) {
	writing(t, func(t *testing.T, db store.DB, h *warehouse, open func() *Writer) {
		w := open()
		defer w.Close()
		h.set(fmt.Errorf("put: %w", object.ErrNoBucket))
		if err := enqueue(t, db, w, target.Delivery{Key: "x"}); err != nil {
			t.Fatal(err)
		}
		h.want(t)
		h.set(nil)
		time.Sleep(time.Hour)
		h.want(t)
		if w.Dropped() != 1 {
			t.Errorf("dropped %d", w.Dropped())
		}
	})
}
