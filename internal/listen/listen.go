// Package listen is the server's ears: HTTP/1.1 and HTTP/2 on plain and TLS
// listeners, with bounds on what one connection may cost, so that slow, idle and
// hostile clients do not stop the others. It knows nothing of what is served.
package listen

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// What a connection may cost.
const (
	headerBytes  = 64 << 10         // of a request's line and headers; more is answered 431
	headerTime   = 20 * time.Second // for a request's headers to come, and for a TLS handshake
	idleTime     = 2 * time.Minute
	writeTime    = time.Minute // within which a client takes something of what waits for it
	streams      = 128         // requests at once on an HTTP/2 connection
	streamBytes  = 256 << 10   // of a request's body, on its way to us, that HTTP/2 holds
	sessionBytes = 1 << 20     // the same for a whole HTTP/2 connection
	pingAfter    = 45 * time.Second
)

// A Config is what a Server is made of. What is zero has a default.
type Config struct {
	Log *slog.Logger // of what clients do wrong, at level debug

	// Connections bounds how many are open at once. When there is no room for one
	// more, the one that has waited longest for a request is closed; if all are at
	// work, the new one waits. 0 is what the limit of open files allows.
	Connections int

	HeaderTime, IdleTime, WriteTime time.Duration // for tests
}

// A Server serves HTTP on any number of listeners until it is drained or closed.
type Server struct {
	config   Config
	http     http.Server
	handler  atomic.Pointer[http.Handler]
	table    *table
	directs  directs
	draining atomic.Bool
}

// New makes a Server. Until Handle is called it answers 503.
func New(c Config) *Server {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Connections == 0 {
		c.Connections = room()
	}
	c.HeaderTime, c.IdleTime, c.WriteTime = or(c.HeaderTime, headerTime), or(c.IdleTime, idleTime), or(c.WriteTime, writeTime)
	s := &Server{config: c, table: newTable(c.Connections, c.WriteTime)}
	s.http = http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: c.HeaderTime, IdleTimeout: c.IdleTime,
		MaxHeaderBytes: headerBytes,
		ErrorLog:       slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
		Protocols:      new(http.Protocols),
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: streams, MaxReceiveBufferPerStream: streamBytes,
			MaxReceiveBufferPerConnection: sessionBytes, SendPingTimeout: pingAfter},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, connOf(c))
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			own := connOf(c)
			if own != nil && own.direct.Load() {
				return // what comes is HTTP
			}
			if g, ok := c.(interface{ trust() }); ok && state == http.StateHijacked {
				g.trust() // what comes is not HTTP any more
				if own != nil {
					own.begin() // it is at work to its end: see table.idlest
				}
			}
		},
	}
	s.http.Protocols.SetHTTP1(true)
	s.http.Protocols.SetHTTP2(true)
	s.http.Protocols.SetUnencryptedHTTP2(true)
	return s
}

func or(d, other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return d
}

// Handle sets what answers requests from now on.
func (s *Server) Handle(h http.Handler) { s.handler.Store(&h) }

// Serve answers HTTP on l, in clear, until l is closed or the server is drained.
// It closes l. A nil error means that the end was wanted.
func (s *Server) Serve(l net.Listener) error {
	return ended(s.http.Serve(&listener{Listener: l, table: s.table, wrap: func(c *conn) net.Conn { return &guarded{Conn: c} }}))
}

// ServeTLS is Serve under TLS with the certificate.
func (s *Server) ServeTLS(l net.Listener, c *Certificate) error {
	h := newHandshakes(&listener{Listener: l, table: s.table}, c.config(), s.config.HeaderTime)
	defer h.wait()
	return ended(s.http.Serve(h))
}

func ended(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Drain closes the listeners and the connections that wait for a request, and
// waits until the requests that run are answered, or ctx ends. From its start on
// every answer says that its connection will be closed, and a request that
// comes all the same is answered 503, which clients try again elsewhere.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	return errors.Join(s.http.Shutdown(ctx), s.directs.drain(ctx))
}

// Close breaks every connection that is left.
func (s *Server) Close() error {
	s.directs.close()
	return s.http.Close()
}

// Connections is how many are open.
func (s *Server) Connections() int { return s.table.len() }

// ServeHTTP is the handler alone, for tests that have a listener of their own.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := s.handler.Load()
	if h == nil {
		unavailable(w)
		return
	}
	(*h).ServeHTTP(w, r)
}

// serve answers one request, and keeps its connection's books.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if s.takeOver(w, r) {
		return
	}
	if c, _ := r.Context().Value(connKey{}).(*conn); c != nil {
		c.begin()
		defer c.end()
	}
	switch {
	case s.draining.Load():
		unavailable(w)
		return
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		w.Header().Set("Connection", "close") // CONNECT is for proxies, TRACE shows headers to scripts
		http.Error(w, "405 Method Not Allowed", http.StatusMethodNotAllowed)
		return
	case r.ProtoMajor == 1 && len(r.TransferEncoding) > 0:
		// The guard does not follow chunks: nothing may come after them.
		w.Header().Set("Connection", "close")
	}
	if r.ProtoMajor != 2 {
		s.ServeHTTP(w, r) // the connection watches its own writes
		return
	}
	p := &patient{ResponseWriter: w, control: http.NewResponseController(w), time: s.config.WriteTime}
	defer p.last()
	s.ServeHTTP(p, r)
}

// unavailable is the answer of a server that starts or stops.
func unavailable(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Connection", "close")
	h.Set("Content-Type", "application/json")
	h.Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	io.WriteString(w, `{"message":"Service Unavailable"}`) // an error here means that the caller is gone
}
