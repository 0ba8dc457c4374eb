package events

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/filter"
	"github.com/mayfly-faas/mayfly/internal/event/outbox"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// The limits of a target's retries, unless it says otherwise.
const (
	maxAge      = 24 * time.Hour
	maxAttempts = 185
)

// Routes are the rules of all buses, ready to match. They are a copy of the
// tables, good as long as the tables' epoch is theirs.
type routes struct {
	epoch int64
	buses map[string]*bus
}

type bus struct {
	rules    []*rule
	archives []*archive
}

// A rule is one that can match: scheduled rules are here for their targets.
type rule struct {
	bus, name, arn string
	pattern        *filter.Pattern // nil: it is not for events
	targets        []*dest
}

// A dest is a rule's target.
type dest struct {
	*Target
	to    arn.ARN
	input *input
}

// An archive is where a bus keeps the events that match.
type archive struct {
	name      string
	pattern   *filter.Pattern // nil: all
	retention int
}

// change is an Update of what routes are made of.
func (b *Book) change(ctx context.Context, fn func(store.Tx) error) error {
	return b.DB.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		// Not a count: a transaction that failed may have been read by another
		// of its group, and its number must not come again.
		_, err := tx.Exec(`UPDATE events_epoch SET value = ?`, rand.Int64())
		return err
	})
}

// routing answers the routes as tx sees them.
func (b *Book) routing(tx store.Tx) (*routes, error) {
	var epoch int64
	if err := tx.Get([]any{&epoch}, `SELECT value FROM events_epoch`); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.routes != nil && b.routes.epoch == epoch {
		return b.routes, nil
	}
	r := &routes{epoch: epoch, buses: map[string]*bus{}}
	if err := b.load(tx, r); err != nil {
		return nil, err
	}
	b.routes = r
	return r, nil
}

// load reads all tables. The caller holds b.mu.
func (b *Book) load(tx store.Tx, r *routes) error {
	names, err := store.All(tx, text, `SELECT name FROM events_bus`)
	if err != nil {
		return err
	}
	for _, n := range names {
		r.buses[n] = &bus{}
	}
	used := map[string]*filter.Pattern{}
	if err := b.loadRules(tx, r, used); err != nil {
		return err
	}
	if err := b.loadArchives(tx, r, used); err != nil {
		return err
	}
	b.patterns = used
	return nil
}

// compiled is the pattern of a text, taken from the last load if it was there.
func (b *Book) compiled(used map[string]*filter.Pattern, text string) (*filter.Pattern, error) {
	if text == "" {
		return nil, nil
	}
	p := used[text]
	if p == nil {
		p = b.patterns[text]
	}
	if p == nil {
		var err error
		if p, err = filter.Parse([]byte(text)); err != nil {
			return nil, err
		}
	}
	used[text] = p
	return p, nil
}

func (b *Book) loadRules(tx store.Tx, r *routes, used map[string]*filter.Pattern) error {
	targets := map[string][]*dest{}
	err := tx.Each(`SELECT bus, rule, doc FROM events_target ORDER BY bus, rule, id`, nil, func(scan func(...any) error) error {
		var bus, rule string
		var doc []byte
		if err := scan(&bus, &rule, &doc); err != nil {
			return err
		}
		d := &dest{Target: new(Target)}
		err := json.Unmarshal(doc, d.Target)
		if err == nil {
			d.input, err = newInput(d.Target)
		}
		if err == nil {
			d.to, err = arn.Parse(*d.Arn)
		}
		key := b.ruleARN(bus, rule)
		targets[key] = append(targets[key], d)
		return err
	})
	if err != nil {
		return err
	}
	rows, err := store.All(tx, scanRule, `SELECT `+ruleColumns+` FROM events_rule ORDER BY bus, name`)
	for _, row := range rows {
		at := r.buses[row.bus]
		if row.state == disabled || at == nil {
			continue
		}
		one := &rule{bus: row.bus, name: row.name, arn: b.ruleARN(row.bus, row.name)}
		one.targets = targets[one.arn]
		if one.pattern, err = b.compiled(used, row.pattern); err != nil {
			return err
		}
		at.rules = append(at.rules, one)
	}
	return err
}

func (b *Book) loadArchives(tx store.Tx, r *routes, used map[string]*filter.Pattern) error {
	rows, err := store.All(tx, scanArchive, `SELECT `+archiveColumns+` FROM events_archive ORDER BY name`)
	for _, row := range rows {
		at := r.buses[row.bus]
		if at == nil {
			continue
		}
		one := &archive{name: row.name, retention: row.retention}
		if one.pattern, err = b.compiled(used, row.pattern); err != nil {
			return err
		}
		at.archives = append(at.archives, one)
	}
	return err
}

// route takes an event in on a bus, within tx: it goes to the archives and to
// the targets of the rules that match; of those in only alone, if there are
// any. What is returned is called once tx is committed. A bus that does not
// exist takes nothing and says nothing, as on AWS.
func (b *Book) route(tx store.Tx, r *routes, name string, e *event, only []string) ([]func(), error) {
	at := r.buses[name]
	if at == nil {
		return nil, nil
	}
	wakes, err := b.keep(tx, at.archives, e)
	if err != nil {
		return nil, err
	}
	for _, one := range at.rules {
		if one.pattern == nil || len(only) > 0 && !slices.Contains(only, one.arn) || !one.pattern.Matches(e.tree) {
			continue
		}
		more, err := b.deliver(tx, r, one, e)
		if err != nil {
			return nil, err
		}
		wakes = append(wakes, more...)
	}
	return wakes, nil
}

// deliver hands an event to all targets of a rule.
func (b *Book) deliver(tx store.Tx, r *routes, one *rule, e *event) (wakes []func(), err error) {
	for _, d := range one.targets {
		var more []func()
		if name, ok := b.ownBus(d.to); ok {
			more, err = b.hop(tx, r, name, e)
		} else {
			more, err = b.send(tx, one, d, e)
		}
		if err != nil {
			return nil, err
		}
		wakes = append(wakes, more...)
	}
	return wakes, nil
}

// ownBus is the name of a bus of this book.
func (b *Book) ownBus(to arn.ARN) (string, bool) {
	name, ok := strings.CutPrefix(to.Resource, "event-bus/")
	return name, ok && to.Service == "events"
}

// hop takes an event over to another bus. One that came from a bus goes no
// further, so that buses cannot make a circle.
//
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-bus-to-bus.html
func (b *Book) hop(tx store.Tx, r *routes, name string, e *event) ([]func(), error) {
	if e.hops > 0 {
		return nil, nil
	}
	further := *e
	further.hops++
	return b.route(tx, r, name, &further, nil)
}

// send hands an event to one target outside.
func (b *Book) send(tx store.Tx, one *rule, d *dest, e *event) ([]func(), error) {
	payload, err := d.input.render(one, e)
	if err != nil {
		return nil, err
	}
	m := outbox.Message{
		To: *d.Arn, First: e.ingested, MaxAge: maxAge, MaxAttempts: maxAttempts, DeadLetter: e.raw,
		Labels:   map[string]string{"RULE_ARN": one.arn},
		Delivery: target.Delivery{Payload: payload, Principal: "events.amazonaws.com", SourceARN: one.arn, Trace: e.trace},
	}
	if p := d.RetryPolicy; p != nil {
		if p.MaximumEventAgeInSeconds != nil {
			m.MaxAge = time.Duration(*p.MaximumEventAgeInSeconds) * time.Second
		}
		if p.MaximumRetryAttempts != nil {
			m.MaxAttempts = int(*p.MaximumRetryAttempts)
		}
	}
	if d.DeadLetterConfig != nil {
		m.Dead = val(d.DeadLetterConfig.Arn)
	}
	if d.SqsParameters != nil {
		m.Delivery.Group = val(d.SqsParameters.MessageGroupId)
	}
	wake, err := b.outbox.Send(tx, m)
	return []func(){wake}, err
}
