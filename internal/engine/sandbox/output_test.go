//go:build unix

package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
)

func TestFlushDeliversAllThatWasWritten(t *testing.T) {
	var got bytes.Buffer
	o, w, err := NewOutput(&got)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	defer w.Close()
	var want strings.Builder
	for i := range 2000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		if _, err := io.WriteString(w, line); err != nil {
			t.Fatal(err)
		}
		if err := o.Flush(); err != nil {
			t.Fatal(err)
		}
		o.mu.Lock()
		same := got.String() == want.String()
		o.mu.Unlock()
		if !same {
			t.Fatalf("after Flush %d: got %d bytes, want %d", i, got.Len(), want.Len())
		}
	}
}

func TestOutputsOfOneWriterShareAPipe(t *testing.T) {
	var got bytes.Buffer
	outs, ends, err := NewOutputs(&got, &got)
	if err != nil {
		t.Fatal(err)
	}
	if len(outs) != 1 || ends[0] != ends[1] {
		t.Fatalf("got %d outputs, ends %v", len(outs), ends)
	}
	for i := range 10 {
		fmt.Fprint(ends[i%2], i)
	}
	ends[0].Close()
	if err := outs[0].Close(); err != nil {
		t.Fatal(err)
	}
	if got.String() != "0123456789" {
		t.Errorf("got %q", got.String())
	}
}

// sliceWriter has a type that cannot be compared.
type sliceWriter []io.Writer

func (s sliceWriter) Write(p []byte) (int, error) { return s[0].Write(p) }

func TestWritersThatCannotBeComparedAreTwo(t *testing.T) {
	outs, ends, err := NewOutputs(sliceWriter{io.Discard}, sliceWriter{io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if len(outs) != 2 {
		t.Errorf("got %d outputs", len(outs))
	}
	for i, o := range outs {
		ends[i].Close()
		o.Close()
	}
}

func TestNilWritersGetNoOutput(t *testing.T) {
	outs, ends, err := NewOutputs(nil, nil)
	if err != nil || len(outs) != 0 || ends[0] != nil || ends[1] != nil {
		t.Errorf("got %v, %v, %v", outs, ends, err)
	}
}

type failing struct{ n int }

func (f *failing) Write(p []byte) (int, error) { f.n++; return 0, io.ErrShortWrite }

func TestAWriterThatFailsIsToldByFlushAndLeftAlone(t *testing.T) {
	f := &failing{}
	o, w, err := NewOutput(f)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		io.WriteString(w, "x")
		if err := o.Flush(); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("Flush: %v", err)
		}
	}
	w.Close()
	o.Close()
	if f.n != 1 {
		t.Errorf("written to %d times", f.n)
	}
}

func TestFlushDoesNotWaitForAWriterThatNeverStops(t *testing.T) {
	o, w, err := NewOutput(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		b := bytes.Repeat([]byte("x"), 4096)
		for {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	})
	for range 20 {
		if err := o.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	o.Close()
	wg.Wait()
	w.Close()
	if err := o.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}
