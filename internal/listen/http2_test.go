package listen

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The frames of HTTP/2 that the tests need.
//
// https://www.rfc-editor.org/rfc/rfc9113#section-6
const (
	frameData, frameHeaders, frameReset, frameSettings, frameGoAway, frameContinuation = 0, 1, 3, 4, 7, 9

	endStream, endHeaders = 1, 4
)

type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

func (p *peer) frame(kind, flags byte, stream uint32, payload []byte) error {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	b = binary.BigEndian.AppendUint32(append(b, flags), stream)
	_, err := p.Write(append(b, payload...))
	return err
}

// next reads a frame; false at the connection's end.
func (p *peer) next() (f frame, ok bool) {
	var h [9]byte
	if _, err := io.ReadFull(p.r, h[:]); err != nil {
		return f, false
	}
	f = frame{kind: h[3], flags: h[4], stream: binary.BigEndian.Uint32(h[5:]), payload: make([]byte, int(h[0])<<16|int(h[1])<<8|int(h[2]))}
	_, err := io.ReadFull(p.r, f.payload)
	return f, err == nil
}

// until reads frames up to one of a kind.
func (p *peer) until(kind byte) frame {
	p.t.Helper()
	for {
		f, ok := p.next()
		if !ok {
			p.t.Fatalf("the connection ended before a frame of kind %d", kind)
		}
		if f.kind == kind {
			return f
		}
	}
}

// talk2 begins HTTP/2 by prior knowledge.
func talk2(t *testing.T, addr string, settings ...byte) *peer {
	p := dial(t, addr)
	p.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	p.frame(frameSettings, 0, 0, settings)
	return p
}

// get is the header block of GET / for the host a.
func get2() []byte { return []byte{0x82, 0x84, 0x86, 0x41, 1, 'a'} }

func TestHTTP2Limits(t *testing.T) {
	_, addr := start(t, quiet(), echo)
	p := talk2(t, addr)
	got := map[uint16]uint32{}
	for s := p.until(frameSettings).payload; len(s) >= 6; s = s[6:] {
		got[binary.BigEndian.Uint16(s)] = binary.BigEndian.Uint32(s[2:])
	}
	if got[3] != streams || got[6] == 0 || got[6] > 2*headerBytes {
		t.Errorf("settings %v", got)
	}
}

// A client that opens streams and takes them back at once is stopped: what it
// left behind runs no more than the limit of streams.
func TestRapidReset(t *testing.T) {
	var running, most atomic.Int32
	release := make(chan struct{})
	_, addr := start(t, quiet(), func(w http.ResponseWriter, r *http.Request) {
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-release
		running.Add(-1)
	})
	defer close(release)
	p := talk2(t, addr)
	go func() {
		for id := uint32(1); id < 100_000; id += 2 {
			if p.frame(frameHeaders, endStream|endHeaders, id, get2()) != nil || p.frame(frameReset, 0, id, []byte{0, 0, 0, 8}) != nil {
				return
			}
		}
	}()
	if f := p.until(frameGoAway); binary.BigEndian.Uint32(f.payload[4:]) == 0 {
		t.Error("a polite goodbye")
	}
	if n := most.Load(); n > streams {
		t.Errorf("%d requests at once", n)
	}
}

// Headers without an end do not fill memory.
func TestContinuationFlood(t *testing.T) {
	_, addr := start(t, quiet(), echo)
	p := talk2(t, addr)
	go func() {
		if p.frame(frameHeaders, endStream, 1, get2()) != nil {
			return
		}
		field := append([]byte{0x00, 1, 'x', 127, 0}, strings.Repeat("v", 127)...) // a header of its own: "x", and a value of 127 bytes
		for range 1 << 16 {
			if p.frame(frameContinuation, 0, 1, field) != nil {
				return
			}
		}
	}()
	for {
		f, ok := p.next()
		if !ok || f.kind == frameGoAway {
			return
		}
	}
}

// A client of HTTP/2 that gives an answer no window is given up: its stream
// ends, its connection goes on.
func TestSlowStream(t *testing.T) {
	c := quiet()
	c.WriteTime = 50 * time.Millisecond
	ended := make(chan error, 1)
	_, addr := start(t, c, func(w http.ResponseWriter, r *http.Request) {
		_, err := w.Write(make([]byte, 1<<20))
		ended <- err
	})
	p := talk2(t, addr, 0, 4, 0, 0, 0, 10) // windows of ten bytes
	p.frame(frameHeaders, endStream|endHeaders, 1, get2())
	if err := <-ended; err == nil {
		t.Error("the handler wrote it all")
	}
	if f := p.until(frameReset); f.stream != 1 {
		t.Errorf("reset %+v", f)
	}
	p.frame(frameHeaders, endStream|endHeaders, 3, get2())
	if f := p.until(frameHeaders); f.stream != 3 {
		t.Errorf("answered %+v", f)
	}
	<-ended
}

// A handler may think for longer than a write may take.
func TestThoughtfulStream(t *testing.T) {
	c := quiet()
	c.WriteTime = 20 * time.Millisecond
	_, addr := start(t, c, func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			time.Sleep(40 * time.Millisecond) // longer than a write's time
			fmt.Fprint(w, i)
			http.NewResponseController(w).Flush()
		}
	})
	if got := get(t, "http://"+addr+"/", func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }); got != "012" {
		t.Errorf("%q", got)
	}
}

func TestDrainHTTP2(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	s, addr := start(t, quiet(), func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-release
		echo(w, r)
	})
	p := talk2(t, addr)
	p.frame(frameHeaders, endStream|endHeaders, 1, get2())
	<-begun
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(context.Background()) }()
	p.until(frameGoAway)
	close(release)
	if f := p.until(frameData); f.stream != 1 || string(f.payload) != "HTTP/2.0 GET / " {
		t.Errorf("%+v", f)
	}
	p.Close()
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
