package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed refuses a subscription: initialisation is over.
var ErrClosed = errors.New("telemetry: subscription is closed")

// ErrOtherAPI refuses a subscription by one API when there are some by the other.
var ErrOtherAPI = errors.New("telemetry: subscribed by the other API already")

// A Wire leads to one subscriber. One goroutine uses it.
type Wire interface {
	// Send sends one batch: a JSON array for HTTP, lines for TCP. An error means
	// that it was not taken, and may be sent again. It returns soon after ctx has
	// ended.
	Send(ctx context.Context, batch []byte) error

	Close()
}

// An Open makes the way to who made a subscription. It does not wait.
type Open func(s Subscription) Wire

// A Hub has the subscriptions of one sandbox. Its methods may be called from any
// goroutine.
type Hub struct {
	open   Open
	wanted atomic.Bool // somebody may listen

	mu      sync.Mutex // guards what follows
	backlog []Event    // of the Init phase, for who subscribes late in it
	keeps   bool       // backlog is kept
	sealed  bool
	paused  bool
	subs    []*subscriber
}

// mostKept is how many events are kept for who subscribes late.
const mostKept = 10000

// New makes a Hub that nobody listens to.
func New(open Open) *Hub { return &Hub{open: open} }

// Keep has the hub keep events until Seal, for who subscribes later.
func (h *Hub) Keep() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keeps = true
	h.wanted.Store(true)
}

// Wanted reports whether it makes sense to Publish.
func (h *Hub) Wanted() bool { return h.wanted.Load() }

// Publish brings e to who wants it. It does not wait.
func (h *Hub) Publish(e Event) {
	if !h.Wanted() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.keeps && len(h.backlog) < mostKept {
		h.backlog = append(h.backlog, e)
	}
	for _, s := range h.subs {
		s.add(&e)
	}
}

// Subscribe has name hear what s says. Doing so again changes nothing. told
// publishes that it did, unless it did before.
func (h *Hub) Subscribe(name string, s Subscription, told func()) error {
	h.mu.Lock()
	same, err := h.subscribe(name, s)
	h.mu.Unlock()
	if err == nil && !same && told != nil {
		told()
	}
	return err
}

// subscribe is Subscribe with h.mu held.
func (h *Hub) subscribe(name string, s Subscription) (same bool, err error) {
	if h.sealed {
		return false, ErrClosed
	}
	for _, o := range h.subs {
		if o.sub.API != s.API {
			return false, ErrOtherAPI
		}
	}
	if slices.ContainsFunc(h.subs, func(o *subscriber) bool { return o.name == name }) {
		return true, nil
	}
	n := newSubscriber(name, s, h.open(s), h.dropped)
	n.pause(h.paused)
	for i := range h.backlog {
		n.add(&h.backlog[i])
	}
	h.subs = append(h.subs, n)
	h.wanted.Store(true)
	return false, nil
}

// dropped tells who listens that events were lost.
func (h *Hub) dropped(reason string, records, bytes int) {
	record, _ := json.Marshal(struct { // of strings and numbers: cannot fail
		Reason  string `json:"reason"`
		Records int    `json:"droppedRecords"`
		Bytes   int    `json:"droppedBytes"`
	}{reason, records, bytes})
	h.Publish(Event{Time: time.Now(), Category: Platform, Kind: "platform.logsDropped", Record: record})
}

// Seal ends the time in which extensions can subscribe.
func (h *Hub) Seal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sealed, h.keeps, h.backlog = true, false, nil
	h.wanted.Store(len(h.subs) > 0)
}

// Pause holds deliveries back: the sandbox is frozen.
func (h *Hub) Pause() { h.setPaused(true) }

// Resume has deliveries go on.
func (h *Hub) Resume() { h.setPaused(false) }

func (h *Hub) setPaused(on bool) {
	if !h.Wanted() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paused = on
	for _, s := range h.subs {
		s.pause(on)
	}
}

// Flush returns when all that was published is delivered, or ctx has ended.
func (h *Hub) Flush(ctx context.Context) {
	h.mu.Lock()
	subs := slices.Clone(h.subs)
	h.mu.Unlock()
	for _, s := range subs {
		s.flush(ctx)
	}
}

// Reset ends all subscriptions, with what was not delivered, and lets there be
// others.
func (h *Hub) Reset() {
	h.mu.Lock()
	subs := h.subs
	h.subs, h.sealed, h.paused, h.backlog, h.keeps = nil, false, false, nil, false
	h.wanted.Store(false)
	h.mu.Unlock()
	for _, s := range subs {
		s.close()
	}
}
