package sigv4

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

// Remembered signing keys change nothing about who gets in.
func TestKeys(t *testing.T) {
	v := verifier()
	v.Keys = &Keys{}
	signed := func() *http.Request {
		r := request(t, "POST", "https://localhost:4566/2015-03-31/functions/f/invocations", "{}")
		sdkSign(t, r, "{}", "lambda", testCreds, testNow)
		return r
	}
	for range 2 {
		if _, _, err := arrive(t, v, "lambda", signed()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(v.Keys.of); n != 1 {
		t.Errorf("%d keys are remembered, want 1", n)
	}
	wrong := testCreds
	wrong.SecretAccessKey += "x"
	r := request(t, "POST", "https://localhost:4566/2015-03-31/functions/f/invocations", "{}")
	sdkSign(t, r, "{}", "logs", wrong, testNow)
	if _, _, err := arrive(t, v, "logs", r); code(err) != "InvalidSignatureException" {
		t.Errorf("with a wrong secret: %v", err)
	}
	if n := len(v.Keys.of); n != 1 {
		t.Errorf("%d keys are remembered after a wrong signature, want 1", n)
	}
	// The key's secret is another one now: what was made of the old one is nothing.
	lookup := v.Lookup
	v.Lookup = func(ctx context.Context, id, token string) (string, wire.Caller, error) {
		_, c, err := lookup(ctx, id, token)
		return "another secret", c, err
	}
	if _, _, err := arrive(t, v, "lambda", signed()); code(err) != "InvalidSignatureException" {
		t.Errorf("signed with the secret from before: %v", err)
	}
}

func TestKeysAreBounded(t *testing.T) {
	var k Keys
	for i := range 3 * maxKeys {
		s := scope{key: "AKID", region: fmt.Sprint(i)}
		k.keep(s, "secret", []byte{byte(i)})
		if key, ok := k.find(s, "secret"); !ok || key[0] != byte(i) {
			t.Fatalf("key %d is %v, %v", i, key, ok)
		}
	}
	if len(k.of) > maxKeys {
		t.Errorf("%d keys are remembered", len(k.of))
	}
}
