package runtimeapi

import (
	"bufio"
	"io"
	"net"
	"sync"
	"time"
)

// accept serves the connections of l.
func (s *Server) accept(l net.Listener) {
	if !s.remember(l) {
		l.Close()
		return
	}
	defer s.forget(l)
	for {
		conn, err := l.Accept()
		if err != nil {
			return // the listener ends, which is no news
		}
		s.serving.Go(func() { s.serveRaw(conn) })
	}
}

// remember has c closed when the Server is. It returns false if the Server is
// already.
func (s *Server) remember(c io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.open[c] = struct{}{}
	return true
}

func (s *Server) forget(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// handOver gives a connection to net/http, with what has been read of it.
func (s *Server) handOver(c *raw) {
	c.conn.SetWriteDeadline(time.Time{})
	conn := &replayed{Conn: c.conn, in: c.in, s: s}
	l := &single{conn: conn}
	s.http.Serve(l) // returns at once; its error says no more than that there is no other
	if l.conn != nil {
		conn.Close()
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

func (l *single) Close() error { return nil }

func (l *single) Addr() net.Addr { return &net.TCPAddr{} }

// A replayed is a connection of which something has been read already. The Server
// remembers it until it is closed.
type replayed struct {
	net.Conn
	in     *bufio.Reader
	s      *Server
	closed sync.Once
}

func (r *replayed) Read(p []byte) (int, error) { return r.in.Read(p) }

func (r *replayed) Close() error {
	r.closed.Do(func() { r.s.forget(r.Conn) })
	return r.Conn.Close()
}

// CloseWrite is what net/http calls to let a client read its last answer.
func (r *replayed) CloseWrite() error {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
