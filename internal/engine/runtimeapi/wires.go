package runtimeapi

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/mayfly-faas/mayfly/internal/engine/telemetry"
)

// A Dial connects to a port inside the sandbox.
type Dial func(ctx context.Context, port int) (net.Conn, error)

// NewWire makes the way that telemetry takes to a subscriber.
func NewWire(dial Dial, s telemetry.Subscription) telemetry.Wire {
	if s.TCP {
		return &tcpWire{dial: dial, port: s.Port}
	}
	return &httpWire{dial: dial, sub: s}
}

// An httpWire posts each batch on a connection of its own: the extension may have
// been frozen for hours since the last.
type httpWire struct {
	dial Dial
	sub  telemetry.Subscription
}

func (w *httpWire) Send(ctx context.Context, batch []byte) error {
	c, err := w.dial(ctx, w.sub.Port)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	url := fmt.Sprintf("http://sandbox.localdomain:%d%s", w.sub.Port, w.sub.Path)
	req, err := http.NewRequestWithContext(ctx, w.sub.Method, url, bytes.NewReader(batch))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Close = true
	if err := req.Write(c); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	io.CopyN(io.Discard, res.Body, mostFromExtension)
	if res.StatusCode >= 400 {
		return fmt.Errorf("runtimeapi: deliver telemetry: %s", res.Status)
	}
	return nil
}

func (w *httpWire) Close() {}

// A tcpWire writes all batches on one connection, for as long as that lasts.
type tcpWire struct {
	dial Dial
	port int
	conn net.Conn // nil when there is none
}

func (w *tcpWire) Send(ctx context.Context, batch []byte) (err error) {
	if w.conn == nil {
		if w.conn, err = w.dial(ctx, w.port); err != nil {
			w.conn = nil
			return err
		}
	}
	c := w.conn
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if _, err := c.Write(batch); err != nil {
		w.Close()
		return err
	}
	return nil
}

func (w *tcpWire) Close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}
