package runtimeapi

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	rawBuffer = 4 << 10                // what a connection reads ahead; a longer head is for net/http
	lingering = 500 * time.Millisecond // how long a client may take to read its last answer
)

// A raw is a connection on which the requests that a runtime makes for each
// invocation are served with less ado than net/http makes. From the first request
// on that is of any other kind, or anything but plain, the connection is net/http's.
// One goroutine reads; Begin's may write what it waits for.
type raw struct {
	s    *Server
	conn net.Conn
	in   *bufio.Reader
	head requestHead // of the request that is being served

	mu    sync.Mutex // guards what follows; held while something is written
	until time.Time  // when writes begin to fail; zero for never
}

// serveRaw serves a connection until it ends, or is net/http's.
func (s *Server) serveRaw(conn net.Conn) {
	if !s.remember(conn) {
		conn.Close()
		return
	}
	c := &raw{s: s, conn: conn, in: bufio.NewReaderSize(conn, rawBuffer)}
	for {
		size, err := c.readHead()
		if err == nil && size == 0 {
			s.handOver(c)
			return
		}
		if err != nil || !c.serve(size) {
			break
		}
	}
	conn.Close()
	s.forget(conn)
}

// readHead reads a request's head, which stays in the buffer. Its size is 0 when
// it is none of those that are served here.
func (c *raw) readHead() (size int, err error) {
	for have := 1; have <= rawBuffer; have = c.in.Buffered() + 1 {
		if _, err := c.in.Peek(have); err != nil {
			return 0, err
		}
		b, _ := c.in.Peek(c.in.Buffered()) // is buffered: cannot fail
		if !methodFits(b) {
			return 0, nil
		}
		end := bytes.Index(b, []byte("\r\n\r\n"))
		switch {
		case end < 0:
		case c.head.parse(b[:end+2]):
			return end + 4, nil
		default:
			return 0, nil
		}
	}
	return 0, nil
}

// serve serves the request whose head has been read, and tells whether the
// connection goes on.
func (c *raw) serve(size int) bool {
	c.in.Discard(size) // is buffered: cannot fail
	r := c.s.current()
	if c.head.verb == "next" {
		return c.next(r)
	}
	req := c.request()
	var w rawWriter
	if c.head.verb == "response" {
		r.serveResponse(&w, req, c.head.id)
	} else {
		r.serveError(&w, req, c.head.id)
	}
	const most = 256 << 10 // as net/http
	n, err := io.CopyN(io.Discard, req.Body, most)
	if err == nil && n == most || err != nil && err != io.EOF {
		c.last(&w)
		return false
	}
	return c.write(w.render(false))
}

// request is the request whose head has been read.
func (c *raw) request() *http.Request {
	req := &http.Request{Method: "POST", Header: c.head.header, ContentLength: c.head.length}
	if c.head.chunked {
		req.ContentLength = -1
		req.Body = newChunks(c.in, req)
	} else {
		req.Body = &body{c.in, c.head.length}
	}
	return req
}

// last sends an answer and ends the connection with it. The client may still be
// sending; it gets time to read.
func (c *raw) last(w *rawWriter) {
	if !c.write(w.render(true)) {
		return
	}
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		c.conn.SetReadDeadline(time.Now().Add(lingering))
		io.Copy(io.Discard, c.in) // until the client has gone, or has had its time
	}
}

// next is serveNext. Begin itself brings the invocation, when there is one: this
// goroutine waits for what the client says after that.
func (c *raw) next(r *run) bool {
	t, refused := r.next(c)
	if refused != nil {
		var w rawWriter
		write(&w, refused)
		return c.write(w.render(false))
	}
	if t != nil {
		c.deliver(t)
		return true
	}
	_, err := c.in.Peek(1)
	if !r.leave(c) || err != nil {
		return err == nil
	}
	// It goes on before it is answered: that has to wait until it is.
	a := make(waiting, 1)
	if t = r.askAgain(a); t == nil {
		t = r.await(a, nil)
	}
	if t != nil {
		c.deliver(t)
	}
	return t != nil
}

// cut ends the connection.
func (c *raw) cut() { c.conn.Close() }

// deliver writes t for the runtime. It waits while the runtime does not read, but
// not for long after the deadline, when nobody wants an answer any more.
func (c *raw) deliver(t *turn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !t.Deadline.IsZero() {
		c.until = t.Deadline.Add(time.Second) // the engine comes first
		if soon := time.Now().Add(time.Second); c.until.Before(soon) {
			c.until = soon
		}
		c.conn.SetWriteDeadline(c.until)
	} else {
		c.unlimit()
	}
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	b := appendDelivery(piece[:0], t)
	var err error
	if len(t.Payload) <= maxCopy {
		_, err = c.conn.Write(append(b, t.Payload...))
	} else {
		_, err = (&net.Buffers{b, t.Payload}).WriteTo(c.conn)
	}
	if err != nil {
		c.conn.Close()
	}
}

// unlimit lets writes take as long as they do. c.mu is held.
func (c *raw) unlimit() {
	if !c.until.IsZero() {
		c.until = time.Time{}
		c.conn.SetWriteDeadline(c.until)
	}
}

// write sends an answer, and tells whether it could.
func (c *raw) write(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().After(c.until) { // before that the limit may stay: it is soon set anew
		c.unlimit()
	}
	_, err := c.conn.Write(b)
	return err == nil
}

// appendDelivery appends the head of the answer that brings t.
func appendDelivery(b []byte, t *turn) []byte {
	b = append(b, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"...)
	b = appendHeader(b, "Lambda-Runtime-Aws-Request-Id", t.ID)
	b = append(b, "Lambda-Runtime-Deadline-Ms: "...)
	b = append(strconv.AppendInt(b, t.Deadline.UnixMilli(), 10), "\r\n"...)
	b = appendHeader(b, "Lambda-Runtime-Invoked-Function-Arn", t.InvokedARN)
	b = appendHeader(b, "Lambda-Runtime-Trace-Id", t.TraceHeader)
	b = appendHeader(b, "Lambda-Runtime-Client-Context", t.ClientContext)
	b = appendHeader(b, "Lambda-Runtime-Cognito-Identity", t.Identity)
	b = appendHeader(b, "Lambda-Runtime-Aws-Tenant-Id", t.Tenant)
	b = appendHeader(b, "Lambda-Runtime-Invocation-Id", t.Attempt)
	return appendTail(b, len(t.Payload))
}

// appendHeader appends a line, unless its value is empty. A line feed would end
// it: a space stands in for it, as in net/http.
func appendHeader(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(b, name...), ": "...)
	if strings.ContainsAny(value, "\r\n") {
		value = strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
	}
	return append(append(b, strings.Trim(value, " \t")...), "\r\n"...)
}

// appendTail appends what every answer's head ends with.
func appendTail(b []byte, length int) []byte {
	b = time.Now().UTC().AppendFormat(append(b, "Date: "...), http.TimeFormat)
	b = strconv.AppendInt(append(b, "\r\nContent-Length: "...), int64(length), 10)
	return append(b, "\r\n\r\n"...)
}

// A rawWriter keeps a short answer.
type rawWriter struct {
	header http.Header
	status int
	text   []byte
}

func (w *rawWriter) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

func (w *rawWriter) WriteHeader(status int) { w.status = status }

func (w *rawWriter) Write(p []byte) (int, error) {
	w.text = append(w.text, p...)
	return len(p), nil
}

// render is the answer as it is sent; last says that the connection ends with it.
func (w *rawWriter) render(last bool) []byte {
	b := append(make([]byte, 0, 256), "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(w.status), 10)
	b = append(append(append(b, ' '), http.StatusText(w.status)...), "\r\n"...)
	for name, values := range w.header {
		for _, v := range values {
			b = appendHeader(b, name, v)
		}
	}
	if last {
		b = append(b, "Connection: close\r\n"...)
	}
	return append(appendTail(b, len(w.text)), w.text...)
}
