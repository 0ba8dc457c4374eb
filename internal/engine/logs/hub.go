package logs

import "sync"

// A Hub opens streams to one sink, and knows which of them hold events back. Its
// methods may be called from any goroutine.
type Hub struct {
	sink Sink

	mu      sync.Mutex // guards waiting; locked after a Stream's
	waiting map[*Stream]struct{}
}

// NewHub makes a Hub for sink.
func NewHub(sink Sink) *Hub { return &Hub{sink: sink, waiting: map[*Stream]struct{}{}} }

// Open makes the Stream called name in group.
func (h *Hub) Open(group, name string) *Stream {
	s := Open(h.sink, group, name)
	s.hub = h
	return s
}

// Flush hands to the sink what the streams have held back for company: whoever
// reads the sink from now on finds all that was written before the call.
func (h *Hub) Flush() {
	h.mu.Lock()
	all := make([]*Stream, 0, len(h.waiting))
	for s := range h.waiting {
		all = append(all, s)
	}
	h.mu.Unlock()
	for _, s := range all {
		s.Flush()
	}
}

// waits notes that s holds events back.
func (h *Hub) waits(s *Stream) {
	if h == nil {
		return
	}
	h.mu.Lock()
	h.waiting[s] = struct{}{}
	h.mu.Unlock()
}

// through notes that s holds nothing back.
func (h *Hub) through(s *Stream) {
	if h == nil {
		return
	}
	h.mu.Lock()
	delete(h.waiting, s)
	h.mu.Unlock()
}
