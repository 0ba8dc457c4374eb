package runtimeapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/extension"
	"github.com/mayfly-faas/mayfly/internal/engine/telemetry"
)

// newDescribed makes a Server of a function, and a client of it.
func newDescribed(t *testing.T, f Function) (*Server, func(method, path, body string, headers ...string) (int, http.Header, string)) {
	t.Helper()
	s := New()
	t.Cleanup(s.Close)
	s.Reset()
	s.Describe(f)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s.Serve(l)
	return s, func(method, path, body string, headers ...string) (int, http.Header, string) {
		t.Helper()
		r, err := http.NewRequest(method, "http://"+l.Addr().String()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, res.Header, string(b)
	}
}

func TestExtensionCalls(t *testing.T) {
	var subscribed []string
	s, call := newDescribed(t, Function{Name: "f", Version: "7", Handler: "h", Account: "000000000000",
		Subscribe: func(name string, logs bool, body []byte) *SubscribeError {
			if string(body) == "bad" {
				return &SubscribeError{400, "ValidationError", "bad"}
			}
			subscribed = append(subscribed, name)
			return nil
		}})
	s.Extensions().Expect([]string{"a"})
	const base = "/2020-01-01/extension/"
	status, h, body := call("POST", base+"register", `{"events":["INVOKE","SHUTDOWN"]}`, "Lambda-Extension-Name", "a")
	if status != 200 || body != `{"functionName":"f","functionVersion":"7","handler":"h"}` {
		t.Errorf("register: %d %s", status, body)
	}
	id := h.Get("Lambda-Extension-Identifier")
	for _, tt := range []struct {
		method, path, body, id, header, value string
		status                                int
		want                                  string
	}{
		{"POST", base + "register", `{}`, "", "Lambda-Extension-Name", "a", 403,
			`{"errorMessage":"State transition from Registered to Registered failed for extension a. Error: State transition is not allowed","errorType":"Extension.InvalidExtensionState"}`},
		{"POST", base + "register", `{`, "", "Lambda-Extension-Name", "b", 403, `{"errorMessage":"unexpected end of JSON input","errorType":"InvalidRequestFormat"}`},
		{"POST", base + "register", `{}`, "", "", "", 403, `{"errorMessage":"Empty extension name","errorType":"Extension.InvalidExtensionName"}`},
		{"GET", base + "register", ``, "", "", "", 405, ``},
		{"GET", base + "event/next", ``, "x", "", "", 403, `{"errorMessage":"Invalid Lambda-Extension-Identifier","errorType":"Extension.InvalidExtensionIdentifier"}`},
		{"POST", base + "init/error", `{}`, id, "", "", 403, `{"errorMessage":"Lambda-Extension-Function-Error-Type not found","errorType":"Extension.MissingHeader"}`},
		{"PUT", "/2022-07-01/telemetry", `good`, id, "", "", 200, `"OK"`},
		{"PUT", "/2022-07-01/telemetry/", `good`, id, "", "", 200, `"OK"`},
		{"PUT", "/2020-08-15/logs", `bad`, id, "", "", 400, `{"errorMessage":"bad","errorType":"ValidationError"}`},
		{"PUT", "/2020-08-15/logs", `good`, extension.NewID(), "", "", 403, `Extension.UnknownExtensionIdentifier`},
		{"POST", base + "exit/error", `{}`, id, "Lambda-Extension-Function-Error-Type", "Extension.X", 202, `{"status":"OK"}`},
		{"GET", base + "event/next", ``, id, "", "", 403, `State transition from ExitError to Ready failed`},
	} {
		headers := []string{"Lambda-Extension-Identifier", tt.id, tt.header, tt.value}
		if tt.header == "" {
			headers = headers[:2]
		}
		if tt.id == "" {
			headers = headers[2:]
		}
		if status, _, body := call(tt.method, tt.path, tt.body, headers...); status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s %s: %d %s\nwant %d %s", tt.method, tt.path, tt.body, status, body, tt.status, tt.want)
		}
	}
	if len(subscribed) != 2 || subscribed[0] != "a" {
		t.Errorf("subscribed %v", subscribed)
	}
	if f := s.Extensions().Failure(); f != "Extension.ExitError" {
		t.Errorf("failure %q", f)
	}
}

func TestExtensionEvent(t *testing.T) {
	s, call := newDescribed(t, Function{Account: "1"})
	s.Extensions().Expect([]string{"a"})
	_, h, body := call("POST", "/2020-01-01/extension/register", `{"events":["INVOKE"]}`, "Lambda-Extension-Name", "a", "Lambda-Extension-Accept-Feature", "accountId")
	if !strings.Contains(body, `"accountId":"1"`) {
		t.Errorf("register: %s", body)
	}
	ready := s.Extensions().Ready()
	got := make(chan string)
	go func() {
		_, head, body := call("GET", "/2020-01-01/extension/event/next", "", "Lambda-Extension-Identifier", strings.ToUpper(h.Get("Lambda-Extension-Identifier")))
		got <- body
		got <- head.Get("Lambda-Extension-Event-Identifier")
	}()
	<-ready
	s.Extensions().Tell(extension.Event{Type: extension.Invoke, RequestID: "r", Deadline: time.UnixMilli(5)})
	if body, id := <-got, <-got; !strings.HasPrefix(body, `{"eventType":"INVOKE","deadlineMs":5,"requestId":"r",`) || !isUUID(id) {
		t.Errorf("event %s called %q", body, id)
	}
}

// TestExtensionGivesUp: an extension that breaks off its question may ask again.
func TestExtensionGivesUp(t *testing.T) {
	s, call := newDescribed(t, Function{})
	s.Extensions().Expect([]string{"a"})
	_, h, _ := call("POST", "/2020-01-01/extension/register", `{"events":["INVOKE"]}`, "Lambda-Extension-Name", "a")
	id := h.Get("Lambda-Extension-Identifier")
	ready := s.Extensions().Ready()
	ctx, cancel := context.WithCancel(t.Context())
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, "GET", "/2020-01-01/extension/event/next", nil)
	r.Header.Set("Lambda-Extension-Identifier", id)
	over := make(chan any)
	go func() {
		defer func() { over <- recover() }()
		s.serve(w, r)
	}()
	<-ready
	cancel()
	if v := <-over; v != http.ErrAbortHandler {
		t.Errorf("ended with %v", v)
	}
	s.Extensions().Tell(extension.Event{Type: extension.Invoke, RequestID: "r"})
	if _, _, body := call("GET", "/2020-01-01/extension/event/next", "", "Lambda-Extension-Identifier", id); !strings.Contains(body, `"requestId":"r"`) {
		t.Errorf("event %s", body)
	}
}

func TestNoTelemetry(t *testing.T) {
	_, call := newDescribed(t, Function{})
	_, h, _ := call("POST", "/2020-01-01/extension/register", `{}`, "Lambda-Extension-Name", "a")
	for path, want := range map[string]string{"/2022-07-01/telemetry": "Telemetry.NotSupported", "/2020-08-15/logs": "Logs.NotSupported"} {
		if status, _, body := call("PUT", path, "{}", "Lambda-Extension-Identifier", h.Get("Lambda-Extension-Identifier")); status != 202 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// piped is a Dial to what serve does with the other end.
func piped(serve func(c net.Conn)) Dial {
	return func(context.Context, int) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go serve(theirs)
		return ours, nil
	}
}

func TestHTTPWire(t *testing.T) {
	var got []string
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
	dial := piped(func(c net.Conn) {
		defer c.Close()
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		b, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.Host+r.RequestURI+" "+r.Header.Get("Content-Type")+" "+string(b))
		io.WriteString(c, answer)
	})
	w := NewWire(dial, telemetry.Subscription{Port: 8080, Path: "/a?b", Method: "PUT"})
	defer w.Close()
	if err := w.Send(t.Context(), []byte(`[1]`)); err != nil {
		t.Error(err)
	}
	answer = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
	if err := w.Send(t.Context(), []byte(`[2]`)); err == nil {
		t.Error("an error of the extension's is none")
	}
	answer = ""
	if err := w.Send(t.Context(), []byte(`[3]`)); err == nil {
		t.Error("no answer is no error")
	}
	if len(got) != 3 || got[0] != "PUT sandbox.localdomain:8080/a?b application/json [1]" {
		t.Errorf("got %q", got)
	}
	if err := NewWire(func(context.Context, int) (net.Conn, error) { return nil, net.ErrClosed }, telemetry.Subscription{}).Send(t.Context(), nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestWireHangs: an extension that says nothing does not keep a Send that is not
// wanted any more.
func TestWireHangs(t *testing.T) {
	for _, tcp := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		w := NewWire(piped(func(net.Conn) { cancel() }), telemetry.Subscription{TCP: tcp, Port: 1, Path: "/", Method: "POST"})
		if err := w.Send(ctx, []byte("[]")); err == nil {
			t.Errorf("TCP %t: it was sent to nobody", tcp)
		}
		w.Close()
	}
}

func TestTCPWire(t *testing.T) {
	dials, lines := 0, make(chan string)
	serve := piped(func(c net.Conn) {
		in := bufio.NewReader(c)
		for range 2 {
			s, err := in.ReadString('\n')
			if err != nil {
				return
			}
			lines <- s
		}
		c.Close()
		lines <- "end"
	})
	w := NewWire(func(ctx context.Context, port int) (net.Conn, error) { dials++; return serve(ctx, port) }, telemetry.Subscription{TCP: true, Port: 53})
	defer w.Close()
	for _, s := range []string{"1\n", "2\n"} {
		go w.Send(t.Context(), []byte(s))
		if got := <-lines; got != s {
			t.Errorf("got %q, want %q", got, s)
		}
	}
	<-lines
	if err := w.Send(t.Context(), []byte("3\n")); err == nil {
		t.Error("the connection has ended, and nobody says so")
	}
	go w.Send(t.Context(), []byte("3\n"))
	if got := <-lines; got != "3\n" || dials != 2 {
		t.Errorf("got %q on connection %d", got, dials)
	}
}

func TestIsUUID(t *testing.T) {
	for s, want := range map[string]bool{
		extension.NewID(): true, "": false, strings.Repeat("0", 36): false, "12345678-1234-1234-1234-123456789ab-": false,
		"12345678-1234-1234-1234-123456789ABC": false, "12345678x1234-1234-1234-123456789abc": false,
	} {
		if isUUID(s) != want {
			t.Errorf("%q: %t", s, !want)
		}
	}
}
