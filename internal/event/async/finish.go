package async

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// finish removes an event and sends it on, in one transaction. It happens even
// while the queue closes: what has run is not to run again.
func (q *Queue) finish(l *lane, w *waiting, h function.Handling, v verdict) error {
	var committed []func()
	var unsent []error
	err := q.c.DB.Update(context.WithoutCancel(q.ctx), func(tx store.Tx) error {
		committed, unsent = nil, nil
		there, err := remove(tx, w.id)
		if err != nil || !there || v.drop {
			return err
		}
		for _, d := range q.deliveries(w, h, v) {
			done, err := q.c.Router.Enqueue(tx, d.to, d.Delivery)
			switch {
			case final(err):
				unsent = append(unsent, err)
			case err != nil:
				return err
			case done != nil:
				committed = append(committed, done)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, done := range committed {
		done()
	}
	q.note(l, w, v, len(committed), unsent)
	return nil
}

// final tells whether a target will never take the event.
func final(err error) bool {
	return errors.Is(err, target.ErrNotFound) || errors.Is(err, target.ErrDenied) || errors.Is(err, target.ErrInvalid)
}

// note counts how an event ended, and says what an operator should know.
func (q *Queue) note(l *lane, w *waiting, v verdict, sent int, unsent []error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l.stats.Unsent += int64(len(unsent))
	for _, err := range unsent {
		q.c.Log.Warn("an event could not be sent on", "function", l.name, "request", w.RequestID, "error", err)
	}
	if v.condition == recursive {
		l.stats.Looped++
	}
	if v.condition != success && sent == 0 {
		l.stats.Dropped++
		q.c.Log.Warn("an event was dropped", "function", l.name, "request", w.RequestID, "condition", v.condition, "deleted", v.drop)
	}
}

// A sending is a Delivery and where it goes.
type sending struct {
	to string
	target.Delivery
}

// deliveries are what is sent on of an event that is done.
func (q *Queue) deliveries(w *waiting, h function.Handling, v verdict) (all []sending) {
	to := h.OnFailure
	if v.condition == success {
		to = h.OnSuccess
	}
	if to != "" {
		all = append(all, q.destination(w, v, to))
	}
	if v.condition != success && h.DeadLetter != "" {
		all = append(all, q.deadLetter(w, h.DeadLetter))
	}
	return all
}

// deadLetter is the event itself, with what went wrong as attributes.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq
func (q *Queue) deadLetter(w *waiting, to string) sending {
	status, message := 429, "Rate Exceeded." // it never ran
	if a := w.last; a != nil {
		status = a.status
		message = a.message
		var failure struct {
			Message string `json:"errorMessage"`
		}
		if a.failure != nil && json.Unmarshal(a.failure, &failure) == nil {
			message = failure.Message
		}
	}
	attributes := map[string]target.Attribute{
		"RequestID": {Type: "String", String: w.RequestID},
		"ErrorCode": {Type: "Number", String: strconv.Itoa(status)},
	}
	if message = cut(message, maxMessage); message != "" { // an attribute may not be empty
		attributes["ErrorMessage"] = target.Attribute{Type: "String", String: message}
	}
	return sending{to, target.Delivery{Payload: w.Payload, Trace: w.Trace, Attributes: attributes}}
}

// maxMessage is how much of an error's message goes into the attribute.
const maxMessage = 1024

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
