package runtimeapi

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
)

var errTrailer = errors.New("runtimeapi: the trailer is too long, or cut off")

// A body is that of a plain request of known length.
type body struct {
	in   *bufio.Reader
	left int64
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err == io.EOF && b.left > 0 {
		err = io.ErrUnexpectedEOF
	} else if err == nil && b.left == 0 {
		err = io.EOF
	}
	return n, err
}

// take is the whole body, if it has come with its head: it need not be copied
// then. It is good until more is read of the connection.
func (b *body) take() (whole []byte, ok bool) {
	if b.left > int64(b.in.Buffered()) {
		return nil, false
	}
	whole, _ = b.in.Peek(int(b.left)) // is buffered: cannot fail
	b.in.Discard(len(whole))
	b.left = 0
	return whole, true
}

func (b *body) Close() error { return nil }

// chunks are the body of a plain request that comes in chunks. At its end it puts
// the trailer into the request.
type chunks struct {
	in   *bufio.Reader
	body io.Reader
	req  *http.Request
	err  error // that ended it
}

func newChunks(in *bufio.Reader, req *http.Request) *chunks {
	return &chunks{in: in, body: httputil.NewChunkedReader(in), req: req}
}

func (c *chunks) Read(p []byte) (n int, err error) {
	if c.err != nil {
		return 0, c.err
	}
	n, c.err = c.body.Read(p)
	if c.err == io.EOF {
		if c.req.Trailer, err = readTrailer(c.in); err != nil {
			c.err = err
		}
	}
	return n, c.err
}

func (c *chunks) Close() error { return nil }

// readTrailer reads what comes after the last chunk. Like net/http it takes no
// longer one than the buffer.
func readTrailer(in *bufio.Reader) (http.Header, error) {
	for have := 2; have <= rawBuffer; have = in.Buffered() + 1 {
		if _, err := in.Peek(have); err != nil {
			return nil, io.ErrUnexpectedEOF
		}
		b, _ := in.Peek(in.Buffered()) // is buffered: cannot fail
		if string(b[:2]) == "\r\n" {
			in.Discard(2) // is buffered: cannot fail
			return nil, nil
		}
		if bytes.Contains(b, []byte("\r\n\r\n")) {
			h, err := textproto.NewReader(in).ReadMIMEHeader()
			return http.Header(h), err
		}
	}
	return nil, errTrailer
}
