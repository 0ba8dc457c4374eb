package listen

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// How many connections may be open: half of the files that the process may
// have, as the other half is for functions and the store; at some 20 KB each,
// mostConnections are a bit more than a gigabyte.
const mostConnections = 1 << 16

// room is how many connections there may be. Go's runtime has raised the soft
// limit to the hard one by now.
func room() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Cur/2 > mostConnections {
		return mostConnections
	}
	return int(l.Cur / 2)
}

// A table has the open connections.
type table struct {
	most  int
	write time.Duration

	waits atomic.Int32 // a new connection waits for room
	mu    sync.Mutex   // guards what follows
	conns map[*conn]struct{}
	left  *sync.Cond // one was removed, or ended its request
}

func newTable(most int, write time.Duration) *table {
	t := &table{most: most, write: write, conns: map[*conn]struct{}{}}
	t.left = sync.NewCond(&t.mu)
	return t
}

func (t *table) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

// add makes room for c, and returns once there is some.
func (t *table) add(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waits.Add(1) // before we look who is busy: see freed
	defer t.waits.Add(-1)
	for len(t.conns) >= t.most {
		if idle := t.idlest(); idle != nil {
			delete(t.conns, idle)
			idle.Conn.Close() // its reader ends with an error
			break
		}
		t.left.Wait()
	}
	t.conns[c] = struct{}{}
}

// idlest is the connection that has waited longest for a whole request.
func (t *table) idlest() (oldest *conn) {
	for c := range t.conns {
		if c.busy.Load() == 0 && (oldest == nil || c.since.Load() < oldest.since.Load()) {
			oldest = c
		}
	}
	return oldest
}

// freed tells a new connection that waits that one has ended its request.
func (t *table) freed() {
	if t.waits.Load() == 0 {
		return
	}
	t.mu.Lock() // not between its look and its wait
	defer t.mu.Unlock()
	t.left.Signal()
}

func (t *table) remove(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
	t.left.Signal()
}

// A listener's connections are counted and bounded.
type listener struct {
	net.Listener
	table *table
	wrap  func(*conn) net.Conn // nil for as they are
}

func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, table: l.table}
	c.since.Store(time.Now().UnixNano())
	l.table.add(c)
	if l.wrap == nil {
		return c, nil
	}
	return l.wrap(c), nil
}

type connKey struct{}

// connOf is the connection below what net/http has.
func connOf(c net.Conn) *conn {
	for {
		if own, ok := c.(*conn); ok {
			return own
		}
		outer, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = outer.NetConn()
	}
}

// A conn gives up on a client that takes nothing of what waits for it.
type conn struct {
	net.Conn
	table  *table
	busy   atomic.Int32 // requests that run
	since  atomic.Int64 // when it was accepted, or when its last request ended
	calls  atomic.Int32 // requests that could be served directly, as far as net/http had them
	direct atomic.Bool  // it is served directly
	once   sync.Once

	set   atomic.Bool  // somebody else has set a deadline for writes: ours stays away
	until atomic.Int64 // our deadline for writes
}

func (c *conn) begin() { c.busy.Add(1) }

func (c *conn) end() {
	c.since.Store(time.Now().UnixNano())
	if c.busy.Add(-1) == 0 {
		c.table.freed()
	}
}

// Write gives the client time for some progress, not for all of p.
func (c *conn) Write(p []byte) (int, error) {
	done := 0
	for {
		c.extend()
		n, err := c.Conn.Write(p[done:])
		done += n
		if n == 0 || done == len(p) || c.set.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
			return done, err
		}
	}
}

// extend sets the deadline of the next write, when the last one is half over: an
// answer costs a look at the clock, mostly.
func (c *conn) extend() {
	if c.set.Load() {
		return
	}
	now := time.Now()
	if left := c.until.Load() - now.UnixNano(); left > int64(c.table.write/2) {
		return
	}
	late := now.Add(c.table.write)
	c.until.Store(late.UnixNano())
	c.Conn.SetWriteDeadline(late) // an error means that it is closed: the write will say so
}

// SetWriteDeadline is for others. Without one, ours holds.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		if c.set.Swap(false) {
			c.until.Store(0)
		}
		return nil
	}
	c.set.Store(true)
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite lets net/http say goodbye before it closes.
func (c *conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}

func (c *conn) Close() error {
	c.once.Do(func() { c.table.remove(c) })
	return c.Conn.Close()
}
