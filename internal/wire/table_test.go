package wire

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/awserr"
)

type ask struct {
	S *string `wire:"S" required:"true"`
}

func table(s Service, gate Gate) *Table {
	s.Name = "sample"
	s.Models = []Model{{Name: "Do"}, {Name: "Later"}}
	if s.Ops == nil {
		s.Ops = []Op{Handle("Do", func(context.Context, *ask) (*ask, error) { return nil, nil })}
	}
	return NewTable(s, gate)
}

func TestTablesRefuseWhatDoesNotFit(t *testing.T) {
	do := Handle("Do", func(context.Context, *ask) (*ask, error) { return nil, nil })
	for name, ops := range map[string][]Op{
		"no model":     {Handle("Nope", func(context.Context, *ask) (*ask, error) { return nil, nil })},
		"two handlers": {do, do},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: passed", name)
				}
			}()
			table(Service{Ops: ops}, nil)
		}()
	}
}

func TestAdmit(t *testing.T) {
	denied := awserr.New(403, "Denied", "no")
	gate := func(r *http.Request, service, op string) (*http.Request, error) {
		if r.Header.Get("Who") == "" {
			return nil, denied
		}
		return r.WithContext(WithCaller(r.Context(), Caller{AccessKeyID: service + ":" + op})), nil
	}
	tab := table(Service{MaxBody: func(string) int64 { return 3 }}, gate)
	send := func(op, who, body string) (*http.Request, error) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Who", who)
		return tab.Calls[op].Admit(httptest.NewRecorder(), r)
	}
	if r, err := send("Do", "me", "abc"); err != nil || CallerOf(r.Context()).AccessKeyID != "sample:Do" {
		t.Errorf("%v", err)
	}
	for _, tt := range []struct{ op, who, body, code string }{
		{"Do", "", "abc", "Denied"}, {"Do", "me", "abcd", "RequestEntityTooLargeException"},
		{"Later", "me", "", "UnsupportedOperationException"}, {"Later", "", "", "Denied"},
	} {
		if _, err := send(tt.op, tt.who, tt.body); awserr.From(err, "?").Code != tt.code {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestReadTellsWhatBroke(t *testing.T) {
	c := table(Service{}, nil).Calls["Do"]
	for name, tt := range map[string]struct {
		err  error
		code string
	}{
		"gone":      {io.ErrUnexpectedEOF, "SerializationException"},
		"signature": {awserr.New(403, "InvalidSignatureException", "no"), "InvalidSignatureException"},
		"size":      {&http.MaxBytesError{Limit: 1}, "RequestEntityTooLargeException"},
	} {
		r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("x"), failing{tt.err}))
		if _, err := c.Read(r); awserr.From(err, "?").Code != tt.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestDo(t *testing.T) {
	secret := errors.New("swordfish")
	for name, tt := range map[string]struct {
		h       func(context.Context, *ask) (*ask, error)
		code    string
		invalid bool
	}{
		"answer":     {func(_ context.Context, in *ask) (*ask, error) { return in, nil }, "", false},
		"no answer":  {func(context.Context, *ask) (*ask, error) { return nil, nil }, "", true},
		"api error":  {func(context.Context, *ask) (*ask, error) { return nil, awserr.New(404, "Gone", "x") }, "Gone", true},
		"other":      {func(context.Context, *ask) (*ask, error) { return nil, secret }, "InternalFailure", true},
		"panic":      {func(context.Context, *ask) (*ask, error) { panic(secret) }, "InternalFailure", true},
		"nil access": {func(_ context.Context, in *ask) (*ask, error) { return nil, errors.New(*in.S) }, "InternalFailure", true},
	} {
		c := table(Service{Ops: []Op{Handle("Do", tt.h)}}, nil).Calls["Do"]
		out, err := c.Do(t.Context(), c.New())
		if tt.code == "" && err != nil || tt.code != "" && awserr.From(err, "?").Code != tt.code || out.IsValid() == tt.invalid {
			t.Errorf("%s: %v, %v", name, out, err)
		}
		if err != nil && strings.Contains(err.Error(), "swordfish") {
			t.Errorf("%s: the cause is out: %v", name, err)
		}
	}
}

func TestDoLetsAbortsPass(t *testing.T) {
	c := table(Service{Ops: []Op{Handle("Do", func(context.Context, *ask) (*ask, error) { panic(http.ErrAbortHandler) })}}, nil).Calls["Do"]
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("%v", p)
		}
	}()
	c.Do(t.Context(), c.New())
}

func TestRefusalNamesTheServicesCode(t *testing.T) {
	for code, want := range map[string]string{"": "ValidationException", "InvalidParameterException": "InvalidParameterException"} {
		c := table(Service{ValidationCode: code}, nil).Calls["Do"]
		err := c.Check(c.New())
		e, ok := errors.AsType[*awserr.Error](err)
		if !ok || e.Code != want || e.Status != 400 || e.Message != "1 validation error detected: Value null at 's' failed to satisfy constraint: Member must not be null" {
			t.Errorf("%v", err)
		}
		s := ""
		if err := c.Check(reflect.ValueOf(&ask{&s})); err != nil {
			t.Errorf("an empty string is there: %v", err)
		}
	}
}
