package events

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/mayfly-faas/mayfly/internal/event/filter"
)

// An event is one on its way through a bus.
type event struct {
	raw      []byte    // the envelope
	tree     any       // the envelope, decoded
	at       time.Time // the envelope's time
	ingested time.Time
	trace    string
	hops     int  // buses that it came through
	replayed bool // archives do not take it again
}

// An envelope is an event as targets see it, in AWS's order.
//
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
type envelope struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	ReplayName string          `json:"replay-name,omitempty"`
	Detail     json.RawMessage `json:"detail"`
}

// seal fills in what an envelope lacks and makes an event of it.
func (b *Book) seal(v envelope, at time.Time, trace string) (*event, error) {
	v.Version = "0"
	if v.ID == "" {
		v.ID = uuid.NewString()
	}
	if v.Account == "" {
		v.Account = b.Account
	}
	if v.Region == "" {
		v.Region = b.Region
	}
	if v.Resources == nil {
		v.Resources = []string{}
	}
	v.Time = at.UTC().Format("2006-01-02T15:04:05Z")
	raw := compact(v)
	tree, err := filter.Decode(raw)
	return &event{raw: raw, tree: tree, at: at, ingested: b.Now(), trace: trace, replayed: v.ReplayName != ""}, err
}

// isObject tells whether text is one JSON object.
func isObject(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) && json.Valid(text)
}
