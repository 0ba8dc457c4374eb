package restjson_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// BenchmarkInvoke is what the front end costs an invocation: route, signature, decode, check, answer.
func BenchmarkInvoke(b *testing.B) {
	const body = `{"key":"value"}`
	now := time.Now()
	r := httptest.NewRequest("POST", "http://localhost/v1/things/f/invocations", nil)
	sigv4.Sign(r, []byte(body), sigv4.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, "us-east-1", "things", now)
	gate := sigv4.Verifier{
		Now: func() time.Time { return now },
		Lookup: func(context.Context, string, string) (string, wire.Caller, error) {
			return "secret", wire.Caller{}, nil
		},
	}.Gate
	s := service()
	h := wire.Front{Services: []wire.Service{s}, Gate: gate}.Handler()
	for b.Loop() {
		q := r.Clone(r.Context())
		q.Body = readCloser{strings.NewReader(body)}
		q.ContentLength = int64(len(body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }
