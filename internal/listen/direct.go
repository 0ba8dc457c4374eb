package listen

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	directBuffer = 4 << 10                // what is read ahead; a longer head is for net/http
	directDrain  = 256 << 10              // of a body that nobody read, as net/http
	lingering    = 500 * time.Millisecond // how long a client may take to read its last answer, as net/http
)

// A direct is a connection on which the calls of API clients are served with less
// ado than net/http makes, which has another goroutine wait for the client during each
// request: that costs as much as a small request itself. From the first request on
// that is of any other kind, or comes in pieces, the connection is net/http's again.
//
// The guard goes on watching what comes.
type direct struct {
	s    *Server
	conn net.Conn
	own  *conn // below conn
	in   *bufio.Reader
	base context.Context // of the connection
	from string
	out  []byte // room for an answer's head
}

// isCall tells whether r may be served directly: a POST of a known length that wants
// nothing special, to where API clients call.
func isCall(r *http.Request) bool {
	if r.Method != http.MethodPost || r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.TLS != nil || r.Close {
		return false
	}
	if r.ContentLength < 0 || len(r.TransferEncoding) > 0 || r.URL.Path != "/" && !strings.HasSuffix(r.URL.Path, "/invocations") {
		return false
	}
	for _, name := range []string{"Expect", "Upgrade", "Trailer", "Pragma"} {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	c := r.Header["Connection"]
	return len(c) == 0 || len(c) == 1 && strings.EqualFold(c[0], "keep-alive")
}

// takeOver serves r, and what comes after it, directly. It returns false when r is for
// net/http, as the first request of a connection is: many have no other.
func (s *Server) takeOver(w http.ResponseWriter, r *http.Request) bool {
	own, _ := r.Context().Value(connKey{}).(*conn)
	hijacker, ok := w.(http.Hijacker)
	if !ok || own == nil || !isCall(r) || own.calls.Add(1) < 2 || s.draining.Load() {
		return false
	}
	own.direct.Store(true)
	nc, ahead, err := hijacker.Hijack()
	if err != nil {
		own.direct.Store(false)
		return false
	}
	rest, _ := ahead.Reader.Peek(ahead.Reader.Buffered()) // is buffered: cannot fail
	d := &direct{s: s, conn: nc, own: own, base: context.WithoutCancel(r.Context()), from: r.RemoteAddr}
	d.in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(rest)), nc), directBuffer)
	if !s.directs.add(d) {
		nc.Close()
		return true
	}
	defer s.directs.remove(d)
	for r := r.WithContext(d.base); r != nil; r = d.next() {
		if !d.answer(r) {
			nc.Close()
			break
		}
	}
	return true
}

// next reads the next request; nil when the connection has ended, or is net/http's.
func (d *direct) next() *http.Request {
	d.conn.SetReadDeadline(time.Now().Add(d.s.config.IdleTime)) // an error means that it is closed
	_, err := d.in.Peek(1)
	if err != nil && !errors.Is(err, errAmbiguous) {
		d.conn.Close()
		return nil
	}
	d.conn.SetReadDeadline(time.Time{}) // an error means that it is closed
	b, _ := d.in.Peek(d.in.Buffered())  // is buffered: cannot fail
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if err != nil || end < 0 || !isPlain(b[:end]) {
		d.handOver()
		return nil
	}
	r := parse(b[:end+4])
	if r == nil || !isCall(r) {
		d.handOver()
		return nil
	}
	d.in.Discard(end + 4) // is buffered: cannot fail
	r.RemoteAddr = d.from
	return r
}

// A headReader reads a request's head that is in memory.
type headReader struct {
	text bytes.Reader
	in   *bufio.Reader
}

var headReaders = sync.Pool{New: func() any { return &headReader{in: bufio.NewReaderSize(nil, directBuffer)} }}

// parse reads a request's head; nil for none.
func parse(head []byte) *http.Request {
	h := headReaders.Get().(*headReader)
	defer headReaders.Put(h)
	h.text.Reset(head)
	h.in.Reset(&h.text)
	r, err := http.ReadRequest(h.in)
	h.text.Reset(nil)
	if err != nil {
		return nil
	}
	return r
}

// isPlain tells whether a head, without its last line's end, has nothing in it that
// net/http, as a server, looks at more closely than as a parser.
func isPlain(head []byte) bool {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(line, []byte("POST /")) || bytes.IndexFunc(line, func(c rune) bool { return c < ' ' || c > '~' }) >= 0 {
		return false
	}
	hosts := 0
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) == 0 {
			return false
		}
		for _, c := range name {
			if !isWord(c) && c != '_' {
				return false
			}
		}
		for _, c := range value {
			if c < ' ' && c != '\t' || c > '~' {
				return false
			}
		}
		if len(name) == len("Host") && bytes.EqualFold(name, []byte("Host")) {
			hosts++
			for _, c := range bytes.TrimSpace(value) {
				if !isWord(c) && c != '.' && c != ':' && c != '[' && c != ']' && c != '_' {
					return false
				}
			}
		}
	}
	return hosts == 1
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-'
}

// answer serves r, and tells whether the connection goes on.
func (d *direct) answer(r *http.Request) bool {
	body := &directBody{in: d.in, left: r.ContentLength}
	ctx := &watched{Context: d.base, conn: d.conn, in: d.in, read: body.left == 0}
	body.end = ctx.bodyRead
	r = r.WithContext(ctx)
	r.Body = http.NoBody
	if body.left > 0 {
		r.Body = body
	}
	w := &directWriter{d: d, header: http.Header{}, declared: -1}
	ok := d.call(w, r)
	ctx.end()
	if !ok || !w.finish() {
		return false
	}
	if body.left > 0 && !body.broken {
		d.conn.SetReadDeadline(time.Now().Add(d.s.config.HeaderTime)) // an error means that it is closed
		io.CopyN(io.Discard, body, directDrain)                       // what cannot be read ends the connection
	}
	if body.left > 0 || w.last || d.s.draining.Load() {
		d.linger()
		return false
	}
	return true
}

// call has the server answer r. It returns false when the answer broke off.
func (d *direct) call(w *directWriter, r *http.Request) (ok bool) {
	defer func() {
		p := recover()
		if p != nil && p != http.ErrAbortHandler {
			d.s.config.Log.Log(context.Background(), slog.LevelError, "a request's handler panicked", "panic", p, "stack", string(debug.Stack()))
		}
		ok = p == nil
	}()
	d.s.serve(w, r)
	return true
}

// linger lets the client read its last answer, while it may still be sending.
func (d *direct) linger() {
	half, ok := d.conn.(interface{ CloseWrite() error })
	if ok && half.CloseWrite() == nil {
		d.conn.SetReadDeadline(time.Now().Add(lingering)) // an error means that it is closed
		io.Copy(io.Discard, d.in)                         // until the client has gone, or has had its time
	}
}

// handOver gives the connection to net/http, with what has been read of it.
func (d *direct) handOver() {
	d.own.direct.Store(false)
	d.s.directs.remove(d)
	l := &single{conn: &handed{Conn: d.conn, in: d.in}}
	d.s.http.Serve(l) // returns at once; its error says no more than that there is no other connection
	if l.conn != nil {
		d.conn.Close()
	}
}

// A single is a listener for one connection.
type single struct {
	conn net.Conn // nil once accepted
}

func (l *single) Accept() (net.Conn, error) {
	c := l.conn
	l.conn = nil
	if c == nil {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l *single) Close() error   { return nil }
func (l *single) Addr() net.Addr { return &net.TCPAddr{} }

// A handed is a connection of which something has been read already.
type handed struct {
	net.Conn
	in *bufio.Reader
}

func (h *handed) Read(p []byte) (int, error) { return h.in.Read(p) }

// NetConn is the connection below.
func (h *handed) NetConn() net.Conn { return h.Conn }

func (h *handed) trust() {
	if g, ok := h.Conn.(interface{ trust() }); ok {
		g.trust()
	}
}

// CloseWrite lets net/http say goodbye before it closes.
func (h *handed) CloseWrite() error {
	if half, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// A directBody is the body of a request that is served directly.
type directBody struct {
	in     *bufio.Reader
	left   int64
	broken bool
	end    func() // called when all has been read
}

func (b *directBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0:
		b.end()
		return n, io.EOF
	case err != nil:
		b.broken = true
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

func (b *directBody) Close() error { return nil }

// A directWriter is the answer to a request that is served directly.
type directWriter struct {
	d        *direct
	header   http.Header
	status   int
	declared int64  // the length that the header says; -1 for none
	untyped  bool   // the header says no media type
	last     bool   // the connection ends with this answer
	body     []byte // what waits for its length to be known
	sent     bool   // the head is out
	chunked  bool
	written  int64
	err      error
}

func (w *directWriter) Header() http.Header { return w.header }

// WriteHeader writes down the head, but for what only the body tells.
func (w *directWriter) WriteHeader(status int) {
	if w.status != 0 || status < 200 {
		return
	}
	w.status = status
	if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		w.declared = n
	}
	w.untyped = len(w.header["Content-Type"]) == 0 && w.hasBody()
	w.last = strings.EqualFold(w.header.Get("Connection"), "close")
	b := bytes.NewBuffer(w.d.out[:0])
	b.WriteString("HTTP/1.1 ")
	b.WriteString(strconv.Itoa(status))
	b.WriteByte(' ')
	b.WriteString(http.StatusText(status))
	b.WriteString("\r\n")
	w.header.Write(b) // memory never fails
	if len(w.header["Date"]) == 0 {
		b.WriteString("Date: ")
		b.Write(time.Now().UTC().AppendFormat(b.AvailableBuffer(), http.TimeFormat))
		b.WriteString("\r\n")
	}
	w.d.out = b.Bytes()
}

func (w *directWriter) hasBody() bool {
	return w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

func (w *directWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.hasBody() {
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	switch {
	case w.declared >= 0 && w.written > w.declared:
		return 0, http.ErrContentLength
	case w.chunked:
		w.chunk(p)
	case w.sent:
		w.send(p, nil)
	case w.declared >= 0:
		w.sendHead("", p)
	default:
		w.body = append(w.body, p...)
	}
	return len(p), w.err
}

// sendHead sends the head, with a field more, and body.
func (w *directWriter) sendHead(field string, body []byte) {
	b := w.d.out
	if w.untyped && len(body) > 0 {
		b = append(append(append(b, "Content-Type: "...), http.DetectContentType(body)...), "\r\n"...)
	}
	b = append(append(b, field...), "\r\n"...)
	w.sent = true
	const small = 16 << 10 // what is copied to be sent at once
	if w.chunked || len(body) > small {
		w.send(b, nil)
		b = b[:0]
	}
	switch {
	case !w.chunked:
		w.send(b, body)
	case len(body) > 0:
		w.chunk(body)
	}
	if cap(b) <= 2*small {
		w.d.out = b
	} else {
		w.d.out = nil
	}
}

// send sends b and more as one.
func (w *directWriter) send(b, more []byte) {
	if len(b) > 0 && len(more) > 0 {
		b, more = append(b, more...), nil
	}
	for _, part := range [][]byte{b, more} {
		if w.err == nil && len(part) > 0 {
			_, w.err = w.d.conn.Write(part)
		}
	}
}

func (w *directWriter) chunk(p []byte) {
	if len(p) == 0 {
		return
	}
	b := append(strconv.AppendInt(make([]byte, 0, len(p)+16), int64(len(p)), 16), "\r\n"...)
	w.send(append(append(b, p...), "\r\n"...), nil)
}

// FlushError is for http.ResponseController.
func (w *directWriter) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.sent {
		return w.err
	}
	if w.declared >= 0 || !w.hasBody() {
		w.sendHead("", nil)
		return w.err
	}
	w.chunked = true
	w.sendHead("Transfer-Encoding: chunked\r\n", w.body)
	w.body = nil
	return w.err
}

// Flush implements http.Flusher.
func (w *directWriter) Flush() { _ = w.FlushError() }

// SetReadDeadline is for http.ResponseController.
func (w *directWriter) SetReadDeadline(t time.Time) error { return w.d.conn.SetReadDeadline(t) }

// SetWriteDeadline is for http.ResponseController.
func (w *directWriter) SetWriteDeadline(t time.Time) error { return w.d.conn.SetWriteDeadline(t) }

// finish sends what is left, and tells whether the answer is whole.
func (w *directWriter) finish() bool {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.chunked:
		w.send([]byte("0\r\n\r\n"), nil)
	case w.sent:
	case w.declared >= 0 || !w.hasBody():
		w.sendHead("", nil)
	default:
		w.sendHead("Content-Length: "+strconv.Itoa(len(w.body))+"\r\n", w.body)
	}
	return w.err == nil && (w.declared < 0 || w.written == w.declared || !w.hasBody())
}
