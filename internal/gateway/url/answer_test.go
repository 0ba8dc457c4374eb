package url

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
)

// streaming is code that writes when it is told to.
func streaming(kind string, parts <-chan string, failure []byte) func(context.Context, function.Invocation) (function.Result, error) {
	return func(_ context.Context, in function.Invocation) (function.Result, error) {
		begun := false
		for p := range parts {
			if !begun {
				begun = true
				in.Begin(kind)
			}
			io.WriteString(in.Answer, p)
		}
		return function.Result{Failure: failure}, nil
	}
}

func TestStreamArrivesAsItIsWritten(t *testing.T) {
	parts := make(chan string)
	r := newRig(t, func(f *fake, _ *Config) {
		f.url.Mode = "RESPONSE_STREAM"
		f.code = streaming(payload.StreamType, parts, nil)
	})
	q, _ := http.NewRequest("GET", r.srv.URL, nil)
	q.Host = host
	got := make(chan *http.Response)
	go func() {
		a, err := http.DefaultTransport.RoundTrip(q)
		if err != nil {
			t.Error(err)
		}
		got <- a
	}()
	parts <- `{"statusCode":202,"headers":{"X-A":"b"},"coo`
	parts <- "kies\":[\"c=d\"]}\x00\x00\x00"
	parts <- "\x00\x00\x00\x00\x00"
	a := <-got
	defer a.Body.Close()
	if a.StatusCode != 202 || a.Header.Get("X-A") != "b" || a.Header.Get("Set-Cookie") != "c=d" || a.ContentLength != -1 {
		t.Fatalf("%v", a)
	}
	buf := make([]byte, 16)
	for _, p := range []string{"one", "two", "three"} {
		parts <- p
		if n, err := io.ReadFull(a.Body, buf[:len(p)]); err != nil || string(buf[:n]) != p {
			t.Fatalf("%q, %v", buf[:n], err)
		}
	}
	close(parts)
	if _, err := a.Body.Read(buf); err != io.EOF {
		t.Error(err)
	}
}

func TestStreamWithoutAPrelude(t *testing.T) {
	for kind, want := range map[string]string{"": "application/octet-stream", "application/json": "application/json", "text/html": "text/html"} {
		parts := make(chan string, 1)
		parts <- `{"statusCode":404}`
		close(parts)
		r := newRig(t, func(f *fake, _ *Config) { f.url.Mode, f.code = "RESPONSE_STREAM", streaming(kind, parts, nil) })
		if a, body := r.do("GET", "/", ""); a.StatusCode != 200 || body != `{"statusCode":404}` || a.Header.Get("Content-Type") != want {
			t.Errorf("%q: %v %s", kind, a, body)
		}
	}
}

// An address that does not stream waits for a handler that does.
func TestBufferedStream(t *testing.T) {
	parts := make(chan string, 2)
	parts <- "{\"statusCode\":418}\x00\x00\x00\x00\x00\x00\x00\x00tea"
	parts <- "pot"
	close(parts)
	r := newRig(t, func(f *fake, _ *Config) { f.code = streaming(payload.StreamType, parts, nil) })
	if a, body := r.do("GET", "/", ""); a.StatusCode != 418 || body != "teapot" {
		t.Errorf("%v %s", a, body)
	}
}

func TestStreamFailsHalfway(t *testing.T) {
	parts := make(chan string, 1)
	parts <- "half"
	close(parts)
	r := newRig(t, func(f *fake, _ *Config) {
		f.url.Mode, f.code = "RESPONSE_STREAM", streaming("text/plain", parts, []byte("{}"))
	})
	q, _ := http.NewRequest("GET", r.srv.URL, nil)
	q.Host = host
	a, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if b, err := io.ReadAll(a.Body); err == nil {
		t.Errorf("a broken stream looks whole: %q", b)
	}
	r.srv.Close() // waits for the handler
	if s := r.h.Stats(); s.Server != 1 {
		t.Errorf("%+v", s)
	}
}

// The function runs on when its client goes away.
func TestClientGoesAway(t *testing.T) {
	gone, ended := make(chan struct{}), make(chan error, 1)
	r := newRig(t, func(f *fake, _ *Config) {
		f.url.Mode = "RESPONSE_STREAM"
		f.code = func(ctx context.Context, in function.Invocation) (function.Result, error) {
			in.Begin("text/plain")
			io.WriteString(in.Answer, "begin")
			<-gone
			<-ctx.Done()
			for range 100 {
				if _, err := io.WriteString(in.Answer, strings.Repeat("x", 1<<16)); err != nil {
					ended <- err
					return function.Result{}, nil
				}
			}
			ended <- nil
			return function.Result{}, nil
		}
	})
	c, err := net.Dial("tcp", r.srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	c.Close()
	close(gone)
	if err := <-ended; err != nil {
		t.Errorf("the function noticed: %v", err)
	}
}
