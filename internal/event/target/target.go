// Package target is the contract of what takes an event: a function, a queue, a
// topic, a bus. A sender knows a target by its ARN alone.
//
// Taking an event is one write in the sender's own transaction. So an event and
// what was done to send it are on disk together or not at all: a schedule's
// tick is enqueued exactly once, and a fan-out reaches all or none. All rooms
// that send and take events keep their tables in one database for that.
package target

import (
	"errors"
	"fmt"
	"sync"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// What a target may answer, beside errors of the store. All are final: trying
// again does not help. Anything else is worth a retry.
var (
	ErrNotFound = errors.New("target: does not exist")
	ErrDenied   = errors.New("target: permission denied")
	ErrInvalid  = errors.New("target: the event is not one that it takes")
)

// A Delivery is one event on its way to a target.
type Delivery struct {
	Payload []byte // as the target gets it

	// Principal delivers, on behalf of SourceARN: the target's own policy is
	// asked about both. "sns.amazonaws.com"; "" when the sender is trusted.
	Principal string
	SourceARN string

	// Trace is the X-Amzn-Trace-Id that the event goes under, with its
	// Lineage, by which loops are recognised. "" begins a new one.
	Trace string

	Attributes map[string]Attribute // message attributes, of a queue or a topic
	Group      string               // of a FIFO target
	Dedup      string               // of a FIFO target
	Subject    string               // of a topic
	Key        string               // of a bucket: what the object is called
}

// An Attribute is a message attribute.
type Attribute struct {
	Type   string // "String", "Number", "Binary", and custom ones of these
	String string
	Binary []byte
}

// A Target takes events for the ARNs of one service.
type Target interface {
	// Enqueue makes the event durable at the target, within tx. What it
	// returns, if not nil, is called once tx is committed, and wakes who waits
	// for the event. Enqueue may run more than once for one event, as tx may:
	// all that it does is in tx.
	Enqueue(tx store.Tx, to arn.ARN, d Delivery) (committed func(), err error)
}

// A Router leads to targets by ARN. The zero Router leads nowhere.
type Router struct {
	mu      sync.RWMutex // guards targets
	targets map[string]Target
}

// Register makes t the target of a service: "sqs", "lambda", "sns", "events".
func (r *Router) Register(service string, t Target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.targets == nil {
		r.targets = map[string]Target{}
	}
	r.targets[service] = t
}

// Enqueue hands the event to the target that the ARN names, as that one's
// Enqueue does. The error is ErrNotFound when no service takes it.
func (r *Router) Enqueue(tx store.Tx, to string, d Delivery) (committed func(), err error) {
	a, err := arn.Parse(to)
	if err != nil {
		return nil, fmt.Errorf("%w: %q is no ARN", ErrNotFound, to)
	}
	r.mu.RLock()
	t := r.targets[a.Service]
	r.mu.RUnlock()
	if t == nil {
		return nil, fmt.Errorf("%w: nothing of %s takes events", ErrNotFound, a.Service)
	}
	return t.Enqueue(tx, a, d)
}
