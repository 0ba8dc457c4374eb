package stream

import (
	"encoding/json"
	"time"
)

// A window is a tumbling window of a shard, and its state.
//
// https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html
type window struct {
	Start time.Time       `json:"start"`
	End   time.Time       `json:"end"`
	State json.RawMessage `json:"state,omitempty"`
	Early bool            `json:"early,omitempty"` // its state is too large: it ends now
}

// maxState is the most that a window's state may hold.
const maxState = 1 << 20

// windowAt is the window of so long that t is in.
func windowAt(t time.Time, long time.Duration) *window {
	start := time.Unix(0, t.UnixNano()-t.UnixNano()%int64(long)).UTC()
	return &window{Start: start, End: start.Add(long)}
}

// with is the window with another state.
func (w *window) with(state json.RawMessage) *window {
	next := *w
	next.State, next.Early = state, len(state) > maxState
	return &next
}

// stateOf reads the state that a function has answered with; ok is false when
// there is none.
func stateOf(answer []byte) (state json.RawMessage, ok bool) {
	var response struct {
		State json.RawMessage `json:"state"`
	}
	if json.Unmarshal(answer, &response) != nil {
		return nil, false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(response.State, &members) != nil || members == nil {
		return nil, false
	}
	return response.State, true
}
