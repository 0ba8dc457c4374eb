package listen

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// A watched is the context of a request that is served directly. It ends with the
// request, or when the client goes away. Only if somebody asks for that does a
// goroutine look: most requests are answered before they have to wait for anything.
type watched struct {
	context.Context // of the connection: its values
	conn            net.Conn
	in              *bufio.Reader

	mu   sync.Mutex    // guards what follows
	done chan struct{} // nil until somebody asks
	err  error         // why it is over
	read bool          // the body has been: what comes next is not of this request
	look chan struct{} // closed when nobody looks any more; nil when nobody did
}

// Done implements context.Context.
func (c *watched) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	c.watch()
	return c.done
}

// Err implements context.Context.
func (c *watched) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// bodyRead notes that the request has been read.
func (c *watched) bodyRead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = true
	c.watch()
}

// watch has a goroutine wait for the client's end, if that is of interest now.
// c.mu is held.
func (c *watched) watch() {
	if c.done == nil || !c.read || c.err != nil || c.look != nil {
		return
	}
	look := make(chan struct{})
	c.look = look
	go func() {
		defer close(look)
		if _, err := c.in.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			c.over()
		}
	}()
}

// over ends the context.
func (c *watched) over() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = context.Canceled
		if c.done != nil {
			close(c.done)
		}
	}
}

// end is the end of the request. When it returns nobody reads from the connection.
func (c *watched) end() {
	c.over()
	c.mu.Lock()
	look := c.look
	c.mu.Unlock()
	if look == nil {
		return
	}
	c.conn.SetReadDeadline(time.Unix(1, 0)) // an error means that it is closed
	<-look
	c.conn.SetReadDeadline(time.Time{}) // an error means that it is closed
}
