package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// A Certificate is a pair of files that may be replaced while the server runs:
// each handshake looks whether they have changed.
type Certificate struct {
	cert, key string // paths

	mu     sync.Mutex // guards what follows
	pair   *tls.Certificate
	seen   [2]stamp
	failed [2]stamp // the last pair that was no good
}

// A stamp tells one state of a file from another.
type stamp struct {
	at   time.Time
	size int64
}

// LoadCertificate reads a certificate (with its chain) and its key, in PEM.
func LoadCertificate(cert, key string) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key}
	if err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Reload reads the files again, changed or not. When they do not hold, the
// certificate stays what it was.
func (c *Certificate) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, err := c.stamps()
	if err != nil {
		return err
	}
	return c.load(now)
}

func (c *Certificate) stamps() (now [2]stamp, err error) {
	for i, name := range []string{c.cert, c.key} {
		info, err := os.Stat(name)
		if err != nil {
			return now, fmt.Errorf("certificate: %w", err)
		}
		now[i] = stamp{info.ModTime(), info.Size()}
	}
	return now, nil
}

func (c *Certificate) load(now [2]stamp) error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		c.failed = now
		return fmt.Errorf("certificate %s, key %s: %w", c.cert, c.key, err)
	}
	c.pair, c.seen, c.failed = &pair, now, [2]stamp{}
	return nil
}

// current is the certificate for a handshake. A pair that is being replaced
// does not hold for a moment: the old one serves on.
func (c *Certificate) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, err := c.stamps()
	if err != nil || now == c.seen || now == c.failed {
		return c.pair, nil
	}
	if err := c.load(now); err != nil {
		slog.Warn("the new certificate does not hold; the old one serves on", "err", err)
	} else {
		slog.Info("certificate", "file", c.cert, "until", c.pair.Leaf.NotAfter)
	}
	return c.pair, nil
}

// String says what the certificate is for, and until when, for the log.
func (c *Certificate) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%s, for %v, until %s", c.cert, c.pair.Leaf.DNSNames, c.pair.Leaf.NotAfter.Format(time.DateOnly))
}

func (c *Certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: c.current}
}

// handshakes is a listener whose connections have shaken hands: net/http wants a
// *tls.Conn for HTTP/2, and the guard has to be above TLS for HTTP/1.1.
type handshakes struct {
	net.Listener
	config *tls.Config
	time   time.Duration
	ready  chan net.Conn
	failed chan error
	ctx    context.Context // of the handshakes; ends with the listener
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func newHandshakes(l net.Listener, c *tls.Config, most time.Duration) *handshakes {
	h := &handshakes{Listener: l, config: c, time: most, ready: make(chan net.Conn), failed: make(chan error)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.done.Go(h.accept)
	return h
}

// accept takes connections until the listener fails for good. A failure that
// passes is net/http's to wait out.
func (h *handshakes) accept() {
	for {
		c, err := h.Listener.Accept()
		if err == nil {
			h.done.Go(func() { h.shake(c) })
			continue
		}
		select {
		case h.failed <- err:
		case <-h.ctx.Done():
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

func (h *handshakes) shake(c net.Conn) {
	ctx, cancel := context.WithTimeout(h.ctx, h.time)
	defer cancel()
	t := tls.Server(c, h.config)
	if err := t.HandshakeContext(ctx); err != nil {
		c.Close()
		return
	}
	var ready net.Conn = t
	if t.ConnectionState().NegotiatedProtocol != "h2" {
		ready = &secured{guarded{Conn: t}}
	}
	select {
	case h.ready <- ready:
	case <-h.ctx.Done():
		t.Close()
	}
}

// Accept implements net.Listener.
func (h *handshakes) Accept() (net.Conn, error) {
	select {
	case c := <-h.ready:
		return c, nil
	case err := <-h.failed:
		return nil, err
	case <-h.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handshakes) Close() error {
	h.cancel()
	return h.Listener.Close()
}

// wait returns after the last handshake. The listener is closed by then.
func (h *handshakes) wait() {
	h.Close() // when serving ended otherwise; a second time says so, and that is all
	h.done.Wait()
}

// A secured connection is a guarded one of TLS.
type secured struct{ guarded }

// ConnectionState tells net/http of the TLS below.
func (s *secured) ConnectionState() tls.ConnectionState {
	return s.Conn.(*tls.Conn).ConnectionState()
}
