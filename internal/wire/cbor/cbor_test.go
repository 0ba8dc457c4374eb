package cbor_test

import (
	"bytes"
	"encoding/hex"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/awsjson"
	"github.com/mayfly-faas/mayfly/internal/wire/cbor"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

func TestSuite(t *testing.T) { wiretest.Suite(t, cbor.Protocol{}) }

func TestTargetSuite(t *testing.T) { wiretest.Suite(t, cbor.Target{}) }

// TestTargetTimes: times are milliseconds, but a client that sends seconds is
// understood.
func TestTargetTimes(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"milliseconds", "a1 62 4174 c1 1b 0000018bcfe5687b", "a1 62 4174 c1 1b 0000018bcfe5687b"},
		{"seconds", "a1 62 4174 c1 1a 6553f100", "a1 62 4174 c1 1b 0000018bcfe56800"},
		{"a fraction", "a1 62 4174 c1 fb 41d954fc40200000", "a1 62 4174 c1 1b 0000018bcfe569f4"},
		{"in a child", "a1 65 4368696c64 a1 62 4174 c1 1b 0000018bcfe5687b", "a1 65 4368696c64 a1 62 4174 c1 1b 0000018bcfe5687b"},
	} {
		body, err := hex.DecodeString(strings.ReplaceAll(tt.in, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("X-Amz-Target", "Sample_20261123.Echo")
		r.Header.Set("Content-Type", "application/x-amz-cbor-1.1")
		w := httptest.NewRecorder()
		cbor.Target{}.Handler(wiretest.Sample(cbor.Target{}), nil).ServeHTTP(w, r)
		if got := hex.EncodeToString(w.Body.Bytes()); w.Code != 200 || got != strings.ReplaceAll(tt.want, " ", "") || w.Header().Get("Content-Type") != "application/x-amz-cbor-1.1" {
			t.Errorf("%s: %d %s (%q) %v", tt.name, w.Code, got, w.Body, w.Header())
		}
	}
}

func send(t *testing.T, path, hexBody string) *httptest.ResponseRecorder {
	t.Helper()
	body, err := hex.DecodeString(strings.ReplaceAll(hexBody, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", path, bytes.NewReader(body))
	r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	w := httptest.NewRecorder()
	cbor.Protocol{}.Handler(wiretest.Sample(cbor.Protocol{}), nil).ServeHTTP(w, r)
	if w.Header().Get("Smithy-Protocol") != "rpc-v2-cbor" || w.Header().Get("Content-Type") != "application/cbor" {
		t.Errorf("headers %v", w.Header())
	}
	return w
}

// What SDKs may send: indefinite lengths, tagged times, any width of number.
func TestForms(t *testing.T) {
	const echo = "/service/Sample_20261123/operation/Echo"
	for _, tt := range []struct{ name, in, want string }{
		{"no body", "", "a0"},
		{"empty", "a0", "a0"},
		{"indefinite", "bf 64 46726565 7f 61 61 61 62 ff ff", "a1 64 46726565 62 6162"},
		{"null", "a1 64 46726565 f6", "a0"},
		{"undefined", "a1 64 46726565 f7", "a0"},
		{"wide integer", "a1 65 536d616c6c 1b 0000000000000007", "a1 65 536d616c6c 07"},
		{"half float", "a1 65 526174696f f9 3800", "a1 65 526174696f fb 3fe0000000000000"},
		{"float for an integer", "a1 65 536d616c6c fb 401c000000000000", "a1 65 536d616c6c 07"},
		{"integer time", "a1 62 4174 c1 1a 6553f100", "a1 62 4174 c1 1a 6553f100"},
		{"untagged time", "a1 62 4174 1a 6553f100", "a1 62 4174 c1 1a 6553f100"},
		{"bytes", "a1 64 44617461 42 0001", "a1 64 44617461 42 0001"},
		{"unknown member", "a1 61 58 81 a1 61 59 f6", "a0"},
	} {
		w := send(t, echo, tt.in)
		if got := hex.EncodeToString(w.Body.Bytes()); w.Code != 200 || got != strings.ReplaceAll(tt.want, " ", "") {
			t.Errorf("%s: %d %s (%q)", tt.name, w.Code, got, w.Body)
		}
	}
}

func TestRefused(t *testing.T) {
	const echo = "/service/Sample_20261123/operation/Echo"
	for _, tt := range []struct{ name, path, in, want string }{
		{"text", echo, "68656c6c6f", "SerializationException"},
		{"cut off", echo, "a1 64 4672", "SerializationException"},
		{"more behind", echo, "a0 a0", "SerializationException"},
		{"a list", echo, "80", "SerializationException"},
		{"numbers as keys", echo, "a1 01 02", "SerializationException"},
		{"huge list", echo, "9b 7fffffffffffffff", "SerializationException"},
		{"deep", echo, strings.Repeat("81", 100) + "80", "SerializationException"},
		{"wrong type", echo, "a1 64 46726565 01", "SerializationException"},
		{"violation", echo, "a1 65 536d616c6c 00", "ValidationException"},
		{"operation", "/service/Sample_20261123/operation/Nope", "a0", "UnknownOperationException"},
		{"service", "/service/Other/operation/Echo", "a0", "UnknownOperationException"},
		{"path", "/", "a0", "UnknownOperationException"},
	} {
		w := send(t, tt.path, tt.in)
		if w.Code < 400 || w.Code > 499 || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: %d %q", tt.name, w.Code, w.Body)
		}
	}
}

// A service that speaks two protocols speaks each to whoever speaks it.
func TestBesideAwsJSON(t *testing.T) {
	s := wiretest.Sample(wire.Any{awsjson.Protocol{}, cbor.Protocol{}})
	c := wiretest.New(t, s)
	if a := c.Do("Echo", map[string]any{"Free": "x"}, nil); string(a.Body) != `{"Free":"x"}` {
		t.Errorf("%+v", a)
	}
	r := httptest.NewRequest("POST", c.URL()+"/service/Sample_20261123/operation/Echo", bytes.NewReader([]byte{0xa0}))
	r.RequestURI = ""
	r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	if a := c.Send(r); a.Status != 200 || !bytes.Equal(a.Body, []byte{0xa0}) {
		t.Errorf("%+v", a)
	}
}
