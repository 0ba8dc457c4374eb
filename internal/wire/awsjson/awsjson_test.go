package awsjson_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/awsjson"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

func TestSuite(t *testing.T) { wiretest.Suite(t, awsjson.Protocol{}) }

func send(gate wire.Gate, s wire.Service, method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", target)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	w := httptest.NewRecorder()
	awsjson.Protocol{}.Handler(s, gate).ServeHTTP(w, r)
	return w
}

func TestCalls(t *testing.T) {
	s := wiretest.Sample(awsjson.Protocol{})
	for _, tt := range []struct {
		method, target, body, want string
		status                     int
	}{
		{"POST", "Sample_20261123.Echo", `{"Free":"x"}`, `{"Free":"x"}`, 200},
		{"POST", "Sample_20261123.Echo", ``, `{}`, 200},
		{"POST", "Sample_20261123.Echo", `null`, `{}`, 200},
		{"POST", "Sample_20261123.Fail", `{"How":"no"}`, `{}`, 200},
		{"POST", "Sample_20261123.Echo", `[]`, `{"__type":"SerializationException","message":"Start of list found where not expected"}`, 400},
		{"POST", "Sample_20261123.Echo", `{"Free":`, `"__type":"SerializationException"`, 400},
		{"POST", "Sample_20261123.Nope", `{}`, `"__type":"UnknownOperationException"`, 404},
		{"POST", "Other_20261123.Echo", `{}`, `"__type":"UnknownOperationException"`, 404},
		{"POST", "Echo", `{}`, `"__type":"UnknownOperationException"`, 404},
		{"GET", "Sample_20261123.Echo", ``, `"__type":"UnknownOperationException"`, 404},
		{"POST", "Sample_20261123.Fail", `{"How":"client"}`, `{"Reason":"Lost","__type":"ResourceNotFoundException","message":"Not \u003chere\u003e \u0026 \"there\""}`, 404},
	} {
		w := send(nil, s, tt.method, tt.target, tt.body)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s %s: %d %s", tt.target, tt.body, w.Code, w.Body)
		}
		if kind := w.Header().Get("Content-Type"); kind != "application/x-amz-json-1.1" {
			t.Errorf("content type %s", kind)
		}
	}
}

func TestServicesNameTheirValidationError(t *testing.T) {
	s := wiretest.Sample(awsjson.Protocol{})
	s.ValidationCode = "InvalidParameterException"
	w := send(nil, s, "POST", "Sample_20261123.Fail", `{}`)
	want := `{"__type":"InvalidParameterException","message":"1 validation error detected: Value null at 'how' failed to satisfy constraint: Member must not be null"}`
	if w.Code != 400 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestSignatureErrorsAre400(t *testing.T) {
	gate := func(*http.Request, string, string) (*http.Request, error) {
		return nil, awserr.New(403, "UnrecognizedClientException", "no")
	}
	w := send(gate, wiretest.Sample(awsjson.Protocol{}), "POST", "Sample_20261123.Echo", `{`)
	if w.Code != 400 || w.Body.String() != `{"__type":"UnrecognizedClientException","message":"no"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestVersion10(t *testing.T) {
	r := httptest.NewRequest("POST", "/", strings.NewReader("{}"))
	r.Header.Set("X-Amz-Target", "Sample_20261123.Echo")
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	w := httptest.NewRecorder()
	awsjson.Protocol{}.Handler(wiretest.Sample(awsjson.Protocol{}), nil).ServeHTTP(w, r)
	if kind := w.Header().Get("Content-Type"); w.Code != 200 || kind != "application/x-amz-json-1.0" {
		t.Errorf("%d %s", w.Code, kind)
	}
}
