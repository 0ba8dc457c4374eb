package listen

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"sync/atomic"
)

// errAmbiguous is the end of a connection whose request two programs might read
// in two ways. net/http answers it 400.
var errAmbiguous = errors.New("listen: ambiguous request")

// A guard watches the bytes of an HTTP/1.1 connection on their way to net/http,
// and finds the requests that a proxy before us may read otherwise than we do:
// where one ends, or for which host it is. Most of these net/http refuses by
// itself; the guard refuses what it would make up its mind about.
//
// It changes no byte. It follows heads and bodies of a known length; after a
// chunked body the server ends the connection.
//
// https://www.rfc-editor.org/rfc/rfc9112#section-11.2
type guard struct {
	line  []byte // what came of a line that is not whole yet
	head  head
	body  int64 // bytes of it that are to come
	blind bool  // what comes is not ours to judge
}

// A head is what the lines so far say of a request.
type head struct {
	begun     bool // there was a request line
	old       bool // not HTTP/1.1, which has chunks
	authority string
	hosts     int
	host      string
	lengths   int
	length    int64
	codings   int
}

// maxLine is more than net/http takes for all of a head: it answers 431 before.
const maxLine = 4 * headerBytes

// see watches p go by. It returns how many bytes may pass: when the request is
// refused, all before the end of the line that gave it away, so that
// net/http waits for more and gets the error.
func (g *guard) see(p []byte) (int, error) {
	for i := 0; i < len(p); {
		if g.blind {
			return len(p), nil
		}
		if g.body > 0 {
			n := min(g.body, int64(len(p)-i))
			g.body -= n
			i += int(n)
			continue
		}
		n := bytes.IndexByte(p[i:], '\n')
		if n < 0 {
			if len(g.line)+len(p)-i > maxLine {
				return i, errAmbiguous
			}
			g.line = append(g.line, p[i:]...)
			return len(p), nil
		}
		line := p[i : i+n]
		if len(g.line) > 0 {
			line = append(g.line, line...)
			g.line = nil // most connections never need it again
		}
		if !g.read(line) {
			return i + n, errAmbiguous
		}
		i += n + 1
	}
	return len(p), nil
}

// read takes a line of a head, and says whether it may be.
func (g *guard) read(line []byte) bool {
	line, ok := bytes.CutSuffix(line, []byte{'\r'})
	if !ok || bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, 0) >= 0 {
		return false
	}
	switch {
	case !g.head.begun:
		return g.begin(line)
	case len(line) == 0:
		return g.end()
	}
	return g.head.field(line)
}

// begin reads a request line.
func (g *guard) begin(line []byte) bool {
	if len(line) == 0 {
		return true // net/http knows what to do with it
	}
	if string(line) == "PRI * HTTP/2.0" {
		g.blind = true
		return true
	}
	_, rest, _ := bytes.Cut(line, []byte(" "))
	target, proto, ok := bytes.Cut(rest, []byte(" "))
	if !ok || bytes.IndexByte(proto, ' ') >= 0 {
		return false
	}
	g.head = head{begun: true, old: string(proto) != "HTTP/1.1"}
	if !bytes.HasPrefix(target, []byte("/")) {
		g.head.authority = authority(string(target))
	}
	return !strings.Contains(g.head.authority, "@")
}

// authority is whom an absolute target names, "" if it names nobody.
func authority(target string) string {
	_, rest, ok := strings.Cut(target, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// field reads a header line.
func (h *head) field(line []byte) bool {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t") { // a line that begins with a space continues another
		return false
	}
	switch {
	case len(name) == len("Host") && bytes.EqualFold(name, []byte("Host")):
		h.hosts++
		h.host = string(bytes.Trim(value, " \t"))
	case len(name) == len("Content-Length") && bytes.EqualFold(name, []byte("Content-Length")):
		h.lengths++
		h.length, ok = number(bytes.Trim(value, " \t"))
		return ok
	case len(name) == len("Transfer-Encoding") && bytes.EqualFold(name, []byte("Transfer-Encoding")):
		h.codings++
	}
	return true
}

// number is a length: digits alone.
func number(text []byte) (n int64, ok bool) {
	if len(text) == 0 || len(text) > 18 {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// end judges a whole head.
func (g *guard) end() bool {
	h := g.head
	g.head = head{}
	if h.lengths > 1 || h.codings > 1 || h.hosts > 1 || h.codings > 0 && (h.lengths > 0 || h.old) {
		return false
	}
	if strings.Contains(h.host, "@") || h.authority != "" && !strings.EqualFold(h.authority, h.host) {
		return false
	}
	g.body, g.blind = h.length, h.codings > 0
	return true
}

// A guarded connection has a guard on what is read from it.
type guarded struct {
	net.Conn
	guard   guard
	refused bool
	trusted atomic.Bool // it is not HTTP any more
}

func (g *guarded) Read(p []byte) (int, error) {
	if g.refused {
		return 0, errAmbiguous
	}
	n, err := g.Conn.Read(p)
	if n == 0 || g.trusted.Load() {
		return n, err
	}
	pass, bad := g.guard.see(p[:n])
	if bad == nil {
		return n, err
	}
	g.refused = true
	if pass == 0 {
		return 0, bad
	}
	return pass, nil
}

func (g *guarded) trust() { g.trusted.Store(true) }

// NetConn is the connection below.
func (g *guarded) NetConn() net.Conn { return g.Conn }

// CloseWrite lets net/http say goodbye before it closes.
func (g *guarded) CloseWrite() error {
	if h, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}
