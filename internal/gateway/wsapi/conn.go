package wsapi

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

const (
	goingAway = websocket.CloseGoingAway
	// partTime is how long a client may take to answer our goodbye, and sendTime how
	// long to take a message.
	partTime = 2 * time.Second
	sendTime = 20 * time.Second
)

// A conn is one client's connection. Until it is started it is being asked for.
type conn struct {
	h      *Handler
	id     string
	place  Place
	since  time.Time
	ip     string
	agent  string
	trace  string
	opened *turn // the request to connect

	authorizer any         // what the authorizer said, for events
	caller     wire.Caller // who signed the request to connect

	ws     *websocket.Conn
	slots  chan struct{} // has one element for each message that is at work
	active atomic.Int64  // when something was last sent either way, in ms since 1970
	idle   *time.Timer   // both close the connection
	life   *time.Timer

	queue  atomic.Int64 // bytes that wait to be sent
	write  sync.Mutex   // for writes to ws
	mu     sync.Mutex   // guards what follows
	code   int          // with which we closed, 0 while we have not
	reason string
}

// enter counts a connection that is being asked for, unless the end is near.
func (h *Handler) enter(*conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return false
	}
	h.running.Add(1)
	return true
}

// leave forgets a connection.
func (h *Handler) leave(c *conn) {
	h.mu.Lock()
	delete(h.conns, c.id)
	h.mu.Unlock()
	h.running.Done()
}

// start serves the connection.
func (c *conn) start(ws *websocket.Conn) {
	c.ws = ws
	ws.SetReadLimit(maxMessage)
	ws.SetPingHandler(func(data string) error {
		c.touch()
		return ignoreTimeout(c.control(websocket.PongMessage, []byte(data)))
	})
	ws.SetCloseHandler(func(int, string) error { return nil }) // run answers
	c.idle = time.AfterFunc(c.h.Idle, func() { c.close(goingAway, "Going away") })
	c.life = time.AfterFunc(c.h.Life, func() { c.close(goingAway, "Going away") })
	c.h.mu.Lock()
	c.h.conns[c.id] = c
	closing := c.h.closing
	c.h.mu.Unlock()
	go c.run() // counted since enter
	if closing {
		c.close(goingAway, "Going away")
	}
}

// ignoreTimeout is err, unless a client was too slow to take a pong.
func ignoreTimeout(err error) error {
	if ne, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && ne.Timeout() {
		return nil
	}
	return err
}

// run reads messages until the connection ends, and tells the function of that.
func (c *conn) run() {
	defer c.h.leave(c)
	var err error
	for err == nil {
		err = c.next()
	}
	c.idle.Stop()
	c.life.Stop()
	code, reason := c.ending(err)
	c.ws.Close()
	c.h.mu.Lock()
	delete(c.h.conns, c.id)
	c.h.mu.Unlock()
	c.gone(code, reason)
}

// next reads a message and has it handled.
func (c *conn) next() error {
	kind, message, err := c.ws.ReadMessage()
	if err != nil {
		return err
	}
	c.touch()
	if kind == websocket.BinaryMessage {
		// https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-binary-media-types.html
		c.close(websocket.CloseUnsupportedData, "Binary frames are not supported")
		return errBinary
	}
	c.slots <- struct{}{} // when all are taken the client's next messages wait in the network
	c.h.running.Go(func() {
		defer func() { <-c.slots }()
		c.handle(message)
	})
	return nil
}

var errBinary = errors.New("wsapi: binary message")

// ending is how a connection ended whose last read failed, and says goodbye.
func (c *conn) ending(err error) (code int, reason string) {
	if said, ok := errors.AsType[*websocket.CloseError](err); ok && said.Code != websocket.CloseAbnormalClosure {
		c.close(said.Code, said.Text) // an answer to a close, or nothing
	}
	if errors.Is(err, websocket.ErrReadLimit) || errors.Is(err, errFrame) {
		c.close(websocket.CloseMessageTooBig, "Message too big")
	}
	c.mu.Lock()
	code, reason = c.code, c.reason
	c.mu.Unlock()
	switch {
	case code == websocket.CloseNoStatusReceived:
		return code, "Client-side close frame status not set"
	case code != 0:
		return code, reason
	}
	return websocket.CloseAbnormalClosure, "Connection closed abnormally"
}

// close says goodbye and ends the connection when the client has answered, or
// after a moment. The first to close says why.
func (c *conn) close(code int, reason string) {
	c.mu.Lock()
	first := c.code == 0
	if first {
		c.code, c.reason = code, reason
	}
	c.mu.Unlock()
	if !first {
		return
	}
	c.ws.SetReadDeadline(time.Now().Add(partTime)) // an error means that it is closed already
	_ = c.control(websocket.CloseMessage, websocket.FormatCloseMessage(code, strings.ToValidUTF8(reason, "")))
}

// control sends a control frame: also while a message is being sent.
func (c *conn) control(kind int, data []byte) error {
	return c.ws.WriteControl(kind, data, time.Now().Add(partTime))
}

// touch notes that something was sent.
func (c *conn) touch() {
	c.active.Store(time.Now().UnixMilli())
	c.idle.Reset(c.h.Idle)
}

// handle is one message's way to its route and back.
func (c *conn) handle(message []byte) {
	t := c.newTurn("MESSAGE", "")
	t.message, t.body = newID(), message
	d, err := c.h.APIs.Deployed(c.h.ctx, c.place.API, c.place.Stage)
	if err != nil {
		c.h.Log.Debug("message to an API that is gone", "api", c.place.API, "stage", c.place.Stage, "err", err)
		c.complain("Forbidden", t)
		return
	}
	route := choose(d, message)
	if route == nil {
		c.complain("Forbidden", t)
		return
	}
	t.key = route.RouteKey
	e := c.event(d, route, t)
	text := string(message)
	e.Body = &text
	a, err := c.integrate(c.h.ctx, d, route, e)
	if err != nil {
		t.fault(err.Error())
		c.failed(d, route, err)
		c.record(d, route, t, statusOf(err))
		c.complain("Internal server error", t)
		return
	}
	c.record(d, route, t, a.Status)
	if twoWay(route) && len(a.Body) > 0 {
		_ = c.send(a.Body) // the client's connection ends when it fails
	}
}

// twoWay tells whether a route's answer goes back to the client.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-response.html
func twoWay(r *api.Route) bool {
	if r.RouteResponseSelectionExpression != api.DefaultKey {
		return false
	}
	for _, response := range r.Responses {
		if response.RouteResponseKey == api.DefaultKey {
			return true
		}
	}
	return false
}

// complain tells the client what went wrong with a message of his.
func (c *conn) complain(message string, t *turn) { _ = c.send(c.errorText(message, t.id)) }

// failed notes for the operator what clients are not told.
func (c *conn) failed(d *api.Deployed, route *api.Route, err error) {
	c.h.Log.Warn("WebSocket API", "api", d.API.ApiId, "stage", c.place.Stage, "route", route.RouteKey, "connection", c.id, "err", err)
}

// gone tells the function of the connection's end.
func (c *conn) gone(code int, reason string) {
	d, err := c.h.APIs.Deployed(c.h.ctx, c.place.API, c.place.Stage)
	if err != nil {
		return // nobody is there to be told
	}
	route := routeOf(d, disconnectKey)
	if route == nil || route.Target == "" {
		return
	}
	t := c.newTurn("DISCONNECT", disconnectKey)
	e := c.event(d, route, t)
	e.parting(code, reason)
	a, err := c.integrate(c.h.ctx, d, route, e)
	if err != nil {
		t.fault(err.Error())
		c.failed(d, route, err)
		c.record(d, route, t, statusOf(err))
		return
	}
	c.record(d, route, t, a.Status)
}

// send sends a message: in text, as AWS does, unless it is none.
func (c *conn) send(message []byte) error {
	defer c.queue.Add(-int64(len(message)))
	if c.queue.Add(int64(len(message))) > maxQueue {
		return ErrFull
	}
	kind := websocket.TextMessage
	if !utf8.Valid(message) {
		kind = websocket.BinaryMessage
	}
	c.write.Lock()
	defer c.write.Unlock()
	c.ws.SetWriteDeadline(time.Now().Add(sendTime)) // only ever fails on a closed connection
	if err := c.ws.WriteMessage(kind, message); err != nil {
		c.ws.NetConn().Close() // half a message may be out: nothing can follow it
		return ErrGone
	}
	c.touch()
	return nil
}
