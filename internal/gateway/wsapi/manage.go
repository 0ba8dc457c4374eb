package wsapi

import (
	"errors"
	"time"

	"github.com/gorilla/websocket"
)

// What may be wrong with a connection that somebody asks about.
var (
	ErrGone     = errors.New("wsapi: no such connection")
	ErrFull     = errors.New("wsapi: the client does not take what waits for it")
	ErrTooLarge = errors.New("wsapi: message too large")
)

// A Connection is what is known of one.
type Connection struct {
	ID                  string
	API, Stage          string
	ConnectedAt         time.Time
	LastActive          time.Time
	SourceIP, UserAgent string
}

// Connection describes an open connection: ErrGone.
func (h *Handler) Connection(id string) (Connection, error) {
	c := h.find(id)
	if c == nil {
		return Connection{}, ErrGone
	}
	return Connection{ID: c.id, API: c.place.API, Stage: c.place.Stage, ConnectedAt: c.since, LastActive: time.UnixMilli(c.active.Load()),
		SourceIP: c.ip, UserAgent: c.agent}, nil
}

func (h *Handler) find(id string) *conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conns[id]
}

// Post sends a message to a client, and returns when it is on its way: ErrGone,
// ErrFull, ErrTooLarge.
func (h *Handler) Post(id string, message []byte) error {
	c := h.find(id)
	switch {
	case c == nil:
		return ErrGone
	case len(message) > maxMessage:
		return ErrTooLarge
	}
	return c.send(message)
}

// Disconnect ends a connection: ErrGone.
func (h *Handler) Disconnect(id string) error {
	c := h.find(id)
	if c == nil {
		return ErrGone
	}
	c.close(websocket.CloseNormalClosure, "Connection Closed Normally")
	return nil
}
