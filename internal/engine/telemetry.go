package engine

import (
	"errors"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/runtimeapi"
	"github.com/mayfly-faas/mayfly/internal/engine/telemetry"
)

// describe tells the Runtime API whose extensions it serves, and prepares for
// those that want telemetry.
func (i *instance) describe() {
	i.telemetry = telemetry.New(func(s telemetry.Subscription) telemetry.Wire { return runtimeapi.NewWire(i.box.Dial, s) })
	i.api.Describe(runtimeapi.Function{
		Name: i.u.Function, Version: i.u.Version, Handler: i.u.Handler, Account: i.u.Account, Subscribe: i.subscribe,
	})
}

// tap has what the code writes go to telemetry, too.
func (i *instance) tap() {
	h, inJSON := i.telemetry, i.u.Log.JSON
	i.log.Tap(func(extension bool, at time.Time, line string) {
		e := telemetry.Event{Time: at, Category: telemetry.Function, Line: line, JSON: inJSON}
		if extension {
			e.Category = telemetry.Extension
		}
		h.Publish(e)
	})
}

// subscribe is an extension subscribing to telemetry. Its error types are AWS's.
func (i *instance) subscribe(name string, logs bool, body []byte) *runtimeapi.SubscribeError {
	api, prefix, title := telemetry.TelemetryAPI, "Telemetry", "Telemetry API"
	if logs {
		api, prefix, title = telemetry.LogsAPI, "Logs", "Logs API"
	}
	s, err := telemetry.Parse(body, api)
	if err == nil {
		i.tap()
		err = i.telemetry.Subscribe(name, s, func() { i.logSubscription(name, prefix, s.Types) })
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, telemetry.ErrClosed):
		return &runtimeapi.SubscribeError{Status: 403, Type: prefix + ".SubscriptionClosed", Message: title + " subscription is closed"}
	case errors.Is(err, telemetry.ErrOtherAPI):
		return &runtimeapi.SubscribeError{Status: 400, Type: "ValidationError", Message: "Subscribed by another API already"}
	}
	return &runtimeapi.SubscribeError{Status: 400, Type: "ValidationError", Message: err.Error()}
}
