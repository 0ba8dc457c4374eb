package runtimeapi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// servers are two: one as it is, and one that net/http serves alone.
func servers(t *testing.T) map[string]func() (*Server, net.Conn) {
	dial := func(serve func(*Server, net.Listener)) func() (*Server, net.Conn) {
		return func() (*Server, net.Conn) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s := New()
			s.Reset()
			serve(s, l)
			t.Cleanup(s.Close)
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			return s, conn
		}
	}
	return map[string]func() (*Server, net.Conn){
		"raw":      dial((*Server).Serve),
		"net/http": dial((*Server).serveHTTP),
	}
}

// serveHTTP is Serve as it would be with net/http alone.
func (s *Server) serveHTTP(l net.Listener) { s.serving.Go(func() { s.http.Serve(l) }) }

// TestNetHTTP has net/http alone pass the tests that Serve passes.
func TestNetHTTP(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"Next": TestNext, "NextOmitsEmptyHeaders": TestNextOmitsEmptyHeaders, "Answer": TestAnswer, "Reset": TestReset,
		"Error": TestError, "InitError": TestInitError, "InitErrorOnce": TestInitErrorOnce, "States": TestStates,
		"Paths": TestPaths, "Restore": TestRestore, "TooLarge": TestTooLarge, "InvalidMode": TestInvalidMode,
		"Streaming": TestStreaming, "Truncated": TestTruncated, "EndWhileWriting": TestEndWhileWriting,
		"CallerGone": TestCallerGone, "AnswerType": TestAnswerType, "LinkBesideHTTP": TestLinkBesideHTTP,
	} {
		t.Run(name, test)
	}
}

// A said is an answer, without what differs from one second to the next.
type said struct {
	status int
	header http.Header
	body   string
	ended  bool
}

// ask sends requests one after the other, each once the one before is answered,
// to a runtime that has the invocation "1", and says what was answered.
func ask(t *testing.T, open func() (*Server, net.Conn), requests []string) (all []said, result Result) {
	t.Helper()
	s, conn := open()
	conn.SetDeadline(time.Now().Add(10 * time.Second)) // rather than hang
	in := bufio.NewReader(conn)
	io.WriteString(conn, "GET "+base+"invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
	<-s.Started()
	s.Begin(&Call{ID: "1", Payload: []byte("event"), Answer: io.Discard, Limit: 10, TraceHeader: "a\r\nb", ClientContext: " {} "})
	for i := 0; ; i++ {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return append(all, said{ended: true}), s.End()
		}
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Error(err)
		}
		res.Header.Del("Date")
		if i > 0 && strings.HasSuffix(requests[i-1], "CUT") {
			res.Close = true // it cannot go on, whether that is said or not
		}
		all = append(all, said{res.StatusCode, res.Header, string(b), res.Close})
		if res.Close || i == len(requests) {
			return all, s.End()
		}
		io.WriteString(conn, requests[i])
		if strings.HasSuffix(requests[i], "CUT") {
			conn.(*net.TCPConn).CloseWrite()
		}
	}
}

// TestRawIsAsNetHTTP compares each answer with that of net/http.
func TestRawIsAsNetHTTP(t *testing.T) {
	const next, response, failure = "GET " + base + "invocation/next HTTP/1.1\r\n", "POST " + base + "invocation/1/response HTTP/1.1\r\n", "POST " + base + "invocation/1/error HTTP/1.1\r\n"
	const host = "Host: x\r\n"
	for name, requests := range map[string][]string{
		"answer":           {response + host + "Content-Type: a/b\r\nContent-Length: 5\r\n\r\nhello", response + host + "Content-Length: 1\r\n\r\nx"},
		"again":            {next + host + "\r\n", next + "host:  x \r\nUser-Agent: Go\r\nAccept-Encoding: gzip\r\n\r\n"},
		"failure":          {failure + host + headerErrorType + ": E\r\nContent-Length: 2\r\n\r\n{}"},
		"chunks":           {response + host + "Transfer-Encoding: chunked\r\nTrailer: " + headerErrorType + ", " + headerErrorBody + "\r\n\r\n3\r\nabc\r\n0\r\n\r\n", failure + host + "Content-Length: 0\r\n\r\n"},
		"trailer":          {response + host + "Transfer-Encoding: chunked\r\n" + headerMode + ": streaming\r\nTrailer: " + headerErrorType + "\r\n\r\n3\r\nabc\r\n0\r\n" + headerErrorType + ": E\r\n\r\n"},
		"good trailer":     {response + host + "Transfer-Encoding: chunked\r\n" + headerMode + ": streaming\r\nTrailer: " + headerErrorBody + "," + headerErrorType + "\r\n\r\n3\r\nabc\r\n0\r\n" + headerErrorType + ": E\r\n" + headerErrorBody + ": e30=\r\n\r\n"},
		"bad trailer":      {response + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nE E\r\n\r\n"},
		"long trailer":     {response + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nE: " + strings.Repeat("x", 2*rawBuffer) + "\r\n\r\n"},
		"odd trailer":      {response + host + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n"},
		"bad chunk":        {response + host + "Transfer-Encoding: chunked\r\n\r\nz\r\n"},
		"cut trailer":      {response + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nCUT"},
		"refused and long": {"POST " + base + "invocation/2/response HTTP/1.1\r\n" + host + "Content-Length: 300000\r\n\r\n" + strings.Repeat("x", 300000), next + host + "\r\n"},
		"bad host":         {next + "Host: a b\r\n\r\n"},
		"too large":        {response + host + "Content-Length: 20\r\n\r\n01234567890123456789"},
		"too many chunks":  {response + host + "Transfer-Encoding: chunked\r\n\r\n14\r\n01234567890123456789\r\n0\r\n\r\n"},
		"truncated":        {response + host + "Content-Length: 9\r\n\r\nCUT"},
		"truncated chunks": {response + host + "Transfer-Encoding: chunked\r\n\r\n9\r\nCUT"},
		"expect":           {response + host + "Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello"},
		"mode":             {response + host + headerMode + ": odd\r\nContent-Length: 1\r\n\r\nx"},
		"wrong id":         {"POST " + base + "invocation/2/response HTTP/1.1\r\n" + host + "Content-Length: 1\r\n\r\nx"},
		"coded id":         {"POST " + base + "invocation/%31/response HTTP/1.1\r\n" + host + "Content-Length: 1\r\n\r\nx"},
		"wrong attempt":    {response + host + headerAttempt + ": z\r\nContent-Length: 1\r\n\r\nx"},
		"HTTP/1.0":         {"GET " + base + "invocation/next HTTP/1.0\r\n" + host + "\r\n"},
		"close":            {next + host + "Connection: close\r\n\r\n"},
		"no host":          {next + "\r\n"},
		"two hosts":        {next + host + host + "\r\n"},
		"two lengths":      {response + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"},
		"signed length":    {response + host + "Content-Length: +1\r\n\r\nx"},
		"both lengths":     {response + host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"},
		"odd encoding":     {response + host + "Transfer-Encoding: gzip\r\n\r\nx"},
		"folded":           {next + host + "A: b\r\n c\r\n\r\n"},
		"space in name":    {next + host + "A : b\r\n\r\n"},
		"control":          {next + host + "A: \x01\r\n\r\n"},
		"no length":        {response + host + "\r\n"},
		"long head":        {next + host + "A: " + strings.Repeat("x", 2*rawBuffer) + "\r\n\r\n", next + host + "\r\n"},
		"nonsense":         {"hello\r\n\r\n"},
		"elsewhere":        {"GET /ping HTTP/1.1\r\n" + host + "\r\n", next + host + "\r\n"},
		"next with body":   {next + host + "Content-Length: 3\r\n\r\nabc", next + host + "\r\n"},
		"init error":       {"POST " + base + "init/error HTTP/1.1\r\n" + host + "Content-Length: 1\r\n\r\nx"},
	} {
		t.Run(name, func(t *testing.T) {
			two := servers(t)
			got, result := ask(t, two["raw"], requests)
			want, wanted := ask(t, two["net/http"], requests)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("answers:\n got %+v\nwant %+v", got, want)
			}
			for _, r := range []*Result{&result, &wanted} {
				r.Sent, r.First, r.Last = time.Time{}, time.Time{}, time.Time{}
			}
			if !reflect.DeepEqual(result, wanted) {
				t.Errorf("result %+v, want %+v", result, wanted)
			}
		})
	}
}

// TestRawContinue: a client that waits for leave to send its answer gets it.
func TestRawContinue(t *testing.T) {
	_, c := serve(t)
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %sinvocation/1/response HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", base)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != 400 { // it has no invocation
		t.Errorf("%v, %v", res, err)
	}
}

// TestRawGone: an invocation is not given to a connection that has gone, before
// Begin or after.
func TestRawGone(t *testing.T) {
	for _, late := range []bool{false, true} {
		s, c := serve(t)
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %sinvocation/next HTTP/1.1\r\nHost: x\r\n\r\n", base)
		<-s.Started()
		conn.Close()
		s.untilOpen(1) // the listener
		call := &Call{ID: "1", Payload: []byte("x"), Answer: io.Discard}
		var done <-chan struct{}
		if late {
			done = s.Begin(call)
		}
		got := c.nextAsync()
		if !late {
			done = s.Begin(call)
		}
		(<-got).want(t, 200, "x")
		c.post("invocation/1/response", "y").want(t, 202, accepted)
		c.nextAsync()
		<-done
	}
}

// untilOpen waits until the server has noticed that all but n have gone.
func (s *Server) untilOpen(n int) {
	for open := n + 1; open > n; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		open = len(s.open)
		s.mu.Unlock()
	}
}

// TestRawPipelined: a client that does not wait for answers gets them in their order.
func TestRawPipelined(t *testing.T) {
	s, c := serve(t)
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %sinvocation/next HTTP/1.1\r\nHost: x\r\n\r\nPOST %sinvocation/1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\ny", base, base)
	<-s.Started()
	s.current().untilAsks(func(a asker) bool { _, ok := a.(waiting); return ok })
	s.Begin(&Call{ID: "1", Payload: []byte("event"), Answer: io.Discard})
	in := bufio.NewReader(conn)
	for _, want := range []int{200, 202} {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if io.Copy(io.Discard, res.Body); res.StatusCode != want {
			t.Errorf("status %d, want %d", res.StatusCode, want)
		}
	}
	if r := s.End(); !r.Answered || r.Produced != 1 {
		t.Errorf("result %+v", r)
	}
}

func (r *run) untilAsks(like func(asker) bool) {
	for asks := false; !asks; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		asks = slices.ContainsFunc(r.askers, like)
		r.mu.Unlock()
	}
}

// TestRawUnread: a client that does not read holds nobody up for longer than its
// invocation lasts.
func TestRawUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New()
		s.Reset()
		ours, theirs := net.Pipe()
		s.serving.Go(func() { s.serveRaw(ours) })
		fmt.Fprintf(theirs, "GET %sinvocation/next HTTP/1.1\r\nHost: x\r\n\r\n", base)
		<-s.Started()
		start := time.Now()
		s.Begin(&Call{ID: "1", Payload: make([]byte, 1<<20), Answer: io.Discard, Deadline: start.Add(3 * time.Second)})
		if waited := time.Since(start); waited > 4*time.Second {
			t.Errorf("waited for %v", waited)
		}
		if _, err := io.Copy(io.Discard, theirs); err != nil {
			t.Error(err)
		}
		s.Close()
	})
}

// FuzzRequestHead: what is taken for plain is what net/http reads.
func FuzzRequestHead(f *testing.F) {
	f.Add("GET " + base + "invocation/next HTTP/1.1\r\nHost: x\r\n")
	f.Add("POST " + base + "invocation/1-a/response HTTP/1.1\r\nhost: x\r\nContent-Length: 5\r\nContent-Type: \t a/b \r\n")
	f.Add("POST " + base + "invocation/1/error HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + headerErrorType + ": E\r\n")
	f.Add("POST " + base + "invocation/1/error HTTP/1.1\r\nHost: x\r\nContent-Length: 05\r\nA:\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "\r\n\r\n") || !strings.HasSuffix(text, "\r\n") {
			return
		}
		var h requestHead
		if !h.parse([]byte(text)) {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text + "\r\n")))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		want := base + "invocation/next"
		if h.verb != "next" {
			want = base + "invocation/" + h.id + "/" + h.verb
		}
		if req.URL.Path != want || req.Close || h.chunked != (len(req.TransferEncoding) > 0) || max(h.length, 0) != max(req.ContentLength, 0) {
			t.Errorf("%q is %+v to us, %+v to net/http", text, h, req)
		}
		for name, v := range h.header {
			if got := req.Header[name]; len(got) != 1 || got[0] != v[0] {
				t.Errorf("%q: %s is %q to us, %q to net/http", text, name, v, got)
			}
		}
	})
}

// FuzzRaw sends any bytes to a server. It must neither panic nor hang, and must
// serve the next client.
func FuzzRaw(f *testing.F) {
	f.Add([]byte("GET " + base + "invocation/next HTTP/1.1\r\nHost: x\r\n\r\nPOST " + base + "invocation/1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"))
	f.Add([]byte("POST " + base + "invocation/1/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := New()
		s.Reset()
		ours, theirs := net.Pipe()
		s.serving.Go(func() { s.serveRaw(ours) })
		read := make(chan struct{})
		go func() { io.Copy(io.Discard, theirs); close(read) }()
		theirs.SetWriteDeadline(time.Now().Add(time.Second))
		io.Copy(theirs, bytes.NewReader(data)) // as much as is taken
		theirs.Close()
		s.Close()
		<-read
	})
}
