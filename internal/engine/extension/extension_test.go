package extension

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// mustRegister registers, and fails the test when that is refused.
func mustRegister(t *testing.T, r *Registry, name string, events ...string) (id string) {
	t.Helper()
	id, err := r.Register(name, Request{Events: events})
	if err != nil {
		t.Fatalf("register %s: %v", name, err)
	}
	return id
}

func mustAsk(t *testing.T, r *Registry, id string) <-chan Event {
	t.Helper()
	c, err := r.Ask(id)
	if err != nil {
		t.Fatalf("ask: %v", err)
	}
	return c
}

// wantRefusal checks the error type.
func wantRefusal(t *testing.T, err error, kind string) {
	t.Helper()
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Type != kind {
		t.Errorf("error is %v, want %s", err, kind)
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestRegisterRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(r *Registry)
		who    string
		events []string
		kind   string
	}{
		{"no name", nil, "", nil, "Extension.InvalidExtensionName"},
		{"unknown event", nil, "x", []string{"SLEEP"}, "Extension.InvalidEventType"},
		{"internal, told of the end", nil, "x", []string{Shutdown}, "Extension.InvalidEventType"},
		{"twice, internal", func(r *Registry) { r.Register("x", Request{}) }, "x", nil, "Extension.InvalidExtensionState"},
		{"twice, external", func(r *Registry) { r.Expect([]string{"x"}); r.Register("x", Request{}) }, "x", nil, "Extension.InvalidExtensionState"},
		{"internal, late", func(r *Registry) { r.Seal() }, "x", nil, "Extension.RegistrationClosed"},
		{"external, late", func(r *Registry) { r.Expect([]string{"x"}); r.Seal() }, "x", nil, "Extension.InvalidExtensionState"},
		{"closed", func(r *Registry) { r.Close() }, "x", nil, "Extension.RegistrationClosed"},
		{"too many", func(r *Registry) {
			for i := range Most {
				r.Register(fmt.Sprint(i), Request{})
			}
		}, "x", nil, "Extension.TooManyExtensions"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &Registry{}
			if tt.before != nil {
				tt.before(r)
			}
			_, err := r.Register(tt.who, Request{Events: tt.events})
			wantRefusal(t, err, tt.kind)
		})
	}
}

// TestInitialisation: it is over when all that are expected have registered, and all
// that registered ask for an event.
func TestInitialisation(t *testing.T) {
	r := &Registry{}
	r.Expect([]string{"a", "b"})
	complete := r.Complete()
	a := mustRegister(t, r, "a", Invoke, Shutdown, Invoke)
	if closed(complete) {
		t.Error("complete without b")
	}
	b := mustRegister(t, r, "b")
	if !closed(complete) || !closed(r.Complete()) {
		t.Error("not complete with both")
	}
	c := mustRegister(t, r, "inside", Invoke)
	if external, internal := r.Count(); external != 2 || internal != 1 {
		t.Errorf("%d external and %d internal", external, internal)
	}
	mustAsk(t, r, a)
	r.Seal()
	ready := r.Ready()
	mustAsk(t, r, b)
	if closed(ready) {
		t.Error("ready without c")
	}
	mustAsk(t, r, c)
	if !closed(ready) || !closed(r.Ready()) {
		t.Error("not ready though all ask")
	}
	want := []Info{{"a", "Ready", []string{Invoke, Shutdown}, ""}, {"b", "Ready", nil, ""}, {"inside", "Ready", []string{Invoke}, ""}}
	if got := r.Infos(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("infos %v, want %v", got, want)
	}
}

func TestNobody(t *testing.T) {
	r := &Registry{}
	if r.Ready() != nil || !closed(r.Complete()) {
		t.Error("without extensions somebody is waited for")
	}
	if names, done := r.Tell(Event{Type: Invoke}); names != nil || !closed(done) {
		t.Error("without extensions somebody is told")
	}
}

// TestTell: an event reaches who listens for it, and its round ends when all of these
// ask again.
func TestTell(t *testing.T) {
	r := &Registry{}
	r.Expect([]string{"a", "b", "quiet"})
	a, b, quiet := mustRegister(t, r, "a", Invoke, Shutdown), mustRegister(t, r, "b", Invoke), mustRegister(t, r, "quiet")
	ea, eb, none := mustAsk(t, r, a), mustAsk(t, r, b), mustAsk(t, r, quiet)
	names, done := r.Tell(Event{Type: Invoke, RequestID: "1"})
	if !slices.Equal(names, []string{"a", "b"}) || (<-ea).RequestID != "1" || (<-eb).RequestID != "1" {
		t.Errorf("told %v", names)
	}
	ea = mustAsk(t, r, a)
	if closed(done) {
		t.Error("done though b is at work")
	}
	if _, err := r.Ask(a); err == nil {
		t.Error("a may ask twice at a time")
	}
	mustAsk(t, r, b)
	if !closed(done) {
		t.Error("not done though both ask")
	}
	if names, _ := r.Tell(Event{Type: Shutdown, Reason: Spindown}); !slices.Equal(names, []string{"a"}) || (<-ea).Reason != Spindown {
		t.Errorf("told %v of the end", names)
	}
	r.Close()
	if _, open := <-none; open {
		t.Error("a question is open at the end")
	}
	if c := mustAsk(t, r, a); c != nil {
		if _, open := <-c; open {
			t.Error("a question after the end is open")
		}
	}
}

// TestLostConnection: an event is not lost with the connection that was to bring it.
func TestLostConnection(t *testing.T) {
	r := &Registry{}
	r.Expect([]string{"a"})
	a := mustRegister(t, r, "a", Invoke)
	first := mustAsk(t, r, a)
	r.Leave(a, first)
	second := mustAsk(t, r, a)
	_, done := r.Tell(Event{Type: Invoke, RequestID: "1"})
	r.Leave(a, second) // it was there, and nobody read it
	third := mustAsk(t, r, a)
	if closed(done) {
		t.Error("a is done before it has the event")
	}
	if e := <-third; e.RequestID != "1" {
		t.Errorf("event %+v", e)
	}
	mustAsk(t, r, a)
	if !closed(done) {
		t.Error("a is not done")
	}
	_, done = r.Tell(Event{Type: Invoke, RequestID: "2"})
	r.Leave("nobody", third)
	if closed(done) {
		t.Error("done by nobody")
	}
}

func TestErrors(t *testing.T) {
	r := &Registry{}
	r.Expect([]string{"a", "b", "c"})
	a, b := mustRegister(t, r, "a", Invoke), mustRegister(t, r, "b", Invoke)
	_, err := r.Ask("12345678-1234-1234-1234-123456789abc")
	wantRefusal(t, err, "Extension.UnknownExtensionIdentifier")
	_, err = r.Name("")
	wantRefusal(t, err, "Extension.UnknownExtensionIdentifier")
	if name, err := r.Name(b); name != "b" || err != nil {
		t.Errorf("b's name is %q, %v", name, err)
	}
	for range 2 { // the second changes nothing
		if err := r.InitError(a, "Extension.First"); err != nil {
			t.Error(err)
		}
	}
	_, err = r.Ask(a)
	wantRefusal(t, err, "Extension.InvalidExtensionState")
	wantRefusal(t, r.ExitError(a, "Extension.X"), "Extension.InvalidExtensionState")
	mustAsk(t, r, b)
	wantRefusal(t, r.InitError(b, "Extension.X"), "Extension.InvalidExtensionState")
	if err := r.ExitError(b, "Extension.Second"); err != nil {
		t.Error(err)
	}
	r.LaunchError("c", "PermissionDenied")
	if f := r.Failure(); f != "Extension.InitError" {
		t.Errorf("failure is %s, want the first", f)
	}
	want := "[{a InitError [INVOKE] Extension.First} {b ExitError [INVOKE] Extension.Second} {c LaunchError [] PermissionDenied}]"
	if got := fmt.Sprint(r.Infos()); got != want {
		t.Errorf("infos %s\nwant  %s", got, want)
	}
}

func TestEventJSON(t *testing.T) {
	at := time.UnixMilli(1700000000123)
	for _, tt := range []struct {
		e    Event
		want string
	}{
		{Event{Type: Invoke, Deadline: at, RequestID: "r", InvokedARN: "arn", Trace: "Root=1"},
			`{"eventType":"INVOKE","deadlineMs":1700000000123,"requestId":"r","invokedFunctionArn":"arn","tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1"}}`},
		{Event{Type: Shutdown, Deadline: at, Reason: Timeout},
			`{"eventType":"SHUTDOWN","deadlineMs":1700000000123,"shutdownReason":"timeout"}`},
	} {
		if b, err := json.Marshal(tt.e); err != nil || string(b) != tt.want {
			t.Errorf("got  %s, %v\nwant %s", b, err, tt.want)
		}
	}
}

func TestParseRequest(t *testing.T) {
	for _, tt := range []struct {
		body, features string
		account        bool
		events         string
		kind           string
	}{
		{`{"events":["INVOKE"]}`, "", false, "[INVOKE]", ""},
		{`{}`, "x, accountId", true, "[]", ""},
		{``, "", false, "", "InvalidRequestFormat"},
		{`{"events":"INVOKE"}`, "", false, "", "InvalidRequestFormat"},
		{`{"configurationKeys":["a"]}`, "", false, "", "InvalidRequestFormat"},
	} {
		r, err := ParseRequest([]byte(tt.body), tt.features)
		if tt.kind != "" {
			wantRefusal(t, err, tt.kind)
		} else if err != nil || r.Account != tt.account || fmt.Sprint(r.Events) != tt.events {
			t.Errorf("%s: %+v, %v", tt.body, r, err)
		}
	}
}

// FuzzRegister: whatever is registered, what is accepted is known events, and the
// registry goes on.
func FuzzRegister(f *testing.F) {
	f.Add("a", []byte(`{"events":["INVOKE","SHUTDOWN"]}`), "accountId")
	f.Add("inside", []byte(`{"events":["INVOKE"]}`), "")
	f.Add("", []byte(`[1`), ",,")
	f.Fuzz(func(t *testing.T, name string, body []byte, features string) {
		req, err := ParseRequest(body, features)
		if err != nil {
			wantRefusal(t, err, "InvalidRequestFormat")
			return
		}
		if req.Account != slices.ContainsFunc(strings.Split(features, ","), func(s string) bool { return strings.TrimSpace(s) == "accountId" }) {
			t.Errorf("features %q: account %t", features, req.Account)
		}
		r := &Registry{}
		r.Expect([]string{"a"})
		id, err := r.Register(name, req)
		if err != nil {
			var refused *Refusal
			if !errors.As(err, &refused) {
				t.Fatal(err)
			}
			return
		}
		for _, e := range r.Infos()[max(0, len(r.Infos())-1)].Events {
			if e != Invoke && e != Shutdown {
				t.Errorf("event %q was accepted", e)
			}
		}
		mustAsk(t, r, id)
	})
}
