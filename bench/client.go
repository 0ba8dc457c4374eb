package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A call is a POST that is made many times: its head but for what differs from
// one request to the next (date, signature, length), ready to be copied.
type call struct {
	head                          []byte // request line and headers
	beforeDate, afterDate, signed string // of the canonical request
}

// newCall prepares a POST of path and query (as they are sent) to host, with
// headers (lower-case names).
func newCall(host, path, query string, headers map[string]string) *call {
	names := []string{"host", "x-amz-date"}
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	c := &call{signed: strings.Join(names, ";")}
	line := path
	if query != "" {
		line += "?" + query
	}
	head := "POST " + line + " HTTP/1.1\r\nHost: " + host + "\r\n"
	canonical := "POST\n" + path + "\n" + query + "\n"
	for _, name := range names {
		switch name {
		case "host":
			canonical += "host:" + host + "\n"
		case "x-amz-date":
			c.beforeDate, canonical = canonical+"x-amz-date:", "\n"
		default:
			canonical += name + ":" + headers[name] + "\n"
			head += name + ": " + headers[name] + "\r\n"
		}
	}
	c.head, c.afterDate = []byte(head), canonical+"\n"+c.signed+"\n"
	return c
}

// invoke is the call of a function, synchronous unless headers say otherwise.
func invoke(host, function, qualifier string, headers map[string]string) *call {
	query := ""
	if qualifier != "" {
		query = "Qualifier=" + qualifier
	}
	return newCall(host, "/2015-03-31/functions/"+function+"/invocations", query, headers)
}

// A client is one connection that is kept, for one request at a time. It does
// what a request needs and no more: no pool, no header maps, no allocation.
type client struct {
	host string
	sign *signer
	conn io.ReadWriteCloser
	in   *bufio.Reader
	out  []byte
	body []byte
}

// dial connects to host; sign signs for this client alone.
func dial(host string, sign *signer) (*client, error) {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	return newClient(host, sign, conn), nil
}

func newClient(host string, sign *signer, conn io.ReadWriteCloser) *client {
	return &client{host: host, sign: sign, conn: conn, in: bufio.NewReaderSize(conn, 32<<10)}
}

func (c *client) close() { c.conn.Close() }

// again connects once more, to the same host.
func (c *client) again() error {
	conn, err := net.Dial("tcp", c.host)
	if err != nil {
		return err
	}
	c.conn.Close()
	c.conn = conn
	c.in.Reset(conn)
	return nil
}

// An answer is a response; Body lasts until the client's next request.
type answer struct {
	Status        int
	FunctionError bool
	Log           string // base64 of the tail, when asked for
	Body          []byte
}

var errFunction = errors.New("the function failed")

// post sends body to what to names, signed, and reads the answer.
func (c *client) post(to *call, body []byte) (answer, error) {
	if err := c.send(to, body); err != nil {
		return answer{}, err
	}
	return c.read()
}

func (c *client) send(to *call, body []byte) error {
	c.sign.at(time.Now())
	b := append(c.out[:0], to.head...)
	b = append(b, "X-Amz-Date: "...)
	b = append(b, c.sign.date...)
	b = append(b, "\r\nAuthorization: "...)
	b = c.sign.appendAuthorization(b, to, body)
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\n\r\n"...)
	b = append(b, body...)
	c.out = b
	_, err := c.conn.Write(b)
	return err
}

// mustAnswer is post for a call that must succeed.
func (c *client) mustAnswer(to *call, body []byte) ([]byte, error) {
	a, err := c.post(to, body)
	switch {
	case err != nil:
		return nil, err
	case a.Status/100 != 2:
		return nil, fmt.Errorf("status %d: %.300s", a.Status, a.Body)
	case a.FunctionError:
		return nil, fmt.Errorf("%w: %.300s", errFunction, a.Body)
	}
	return a.Body, nil
}

func (c *client) read() (answer, error) {
	var a answer
	length, err := c.readStart(&a)
	if err != nil {
		return answer{}, err
	}
	c.body = c.body[:0]
	if length < 0 {
		err = c.readChunks()
	} else {
		err = c.readPart(length)
	}
	a.Body = c.body
	return a, err
}

// readPart appends n bytes to the body, taking no more memory than there comes.
func (c *client) readPart(n int) error {
	for n > 0 {
		at, part := len(c.body), min(n, 1<<20)
		c.body = slices.Grow(c.body, part)[:at+part]
		if _, err := io.ReadFull(c.in, c.body[at:]); err != nil {
			c.body = c.body[:at]
			return err
		}
		n -= part
	}
	return nil
}

// readStart reads the status and the headers; the length is -1 for a body in chunks.
func (c *client) readStart(a *answer) (length int, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("not a status line: %q", line)
	}
	if a.Status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, fmt.Errorf("not a status line: %q", line)
	}
	return c.readHead(a)
}

// readHead reads headers; the length is -1 for a body in chunks.
func (c *client) readHead(a *answer) (length int, err error) {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return length, nil
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			n, err := strconv.ParseUint(string(value), 10, 31)
			if err != nil {
				return 0, err
			}
			length = int(n)
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			length = -1
		case bytes.EqualFold(name, []byte("x-amz-function-error")):
			a.FunctionError = true
		case bytes.EqualFold(name, []byte("x-amz-log-result")):
			a.Log = string(value)
		}
	}
}

func (c *client) readChunks() error {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(bytes.TrimRight(line, "\r\n")), 16, 31)
		if err != nil {
			return fmt.Errorf("not the length of a chunk: %q", line)
		}
		if err := c.readPart(int(n)); err != nil {
			return err
		}
		if _, err := c.in.Discard(2); err != nil || n == 0 {
			return err
		}
	}
}
