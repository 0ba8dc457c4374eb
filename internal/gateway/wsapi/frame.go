package wsapi

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
)

// errFrame is the end of a connection whose client sent a frame over the limit:
// the library puts frames together and does not tell how large they were.
var errFrame = errors.New("wsapi: frame too large")

// A framer gives the library a connection whose frames are measured.
type framer struct{ http.ResponseWriter }

// Hijack implements http.Hijacker.
func (f *framer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, b, err := http.NewResponseController(f.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return &measured{Conn: c}, b, nil // the library reads from the connection, and refuses what is buffered already
}

// A measured connection ends before a frame that is too large.
type measured struct {
	net.Conn
	frames frames
}

func (m *measured) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	if !m.frames.see(p[:n]) {
		return 0, errFrame
	}
	return n, err
}

// frames follow a stream of frames.
//
// https://www.rfc-editor.org/rfc/rfc6455#section-5.2
type frames struct {
	head [14]byte
	have int    // bytes of head
	left uint64 // of the payload
	bad  bool
}

// see watches bytes go by, and says whether all frames so far may be.
func (f *frames) see(p []byte) bool {
	for len(p) > 0 && !f.bad {
		if f.left > 0 {
			n := min(f.left, uint64(len(p)))
			f.left -= n
			p = p[n:]
			continue
		}
		f.head[f.have] = p[0]
		f.have++
		p = p[1:]
		f.measure()
	}
	return !f.bad
}

// measure reads the head if it is whole.
func (f *frames) measure() {
	if f.have < 2 {
		return
	}
	size, n := 2, uint64(f.head[1]&0x7f)
	switch n {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	if f.head[1]&0x80 != 0 {
		size += 4
	}
	if f.have < size {
		return
	}
	switch n {
	case 126:
		n = uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		n = binary.BigEndian.Uint64(f.head[2:])
	}
	f.have, f.left, f.bad = 0, n, n > maxFrame
}
