package lambda

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"github.com/mayfly-faas/mayfly/internal/function"
	frames "github.com/mayfly-faas/mayfly/internal/wire/eventstream"
)

// TestMessages: AWS's own decoder reads them.
func TestMessages(t *testing.T) {
	for kind, headers := range map[string]string{"PayloadChunk": chunkHeaders, "InvokeComplete": endHeaders} {
		for _, payload := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte{0, 0xff}, maxChunk/2)} {
			b := frames.Append([]byte("before"), headers, payload)
			m, err := eventstream.NewDecoder().Decode(bytes.NewReader(b[len("before"):]), nil)
			if err != nil || !bytes.Equal(m.Payload, payload) {
				t.Fatalf("%s: %d of %d bytes, %v", kind, len(m.Payload), len(payload), err)
			}
			for name, want := range map[string]string{":message-type": "event", ":event-type": kind} {
				if got := m.Headers.Get(name); got == nil || got.String() != want {
					t.Errorf("%s: %s is %v", kind, name, got)
				}
			}
			if m.Headers.Get(":content-type") == nil || len(m.Headers) != 3 {
				t.Errorf("%s: headers %v", kind, m.Headers)
			}
		}
	}
}

// decode reads a whole stream: its payloads joined, and its end.
func decode(t *testing.T, r io.Reader) (payload []byte, end completion) {
	t.Helper()
	d := eventstream.NewDecoder()
	for {
		m, err := d.Decode(r, nil)
		if errors.Is(err, io.EOF) {
			return payload, end
		}
		if err != nil {
			t.Fatal(err)
		}
		if m.Headers.Get(":event-type").String() == "PayloadChunk" {
			payload = append(payload, m.Payload...)
		} else if err := json.Unmarshal(m.Payload, &end); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRelayHoldsLittle: of 200 MB, the relay never holds more than waits and is
// being sent, however the client reads. Who waits in the bubble waits for good.
func TestRelayHoldsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(nil, false)
		client, server := io.Pipe()
		var written, read atomic.Int64
		go func() {
			defer close(r.ended)
			piece := make([]byte, 100_000) // is no multiple of a message
			for range maxStream / len(piece) {
				n, err := r.Write(piece)
				written.Add(int64(n))
				if err != nil {
					t.Error(err)
				}
			}
		}()
		go func() { server.CloseWithError(r.stream(server)) }()
		most := int64(2*maxWaiting + 100_000)
		buf := make([]byte, 1<<20)
		for step := 0; ; step++ {
			if step%16 == 0 {
				synctest.Wait()
				if held := written.Load() - read.Load(); held > most {
					t.Fatalf("%d bytes are held after %d were read", held, read.Load())
				}
			}
			n, err := client.Read(buf)
			read.Add(int64(n))
			if err == io.EOF {
				break
			}
		}
		if written.Load() != maxStream/100_000*100_000 || read.Load() < written.Load() {
			t.Errorf("%d bytes were written, %d read", written.Load(), read.Load())
		}
	})
}

// TestRelayInterrupted: an invocation that is over does not wait for its client,
// who still gets what there was, and how it ended.
func TestRelayInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(nil, true)
		client, server := io.Pipe()
		go func() {
			defer close(r.ended)
			_, err := r.Write(bytes.Repeat([]byte("x"), 10*maxChunk))
			if !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("the write ended with %v", err)
			}
			r.res = function.Result{Failure: []byte(`{"errorType":"Sandbox.Timedout"}`), Tail: []byte("log")}
		}()
		go func() { server.CloseWithError(r.stream(server)) }()
		synctest.Wait() // it waits for a client who does not read
		select {
		case <-r.ended:
			t.Fatal("ended")
		default:
		}
		r.Interrupt()
		<-r.ended
		payload, end := decode(t, client) // what was being sent, and what waited
		want := completion{ErrorCode: "Unhandled", ErrorDetails: `{"errorType":"Sandbox.Timedout"}`, LogResult: "bG9n"}
		if len(payload) == 0 || len(payload) > 2*maxWaiting || end != want {
			t.Errorf("%d bytes, %+v", len(payload), end)
		}
	})
}

// TestRelayGone: the function goes on, alone, when its client has gone: before
// the first byte, or while it waits for it.
func TestRelayGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan struct{})
		r := newRelay(gone, false)
		ended := make(chan int)
		go func() {
			n, err := r.Write(make([]byte, maxStream))
			if err != nil {
				t.Error(err)
			}
			ended <- n
		}()
		synctest.Wait()
		close(gone)
		if n := <-ended; n != maxStream {
			t.Errorf("%d bytes were taken", n)
		}
	})
}

// TestRelayBroken: a connection that fails ends the client's side at once.
func TestRelayBroken(t *testing.T) {
	r := newRelay(nil, false)
	client, server := io.Pipe()
	client.Close()
	go r.Write([]byte("x"))
	if err := r.stream(server); err == nil {
		t.Error("it goes on")
	}
}
