package runtimeapi

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// A client is a runtime: one connection to a Server.
type client struct {
	t    testing.TB
	addr string
	http *http.Client
}

func serve(t testing.TB) (*Server, *client) {
	t.Helper()
	s := New()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(t.Name(), "TestNetHTTP/") {
		s.serveHTTP(l)
	} else {
		s.Serve(l)
	}
	s.Reset()
	c := &client{t, l.Addr().String(), &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(func() { s.Close(); c.http.CloseIdleConnections() })
	return s, c
}

// A reply is what the API answered.
type reply struct {
	status int
	header http.Header
	body   string
	err    error
}

func (c *client) do(method, path, body string, header ...string) reply {
	r, err := http.NewRequest(method, "http://"+c.addr+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := c.http.Do(r)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(b), err}
}

func (c *client) next() reply { return c.do("GET", base+"invocation/next", "") }

func (c *client) post(path, body string, header ...string) reply {
	return c.do("POST", base+path, body, header...)
}

// nextAsync asks for an invocation and returns where the reply will be.
func (c *client) nextAsync() <-chan reply {
	got := make(chan reply, 1)
	go func() { got <- c.next() }()
	return got
}

func (r reply) want(t *testing.T, status int, body string) {
	t.Helper()
	if r.err != nil || r.status != status || strings.TrimSpace(r.body) != body {
		t.Errorf("reply = %d %s (%v)\nwant    %d %s", r.status, r.body, r.err, status, body)
	}
}

const accepted = `{"status":"OK"}`

// deliverTo brings a runtime to where it has invocation "1".
func deliverTo(t *testing.T, s *Server, c *client, call *Call) (done <-chan struct{}) {
	t.Helper()
	got := c.nextAsync()
	<-s.Started()
	done = s.Begin(call)
	if r := <-got; r.status != 200 {
		t.Fatalf("next: %+v", r)
	}
	return done
}

func TestNext(t *testing.T) {
	s, c := serve(t)
	got := c.nextAsync()
	<-s.Started()
	if f := s.InitFailure(); f != nil {
		t.Errorf("init failure %v", f)
	}
	s.Begin(&Call{
		ID: "1", Attempt: "a", Payload: []byte(`{"k":1}`), Deadline: time.UnixMilli(1700000000123), InvokedARN: "arn:f:prod",
		TraceHeader: "Root=1-x", ClientContext: `{"c":1}`, Identity: `{"i":1}`, Tenant: "blue", Answer: io.Discard,
	})
	r := <-got
	r.want(t, 200, `{"k":1}`)
	for k, v := range map[string]string{
		"Lambda-Runtime-Aws-Request-Id": "1", "Lambda-Runtime-Deadline-Ms": "1700000000123",
		"Lambda-Runtime-Invoked-Function-Arn": "arn:f:prod", "Lambda-Runtime-Trace-Id": "Root=1-x",
		"Lambda-Runtime-Client-Context": `{"c":1}`, "Lambda-Runtime-Cognito-Identity": `{"i":1}`,
		"Lambda-Runtime-Aws-Tenant-Id": "blue", "Lambda-Runtime-Invocation-Id": "a", "Content-Type": "application/json",
	} {
		if got := r.header.Get(k); got != v {
			t.Errorf("%s = %q, want %q", k, got, v)
		}
	}
	c.next().want(t, 200, `{"k":1}`) // lost on the way: once more
}

func TestNextOmitsEmptyHeaders(t *testing.T) {
	s, c := serve(t)
	got := c.nextAsync()
	<-s.Started()
	s.Begin(&Call{ID: "1", Answer: io.Discard})
	r := <-got
	for k := range r.header {
		switch k {
		case "Lambda-Runtime-Aws-Request-Id", "Lambda-Runtime-Deadline-Ms", "Content-Type", "Content-Length", "Date":
		default:
			t.Errorf("header %s is there", k)
		}
	}
}

func TestAnswer(t *testing.T) {
	s, c := serve(t)
	got := c.nextAsync()
	<-s.Started()
	for i := range 3 {
		var out bytes.Buffer
		id := fmt.Sprint(i)
		done := s.Begin(&Call{ID: id, Answer: &out, Limit: 100})
		<-got
		c.post("invocation/"+id+"/response", "hello").want(t, 202, accepted)
		select {
		case <-done:
			t.Error("done before the runtime asks for more")
		default:
		}
		got = c.nextAsync()
		<-done
		r := s.End()
		if !r.Answered || r.Failure != nil || r.Produced != 5 || out.String() != "hello" || r.Last.Before(r.First) {
			t.Errorf("result = %+v, answer %q", r, out.String())
		}
	}
}

// TestReset: requests that were there before are cut off.
func TestReset(t *testing.T) {
	s, c := serve(t)
	c.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // which does not try again
	got := c.nextAsync()
	<-s.Started()
	s.Reset()
	if r := <-got; r.err == nil {
		t.Errorf("a request from before Reset was answered: %+v", r)
	}
	select {
	case <-s.Started():
		t.Error("started, but nothing has asked")
	default:
	}
}

func TestError(t *testing.T) {
	s, c := serve(t)
	done := deliverTo(t, s, c, &Call{ID: "1", Answer: io.Discard})
	c.post("invocation/1/error", `{"errorType":"E"}`, "Lambda-Runtime-Function-Error-Type", "Function.E").want(t, 202, accepted)
	c.nextAsync()
	<-done
	if r := s.End(); r.Failure == nil || r.Failure.Type != "Function.E" || string(r.Failure.Payload) != `{"errorType":"E"}` {
		t.Errorf("result = %+v", r)
	}
}

func TestInitError(t *testing.T) {
	s, c := serve(t)
	c.post("init/error", `{"errorType":"E"}`, "Lambda-Runtime-Function-Error-Type", "Runtime.E").want(t, 202, accepted)
	<-s.Started()
	if f := s.InitFailure(); f == nil || f.Type != "Runtime.E" || string(f.Payload) != `{"errorType":"E"}` {
		t.Errorf("failure = %+v", f)
	}
	c.next().want(t, 403, forbidden("InitError", "Ready"))
	s.Reset()
	if s.InitFailure() != nil {
		t.Error("the failure outlives Reset")
	}
}

// TestInitErrorOnce: while one report is read, another is refused unread.
func TestInitErrorOnce(t *testing.T) {
	s, c := serve(t)
	body, w := io.Pipe()
	posted := make(chan error, 1)
	go func() {
		res, err := c.http.Post("http://"+c.addr+base+"init/error", "", body)
		if err == nil {
			res.Body.Close()
		}
		posted <- err
	}()
	io.WriteString(w, "{") // returns when the client has sent the head
	for {
		s.mu.Lock()
		run := s.run
		s.mu.Unlock()
		run.mu.Lock()
		state := run.state
		run.mu.Unlock()
		if state == initError {
			break
		}
		time.Sleep(time.Millisecond)
	}
	c.post("init/error", "x").want(t, 403, forbidden("InitError", "InitError"))
	w.Close()
	if err := <-posted; err != nil {
		t.Error(err)
	}
	<-s.Started()
	if f := s.InitFailure(); f == nil || string(f.Payload) != "{" {
		t.Errorf("failure = %v", f)
	}
}

func forbidden(from, to string) string {
	return `{"errorMessage":"State transition from ` + from + ` to ` + to +
		` failed for runtime. Error: State transition is not allowed","errorType":"InvalidStateTransition"}`
}

// TestStates holds each wrong call to what AWS's emulator answers.
func TestStates(t *testing.T) {
	const badID = `{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`
	t.Run("started", func(t *testing.T) {
		_, c := serve(t)
		c.post("invocation/1/response", "x").want(t, 400, badID)
		c.post("invocation/1/error", "x").want(t, 400, badID)
	})
	t.Run("ready", func(t *testing.T) {
		s, c := serve(t)
		c.nextAsync()
		<-s.Started()
		c.post("invocation/1/response", "x").want(t, 400, badID)
		c.post("init/error", "x").want(t, 403, forbidden("Ready", "InitError"))
	})
	t.Run("running", func(t *testing.T) {
		s, c := serve(t)
		deliverTo(t, s, c, &Call{ID: "1", Attempt: "a", Answer: io.Discard})
		c.post("invocation/2/response", "x").want(t, 400, badID)
		c.post("invocation/2/error", "x").want(t, 400, badID)
		c.post("invocation//error", "x").want(t, 400, badID)
		c.post("init/error", "x").want(t, 403, forbidden("Running", "InitError"))
		c.do("GET", base+"restore/next", "").want(t, 403, forbidden("Running", "RestoreReady"))
		c.post("invocation/1/response", "x", "Lambda-Runtime-Invocation-Id", "b").want(t, 400,
			`{"errorMessage":"Invalid invocation ID","errorType":"InvalidInvocationId"}`)
		c.post("invocation/1/response", "x", "Lambda-Runtime-Invocation-Id", "a").want(t, 202, accepted)
	})
	t.Run("sent", func(t *testing.T) {
		s, c := serve(t)
		deliverTo(t, s, c, &Call{ID: "1", Answer: io.Discard})
		c.post("invocation/1/response", "x").want(t, 202, accepted)
		c.post("invocation/1/response", "x").want(t, 403, forbidden("RuntimeResponseSentState", "InvocationResponse"))
		c.post("invocation/1/error", "x").want(t, 403, forbidden("RuntimeResponseSentState", "InvocationErrorResponse"))
	})
	t.Run("ended", func(t *testing.T) {
		s, c := serve(t)
		deliverTo(t, s, c, &Call{ID: "1", Answer: io.Discard})
		s.End()
		c.post("invocation/1/response", "x").want(t, 400, badID)
	})
	t.Run("closed", func(t *testing.T) {
		s, c := serve(t)
		got := c.nextAsync()
		<-s.Started()
		s.Close()
		if r := <-got; r.err == nil {
			t.Errorf("next after Close: %+v", r)
		}
	})
	t.Run("before Reset", func(t *testing.T) {
		s, c := serve(t)
		s.replace(newRun(gone))
		c.next().want(t, 403, forbidden("Gone", "Ready"))
	})
}

func TestPaths(t *testing.T) {
	_, c := serve(t)
	for _, tt := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/2018-06-01/ping", 200, "pong"},
		{"GET", "/ping", 200, "pong"},
		{"POST", "/2018-06-01/runtime/invocation/next", 405, ""},
		{"GET", "/2018-06-01/runtime/invocation/1/response", 405, ""},
		{"GET", "/2018-06-01/runtime/nothing", 404, "404 page not found"},
		{"GET", "/", 404, "404 page not found"},
		{"POST", "/2020-01-01/extension/register", 403, `{"errorMessage":"Empty extension name","errorType":"Extension.InvalidExtensionName"}`},
		{"PUT", "/2022-07-01/telemetry", 403, `{"errorMessage":"Missing Lambda-Extension-Identifier header","errorType":"Extension.MissingExtensionIdentifier"}`},
		{"PUT", "/2020-08-15/logs", 403, `{"errorMessage":"Missing Lambda-Extension-Identifier header","errorType":"Extension.MissingExtensionIdentifier"}`},
	} {
		r := c.do(tt.method, tt.path, "")
		if r.status != tt.status || strings.TrimSpace(r.body) != tt.body {
			t.Errorf("%s %s: %d %s, want %d %s", tt.method, tt.path, r.status, r.body, tt.status, tt.body)
		}
	}
}

func TestRestore(t *testing.T) {
	s, c := serve(t)
	c.do("GET", base+"restore/next", "").want(t, 200, "")
	c.do("GET", base+"restore/next", "").want(t, 403, forbidden("Restoring", "RestoreReady"))
	c.post("restore/error", "{}", "Lambda-Runtime-Function-Error-Type", "E").want(t, 202, accepted)
	<-s.Started()
	if f := s.InitFailure(); f == nil || f.Type != "E" {
		t.Errorf("failure = %v", f)
	}
	s.Reset()
	c.do("GET", base+"restore/next", "").want(t, 200, "")
	c.nextAsync()
	<-s.Started()
	if f := s.InitFailure(); f != nil {
		t.Errorf("failure = %v", f)
	}
}

func TestTooLarge(t *testing.T) {
	const why = `{"errorMessage":"Exceeded maximum allowed payload size (10 bytes).","errorType":"RequestEntityTooLarge"}`
	for name, body := range map[string]io.Reader{
		"known size":   strings.NewReader(strings.Repeat("x", 1<<20)),
		"unknown size": io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20))),
	} {
		t.Run(name, func(t *testing.T) {
			s, c := serve(t)
			var out bytes.Buffer
			done := deliverTo(t, s, c, &Call{ID: "1", Answer: &out, Limit: 10})
			res, err := c.http.Post("http://"+c.addr+base+"invocation/1/response", "", body)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != 413 || string(b) != why {
				t.Errorf("reply = %d %s", res.StatusCode, b)
			}
			c.nextAsync()
			<-done
			r := s.End()
			if r.Failure == nil || r.Failure.Type != "Function.ResponseSizeTooLarge" || out.Len() > 10 {
				t.Errorf("result = %+v, %d bytes", r, out.Len())
			}
		})
	}
	t.Run("just fits", func(t *testing.T) {
		s, c := serve(t)
		deliverTo(t, s, c, &Call{ID: "1", Answer: io.Discard, Limit: 10})
		c.post("invocation/1/response", strings.Repeat("x", 10)).want(t, 202, accepted)
		if r := s.End(); r.Failure != nil || r.Produced != 10 {
			t.Errorf("result = %+v", r)
		}
	})
}

func TestInvalidMode(t *testing.T) {
	s, c := serve(t)
	deliverTo(t, s, c, &Call{ID: "1", Answer: io.Discard})
	c.post("invocation/1/response", "x", "Lambda-Runtime-Function-Response-Mode", "buffered").want(t, 400,
		`{"errorMessage":"Invalid function response mode","errorType":"InvalidFunctionResponseMode"}`)
	if r := s.End(); r.Failure == nil || r.Failure.Type != "Runtime.InvalidResponseModeHeader" {
		t.Errorf("result = %+v", r)
	}
}

// TestStreaming: each chunk is with the caller before the next one is written.
func TestStreaming(t *testing.T) {
	s, c := serve(t)
	r, w := io.Pipe()
	done := deliverTo(t, s, c, &Call{ID: "1", Answer: w})
	body, chunks := io.Pipe()
	req, err := http.NewRequest("POST", "http://"+c.addr+base+"invocation/1/response", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Lambda-Runtime-Function-Response-Mode", "streaming")
	req.Trailer = http.Header{headerErrorType: nil, headerErrorBody: nil}
	replied := make(chan error, 1)
	go func() {
		res, err := c.http.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode != 202 {
				err = errors.New(res.Status)
			}
		}
		replied <- err
	}()
	in := bufio.NewReader(r)
	for i := range 3 {
		fmt.Fprintf(chunks, "chunk %d\n", i)
		if line, err := in.ReadString('\n'); err != nil || line != fmt.Sprintf("chunk %d\n", i) {
			t.Fatalf("got %q, %v", line, err)
		}
	}
	req.Trailer.Set(headerErrorType, "Function.Broke")
	req.Trailer.Set(headerErrorBody, base64.StdEncoding.EncodeToString([]byte(`{"errorMessage":"m"}`)))
	chunks.Close()
	if err := <-replied; err != nil {
		t.Fatal(err)
	}
	c.nextAsync()
	<-done
	res := s.End()
	if res.Failure == nil || res.Failure.Type != "Function.Broke" || string(res.Failure.Payload) != `{"errorMessage":"m"}` || res.Produced != 24 {
		t.Errorf("result = %+v", res)
	}
}

// TestTrailerWithoutMode: what AWS's client for Go sends of a reader that fails.
func TestTrailerWithoutMode(t *testing.T) {
	s, c := serve(t)
	deliverTo(t, s, c, &Call{ID: "1", Answer: io.Discard})
	body := io.MultiReader(strings.NewReader("some")) // of no known length
	req, err := http.NewRequest("POST", "http://"+c.addr+base+"invocation/1/response", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = http.Header{headerErrorType: {"errorString"}, headerErrorBody: {"e30="}}
	res, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if r := s.End(); r.Failure == nil || r.Failure.Type != "errorString" || string(r.Failure.Payload) != "{}" || r.Produced != 4 {
		t.Errorf("result = %+v", r)
	}
}

// TestTruncated: a runtime that dies in the middle of its answer.
func TestTruncated(t *testing.T) {
	s, c := serve(t)
	deliverTo(t, s, c, &Call{ID: "1", Answer: io.Discard})
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST %sinvocation/1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", base)
	conn.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, conn)
	conn.Close()
	if r := s.End(); r.Failure == nil || r.Failure.Type != "Runtime.TruncatedResponse" {
		t.Errorf("result = %+v", r)
	}
}

// A blocked is a caller who does not read until told to.
type blocked struct {
	begun   chan struct{}
	proceed chan struct{}
	after   bool // written to when it must not be
	ended   bool
}

func (b *blocked) Write(p []byte) (int, error) {
	if b.ended {
		b.after = true
	}
	select {
	case b.begun <- struct{}{}:
	default:
	}
	<-b.proceed
	return len(p), nil
}

// TestEndWhileWriting: after End nothing is written any more.
func TestEndWhileWriting(t *testing.T) {
	s, c := serve(t)
	b := &blocked{begun: make(chan struct{}, 1), proceed: make(chan struct{})}
	deliverTo(t, s, c, &Call{ID: "1", Answer: b})
	go c.post("invocation/1/response", strings.Repeat("x", 1<<20))
	<-b.begun
	ended := make(chan Result)
	go func() { ended <- s.End() }()
	select {
	case <-ended:
		t.Fatal("End while a write is under way")
	case <-time.After(10 * time.Millisecond):
	}
	close(b.proceed)
	r := <-ended
	b.ended = true
	s.Reset()
	s.Close()
	if b.after || r.Produced == 0 {
		t.Errorf("result = %+v, written after End: %v", r, b.after)
	}
}

// A patient is a caller who does not read, but can be told to give up.
type patient struct{ begun, over chan struct{} }

func (p *patient) Write([]byte) (int, error) {
	close(p.begun)
	<-p.over
	return 0, errClosed
}

func (p *patient) Interrupt() { close(p.over) }

// TestInterrupt: End does not wait for a caller who does not read.
func TestInterrupt(t *testing.T) {
	s, c := serve(t)
	p := &patient{make(chan struct{}), make(chan struct{})}
	deliverTo(t, s, c, &Call{ID: "1", Answer: p})
	go c.post("invocation/1/response", strings.Repeat("x", 1<<20))
	<-p.begun
	if r := s.End(); r.Answered {
		t.Errorf("result = %+v", r)
	}
}

// TestCallerGone: an answer that nobody wants is still accepted.
func TestCallerGone(t *testing.T) {
	s, c := serve(t)
	r, w := io.Pipe()
	r.Close()
	deliverTo(t, s, c, &Call{ID: "1", Answer: w})
	c.post("invocation/1/response", strings.Repeat("x", 1<<20)).want(t, 202, accepted)
	if r := s.End(); !r.Answered || r.Failure != nil || r.Produced != 1<<20 {
		t.Errorf("result = %+v", r)
	}
}

// TestAnswerType: who waits for the answer hears of its media type before its
// first byte; of an error there is none, nor after the end.
func TestAnswerType(t *testing.T) {
	var said []string
	begin := func(kind string) { said = append(said, "type "+kind) }
	answer := writerFunc(func(p []byte) { said = append(said, string(p)) })
	for _, post := range []struct{ verb, body, kind string }{
		{"response", "one", "text/event-stream"}, {"response", "", ""}, {"error", "{}", "application/json"},
	} {
		s, c := serve(t)
		deliverTo(t, s, c, &Call{ID: "1", Begin: begin, Answer: answer})
		c.do("POST", base+"invocation/1/"+post.verb, post.body, "Content-Type", post.kind).want(t, 202, accepted)
		s.End()
	}
	if want := []string{"type text/event-stream", "one", "type "}; !slices.Equal(said, want) {
		t.Errorf("got %q, want %q", said, want)
	}
	var ended sink
	ended.close()
	ended.begin(func() { t.Error("told after the end") })
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }
