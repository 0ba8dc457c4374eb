package listen

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// quiet is a Config for tests.
func quiet() Config { return Config{Log: slog.New(slog.DiscardHandler)} }

// start serves h on a socket of loopback until the test ends.
func start(t *testing.T, c Config, h http.HandlerFunc) (*Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(c)
	s.Handle(h)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

// A peer is a raw connection.
type peer struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute)) // a test that hangs fails
	return &peer{c, t, bufio.NewReader(c)}
}

func (p *peer) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.t.Fatal(err)
	}
}

// answer reads one answer and its body.
func (p *peer) answer() (*http.Response, string) {
	p.t.Helper()
	r, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return r, string(b)
}

// closed wants the connection to be over, without another byte.
func (p *peer) closed() {
	p.t.Helper()
	b, err := p.r.ReadByte()
	if ne, ok := errors.AsType[net.Error](err); err == nil || ok && ne.Timeout() {
		p.t.Errorf("the connection goes on: %q, %v", b, err)
	}
}

// echo answers with what was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%s %s %s %s", r.Proto, r.Method, r.URL.Path, b)
}

// What is refused is refused on a real connection, and ends it: by the guard or
// by net/http.
func TestAmbiguousRequestsEndTheirConnection(t *testing.T) {
	_, addr := start(t, quiet(), echo)
	bad := ambiguous()
	for name, stream := range map[string]string{
		"no host":              "GET / HTTP/1.1\r\n\r\n",
		"an empty name":        "GET / HTTP/1.1\r\nHost: a\r\n\t: b\r\n\r\n",
		"a control character":  "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
		"a bad name":           "GET / HTTP/1.1\r\nHost: a\r\nX(): b\r\n\r\n",
		"a negative length":    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx",
		"a bad chunk":          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
		"a bare LF in a chunk": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
		"not HTTP":             "hello\r\n\r\n",
	} {
		bad[name] = stream
	}
	for name, stream := range bad {
		p := dial(t, addr)
		p.send(stream)
		p.Conn.(*net.TCPConn).CloseWrite()
		answers, err := io.ReadAll(p.r)
		if err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: %v", name, err)
		}
		last := answers[bytes.LastIndex(answers, []byte("HTTP/1.1 "))+len("HTTP/1.1 "):]
		if !bytes.HasPrefix(last, []byte("400 ")) && !bytes.HasPrefix(last, []byte("505 ")) {
			t.Errorf("%s: answered %q", name, answers)
		}
	}
	p := dial(t, addr)
	p.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
	if r, _ := p.answer(); r.StatusCode != http.StatusNotImplemented {
		t.Errorf("an unknown coding: %s", r.Status)
	}
	p = dial(t, addr)
	p.send("CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n")
	if r, _ := p.answer(); r.StatusCode != http.StatusMethodNotAllowed || !r.Close {
		t.Errorf("CONNECT: %s", r.Status)
	}
}

func TestNothingComesAfterChunks(t *testing.T) {
	_, addr := start(t, quiet(), echo)
	p := dial(t, addr)
	p.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
	if r, body := p.answer(); body != "HTTP/1.1 POST /a hi" || !r.Close {
		t.Errorf("%q, closes: %v", body, r.Close)
	}
	p.closed()
}

func TestPipeline(t *testing.T) {
	_, addr := start(t, quiet(), echo)
	p := dial(t, addr)
	p.send("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: a\r\n\r\nPOST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nde")
	for _, want := range []string{"HTTP/1.1 POST /1 abc", "HTTP/1.1 GET /2 ", "HTTP/1.1 POST /3 de"} {
		if _, body := p.answer(); body != want {
			t.Errorf("answered %q, want %q", body, want)
		}
	}
	p.closed()
}

func TestLongHeaders(t *testing.T) {
	_, addr := start(t, quiet(), echo)
	long := strings.Repeat("x", headerBytes/2)
	p := dial(t, addr)
	p.send("GET / HTTP/1.1\r\nHost: a\r\nA: " + long + "\r\n\r\n")
	if r, _ := p.answer(); r.StatusCode != http.StatusOK {
		t.Errorf("half of what may be: %s", r.Status)
	}
	for _, head := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\nA: " + long + "\r\nB: " + long + "\r\nC: " + long + "\r\n\r\n",
		"GET /" + long + long + long + " HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: b\r\n", headerBytes/4),
	} {
		p := dial(t, addr)
		go io.WriteString(p, head) // it may not be read to its end
		if r, _ := p.answer(); r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%.30q...: %s", head, r.Status)
		}
		p.closed()
	}
}

// A client that never ends its headers is gone after the time for them; what it
// asks in the meantime elsewhere is answered.
func TestSlowHeaders(t *testing.T) {
	c := quiet()
	c.HeaderTime = 50 * time.Millisecond
	_, addr := start(t, c, echo)
	for _, head := range []string{"", "G", "GET / HTTP/1.1\r\nHost: a\r\n", "PRI * HT", "PRI * HTTP/2.0\r\n\r\nS"} {
		p := dial(t, addr)
		p.send(head)
		io.Copy(io.Discard, p.r) // returns when the server has closed
	}
}

// A client that takes nothing of its answer is given up, and so its handler ends.
func TestSlowReader(t *testing.T) {
	c := quiet()
	c.WriteTime = 50 * time.Millisecond
	ended := make(chan error, 1)
	_, addr := start(t, c, func(w http.ResponseWriter, r *http.Request) {
		var err error
		for b := make([]byte, 1<<20); err == nil; {
			_, err = w.Write(b)
		}
		ended <- err
	})
	p := dial(t, addr)
	p.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the handler's write ended with %v", err)
	}
}

// The time for writes is for each bit of progress: an answer may take many times
// as long, and a handler may think for longer before it writes.
func TestSlowButSteadyReader(t *testing.T) {
	client, server := net.Pipe() // takes what is read, and no more
	defer client.Close()
	c := &conn{Conn: server, table: newTable(1, 100*time.Millisecond)}
	defer c.Close()
	wrote := make(chan error, 1)
	const size = 40
	go func() {
		_, err := c.Write(make([]byte, size))
		wrote <- err
	}()
	for range size { // takes four times as long as the time for progress
		time.Sleep(10 * time.Millisecond)
		if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

func TestOthersDeadlinesHold(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	c := &conn{Conn: server, table: newTable(1, time.Hour)}
	c.SetWriteDeadline(time.Unix(1, 0))
	if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a write after the deadline: %v", err)
	}
	c.SetWriteDeadline(time.Time{})
	go c.Write([]byte("x"))
	if b := make([]byte, 1); func() error { _, err := io.ReadFull(client, b); return err }() != nil || b[0] != 'x' {
		t.Errorf("read %q", b)
	}
}

func TestHijackedConnectionsAreNotGuarded(t *testing.T) {
	_, addr := start(t, quiet(), func(w http.ResponseWriter, r *http.Request) {
		c, b, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		line, err := b.ReadString('!')
		if err != nil {
			t.Error(err)
		}
		io.WriteString(c, line)
	})
	p := dial(t, addr)
	p.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	if r, err := http.ReadResponse(p.r, nil); err != nil || r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(r, err)
	}
	p.send("\n \x00 \r \n\n!")
	if line, err := p.r.ReadString('!'); line != "\n \x00 \r \n\n!" {
		t.Errorf("%q, %v", line, err)
	}
}

// When all places are taken, the connection that has waited longest for a
// request goes; when all are at work, the new one waits.
func TestFull(t *testing.T) {
	c := quiet()
	c.Connections = 2
	release := make(chan struct{})
	s, addr := start(t, c, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-release
		}
		echo(w, r)
	})
	busy, idle := dial(t, addr), dial(t, addr)
	idle.send("GET /idle HTTP/1.1\r\nHost: a\r\n\r\n")
	idle.answer()
	busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
	for s.table.running() != 1 {
		time.Sleep(time.Millisecond)
	}
	third := dial(t, addr)
	idle.closed()
	third.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
	for s.table.running() != 2 {
		time.Sleep(time.Millisecond)
	}
	fourth := dial(t, addr)
	fourth.send("GET /fourth HTTP/1.1\r\nHost: a\r\n\r\n")
	close(release)
	for name, p := range map[string]*peer{"/wait": third, "/fourth": fourth} {
		if _, body := p.answer(); body != "HTTP/1.1 GET "+name+" " {
			t.Errorf("%s: %q", name, body)
		}
	}
	if n := s.Connections(); n > 2 {
		t.Errorf("%d connections", n)
	}
}

// running is how many connections are at work.
func (t *table) running() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.conns {
		if c.busy.Load() > 0 {
			n++
		}
	}
	return n
}

// Draining: what runs is answered and told that its connection ends; what waits
// for a request is closed; what comes late is answered 503.
func TestDrain(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	s, addr := start(t, quiet(), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			close(begun)
			<-release
		}
		echo(w, r)
	})
	running, kept, silent := dial(t, addr), dial(t, addr), dial(t, addr)
	kept.send("GET /kept HTTP/1.1\r\nHost: a\r\n\r\n")
	kept.answer()
	running.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
	<-begun
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(context.Background()) }()
	kept.closed()
	silent.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
	if b, _ := io.ReadAll(silent.r); len(b) > 0 && !bytes.HasPrefix(b, []byte("HTTP/1.1 503 ")) {
		t.Errorf("a late request: %q", b)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	close(release)
	if r, body := running.answer(); body != "HTTP/1.1 GET /wait " || !r.Close {
		t.Errorf("%q, closes: %v", body, r.Close)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestUnavailable(t *testing.T) {
	s := New(quiet())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	defer s.Close()
	for _, when := range []string{"before there is a handler", "while it drains"} {
		p := dial(t, l.Addr().String())
		p.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if r, body := p.answer(); r.StatusCode != 503 || !r.Close || body != `{"message":"Service Unavailable"}` {
			t.Errorf("%s: %s %q", when, r.Status, body)
		}
		s.Handle(http.HandlerFunc(echo))
		s.draining.Store(true)
	}
}
