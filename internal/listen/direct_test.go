package listen

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// call is a plain POST.
func call(body string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: here\r\nX-One: 1\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// directly is a connection whose next call is served directly.
func directly(t *testing.T, addr string) *peer {
	t.Helper()
	p := dial(t, addr)
	p.send(call("first"))
	p.answer()
	return p
}

// isDirect tells who serves.
func isDirect(w http.ResponseWriter) bool {
	_, direct := w.(*directWriter)
	return direct
}

// TestDirectAnswersAsNetHTTP: the first call of a connection is net/http's, the second
// is served directly. Nobody can tell.
func TestDirectAnswersAsNetHTTP(t *testing.T) {
	long := strings.Repeat("long ", 20<<10)
	for name, h := range map[string]http.HandlerFunc{
		"echo": func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %v %s %s %v %s %d %s", b, err, r.Method, r.URL, r.Header, r.Host, r.ContentLength, r.Proto)
		},
		"nothing":    func(http.ResponseWriter, *http.Request) {},
		"no content": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"error":      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) },
		"declared": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			w.Write([]byte("ok"))
		},
		"declared in two": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			io.WriteString(w, "o")
			io.WriteString(w, "k")
		},
		"declared, none": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") },
		"typed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			fmt.Fprint(w, "<html>")
		},
		"sniffed": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"flushed": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "a")
			w.(http.Flusher).Flush()
			fmt.Fprint(w, "b")
		},
		"flushed at once": func(w http.ResponseWriter, _ *http.Request) {
			http.NewResponseController(w).Flush()
			fmt.Fprint(w, "b")
		},
		"long, declared": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(long)))
			io.WriteString(w, long)
		},
		"header too late": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(201)
			w.WriteHeader(500)
			w.Header().Set("X-Late", "1")
		},
		"header injection": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-A", "a\r\nX-B: b") },
	} {
		var served []bool
		_, addr := start(t, quiet(), func(w http.ResponseWriter, r *http.Request) {
			served = append(served, isDirect(w))
			h(w, r)
		})
		p := dial(t, addr)
		var got [3]string
		for i := range got {
			p.send(call("body"))
			r, body := p.answer()
			r.Header.Del("Date")
			got[i] = fmt.Sprint(r.Status, r.Header, r.ContentLength, r.TransferEncoding, body)
		}
		if got[0] != got[1] || got[0] != got[2] {
			t.Errorf("%s:\n%.300s\n%.300s\n%.300s", name, got[0], got[1], got[2])
		}
		if !reflect.DeepEqual(served, []bool{false, true, true}) {
			t.Errorf("%s: served directly: %v", name, served)
		}
	}
}

// TestDirectAndBack: what is not plain goes to net/http, and what comes after that
// may be served directly again.
func TestDirectAndBack(t *testing.T) {
	_, addr := start(t, quiet(), func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, isDirect(w), " ", r.Method, " ", string(b))
	})
	p := directly(t, addr)
	for _, step := range [][2]string{
		{call("a"), "true POST a"},
		{"GET / HTTP/1.1\r\nHost: here\r\n\r\n", "false GET "},
		{call("b") + call("c"), "true POST b"}, {"", "true POST c"},
		{strings.Replace(call("d"), "X-One: 1", "Expect: 100-continue", 1), "100"}, {"", "false POST d"},
		{"POST / HTTP/1.1\r\nHost: here\r\nX-One: \xff\r\nContent-Length: 1\r\n\r\ne", "true POST e"},
		{"POST /elsewhere HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\n\r\nf", "false POST f"},
		{call(""), "true POST "},
		{"POST / HTTP/1.1\r\nHost: here\r\nX-Long: " + strings.Repeat("x", directBuffer) + "\r\nContent-Length: 1\r\n\r\ng", "true POST g"},
		{call("h"), "true POST h"},
		{strings.Replace(call("i"), "X-One: 1", "Connection: close", 1), "false POST i"},
	} {
		p.send(step[0])
		r, got := p.answer()
		if r.StatusCode == 100 {
			got = "100"
		}
		if got != step[1] {
			t.Errorf("%.60q: %q, want %q", step[0], got, step[1])
		}
	}
	p.closed()
}

// TestDirectIsGuarded: an ambiguous request ends a connection however it was served.
func TestDirectIsGuarded(t *testing.T) {
	_, addr := start(t, quiet(), echo)
	for name, text := range ambiguous() {
		p := directly(t, addr)
		p.send(call("x"))
		p.answer()
		p.send(text)
		r, _ := p.answer()
		for r.StatusCode == 200 { // what comes before the ambiguous one
			r, _ = p.answer()
		}
		if r.StatusCode != 400 && r.StatusCode != 431 {
			t.Errorf("%s: %s", name, r.Status)
			continue
		}
		p.closed()
	}
}

// TestDirectBody: a body may come late, or not be read.
func TestDirectBody(t *testing.T) {
	_, addr := start(t, quiet(), func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-One") == "" {
			return // and does not read
		}
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, string(b), err)
	})
	p := directly(t, addr)
	text := call(strings.Repeat("x", 9000))
	p.send(text[:100])
	p.send(text[100:])
	if _, got := p.answer(); got != strings.Repeat("x", 9000)+"<nil>" {
		t.Errorf("%.100s", got)
	}
	p.send(strings.Replace(call("unread"), "X-One", "X-Two", 1) + call("read"))
	p.answer()
	if _, got := p.answer(); got != "read<nil>" {
		t.Errorf("%.100s", got)
	}
}

// TestDirectClientLeaves: who asks hears of it; a request that ends hears the same.
func TestDirectClientLeaves(t *testing.T) {
	began, left := make(chan context.Context), make(chan error)
	_, addr := start(t, quiet(), func(w http.ResponseWriter, r *http.Request) {
		if !isDirect(w) {
			return
		}
		io.Copy(io.Discard, r.Body)
		began <- r.Context()
		<-r.Context().Done()
		left <- r.Context().Err()
	})
	p := directly(t, addr)
	p.send(call("x"))
	<-began
	p.Close()
	if err := <-left; err != context.Canceled {
		t.Error(err)
	}
}

// TestDirectContextEnds: as net/http's do, and what the watcher saw is not lost.
func TestDirectContextEnds(t *testing.T) {
	contexts := make(chan context.Context, 3)
	_, addr := start(t, quiet(), func(w http.ResponseWriter, r *http.Request) {
		if !isDirect(w) {
			return
		}
		done := r.Context().Done()
		b, _ := io.ReadAll(r.Body)
		select {
		case <-done:
			t.Error("it ended before the request")
		default:
		}
		contexts <- r.Context()
		w.Write(b)
	})
	p := directly(t, addr)
	p.send(call("a") + call("b"))
	for _, want := range []string{"a", "b"} {
		if _, got := p.answer(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		ctx := <-contexts
		<-ctx.Done()
		if ctx.Err() != context.Canceled {
			t.Error(ctx.Err())
		}
	}
	p.send(call("c"))
	if _, got := p.answer(); got != "c" {
		t.Errorf("%q", got)
	}
}

// TestDirectPanic: the connection ends, the server does not.
func TestDirectPanic(t *testing.T) {
	_, addr := start(t, quiet(), func(w http.ResponseWriter, r *http.Request) {
		if isDirect(w) {
			panic(http.ErrAbortHandler)
		}
	})
	p := directly(t, addr)
	p.send(call("x"))
	p.closed()
	directly(t, addr)
}

// TestDirectDrain: what runs is answered, what waits is closed.
func TestDirectDrain(t *testing.T) {
	began, goOn := make(chan struct{}), make(chan struct{})
	s, addr := start(t, quiet(), func(w http.ResponseWriter, r *http.Request) {
		if isDirect(w) && r.ContentLength == 4 {
			began <- struct{}{}
			<-goOn
		}
	})
	idle, busy := directly(t, addr), directly(t, addr)
	idle.send(call("x"))
	idle.answer()
	busy.send(call("busy"))
	<-began
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(context.Background()) }()
	idle.closed()
	close(goOn)
	if r, _ := busy.answer(); r.StatusCode != 200 {
		t.Error(r.Status)
	}
	busy.closed()
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// TestDirectDrainIsBounded: a call that goes on is left to Close.
func TestDirectDrainIsBounded(t *testing.T) {
	began, goOn := make(chan struct{}), make(chan struct{})
	s, addr := start(t, quiet(), func(w http.ResponseWriter, _ *http.Request) {
		if isDirect(w) {
			began <- struct{}{}
			<-goOn
		}
	})
	defer close(goOn)
	p := directly(t, addr)
	p.send(call("x"))
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Drain(ctx); err == nil {
		t.Error("drained though a call runs")
	}
}

// FuzzDirect: what is taken for plain, net/http takes as well, and as the same.
func FuzzDirect(f *testing.F) {
	for _, text := range ambiguous() {
		f.Add([]byte(text))
	}
	f.Add([]byte(call("body")))
	f.Add([]byte("POST /a/invocations?x=%41 HTTP/1.1\r\nhost:a:1\r\nCONTENT-LENGTH:0\r\nA_b-c: d\te\r\n\r\n"))
	var seen *http.Request
	s := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r })}
	f.Fuzz(func(t *testing.T, text []byte) {
		end := bytes.Index(text, []byte("\r\n\r\n"))
		if end < 0 || end+4 > directBuffer || !isPlain(text[:end]) {
			return
		}
		r := parse(text[:end+4])
		if r == nil || !isCall(r) {
			return
		}
		if n, err := new(guard).see(text[:end+4]); err != nil || n < end+4 {
			return // the guard has it refused
		}
		seen = nil
		once(s, text[:end+4])
		if seen == nil {
			t.Fatalf("net/http refuses %q", text[:end+4])
		}
		for _, pair := range [][2]any{{r.URL, seen.URL}, {r.Header, seen.Header}, {r.Host, seen.Host}, {r.ContentLength, seen.ContentLength}, {r.RequestURI, seen.RequestURI}} {
			if !reflect.DeepEqual(pair[0], pair[1]) {
				t.Fatalf("%q: %v, net/http %v", text[:end+4], pair[0], pair[1])
			}
		}
	})
}

// once has s serve one request, whose body never comes.
func once(s *http.Server, head []byte) {
	c := &written{in: bytes.NewReader(head), closed: make(chan struct{})}
	s.Serve(&single{conn: c})
	<-c.closed
}

// A written is a connection that brings a text and takes whatever comes.
type written struct {
	handed
	in     *bytes.Reader
	closed chan struct{}
}

func (m *written) Read(p []byte) (int, error)       { return m.in.Read(p) }
func (m *written) Write(p []byte) (int, error)      { return len(p), nil }
func (m *written) Close() error                     { close(m.closed); return nil }
func (m *written) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (m *written) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (m *written) CloseWrite() error                { return nil }
func (m *written) SetDeadline(time.Time) error      { return nil }
func (m *written) SetReadDeadline(time.Time) error  { return nil }
func (m *written) SetWriteDeadline(time.Time) error { return nil }
