package listen

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// crowd is how many slow connections the test makes: 10,000, or what the limit
// of open files leaves, both ends being in this process.
func crowd(t *testing.T) int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	n := 10_000
	if testing.Short() {
		n = 500
	}
	return min(n, int(l.Cur)/2-200)
}

// memory is what the process's heap and stacks take.
func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// 10,000 connections that send nothing, or half a header, or half a body, or that
// have been served and are kept, do not stop others, and cost little.
func TestSlowConnectionsDoNotStopFastOnes(t *testing.T) {
	n := crowd(t)
	c := quiet()
	c.Connections = n + 100
	var reading atomic.Int32
	s, addr := start(t, c, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			reading.Add(1)
		}
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "fast")
	})
	before := memory()
	slow := make([]net.Conn, n)
	bodies := 0
	for i := range slow {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		slow[i] = nc
		switch i % 4 {
		case 1:
			io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\nX: ")
		case 2:
			io.WriteString(nc, "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
			bodies++
		case 3:
			io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		}
	}
	for i := 3; i < n; i += 4 { // those are served
		if r, err := http.ReadResponse(bufio.NewReaderSize(slow[i], 16), nil); err != nil || r.StatusCode != 200 {
			t.Fatal(i, r, err)
		}
	}
	for int(reading.Load()) < bodies || s.Connections() < n {
		runtime.Gosched()
	}
	for range 100 { // each over a connection of its own
		p := dial(t, addr)
		p.send("GET /fast HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if _, body := p.answer(); body != "fast" {
			t.Fatalf("answered %q", body)
		}
	}
	each := (memory() - before) / uint64(n)
	t.Logf("%d slow connections of %d bytes each, both ends", n, each)
	if most := uint64(48 << 10); each > most {
		t.Errorf("a connection takes %d bytes, more than %d", each, most)
	}
}

// A full house of slow connections makes room for one that has something to ask.
func TestFullOfSlowConnections(t *testing.T) {
	c := quiet()
	c.Connections = 50
	s, addr := start(t, c, echo)
	for i := range 200 {
		p := dial(t, addr)
		p.send(strings.Repeat("G", i%2))
	}
	p := dial(t, addr)
	p.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, body := p.answer(); body != "HTTP/1.1 GET /x " {
		t.Errorf("%q", body)
	}
	if n := s.Connections(); n > 50 {
		t.Errorf("%d connections", n)
	}
}
