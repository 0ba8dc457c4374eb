package query_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/query"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

func TestSuite(t *testing.T) { wiretest.Suite(t, query.Protocol{}) }

func send(t *testing.T, gate wire.Gate, method, target, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	w := httptest.NewRecorder()
	query.Protocol{}.Handler(wiretest.Sample(query.Protocol{}), gate).ServeHTTP(w, r.WithContext(wire.WithRequestID(r.Context(), "the-id")))
	if err := xml.Unmarshal(w.Body.Bytes(), new(struct{})); err != nil {
		t.Errorf("%s: %v", w.Body, err)
	}
	return w.Code, w.Body.String()
}

func TestAnswersAreAWSXML(t *testing.T) {
	status, got := send(t, nil, "POST", "/", "Action=Echo&Version=2026-11-23&Free=%3Ca%26%22%0A%3E&Colours.Colour.1=red&Flat.1=x&Flat.2=y&Tags.entry.1.key=k&Tags.entry.1.value=v&Boxes.member.1.Key=b&Yes=true&Data=AAE%3D&At=2026-11-23T11:42:29Z")
	want := `<EchoResponse xmlns="https://sample.invalid/doc/"><EchoResult>` +
		`<Free>&lt;a&amp;&#34;&#xA;&gt;</Free><Yes>true</Yes><At>2026-11-23T11:42:29Z</At><Data>AAE=</Data>` +
		`<Colours><Colour>red</Colour></Colours><Flat>x</Flat><Flat>y</Flat><Tags><entry><key>k</key><value>v</value></entry></Tags>` +
		`<Boxes><member><Key>b</Key></member></Boxes></EchoResult><ResponseMetadata><RequestId>the-id</RequestId></ResponseMetadata></EchoResponse>`
	if status != 200 || got != want {
		t.Errorf("%d\ngot  %s\nwant %s", status, got, want)
	}
	status, got = send(t, nil, "POST", "/", "Action=Fail&How=no")
	if status != 200 || got != `<FailResponse xmlns="https://sample.invalid/doc/"><ResponseMetadata><RequestId>the-id</RequestId></ResponseMetadata></FailResponse>` {
		t.Errorf("without a result: %d %s", status, got)
	}
}

func TestErrorsAreAWSXML(t *testing.T) {
	status, got := send(t, nil, "POST", "/", "Action=Fail&How=server")
	want := `<ErrorResponse xmlns="https://sample.invalid/doc/"><Error><Type>Receiver</Type><Code>ServiceException</Code><Message>An internal error occurred.</Message></Error><RequestId>the-id</RequestId></ErrorResponse>`
	if status != 500 || got != want {
		t.Errorf("%d %s", status, got)
	}
}

func TestActions(t *testing.T) {
	for _, tt := range []struct {
		method, target, body, want string
		status                     int
	}{
		{"GET", "/?Action=Echo&Version=2026-11-23&Free=x", "", "<Free>x</Free>", 200},
		{"POST", "/?Action=Echo", "Free=y", "<Free>y</Free>", 200},
		{"POST", "/", "Action=Echo&Free=z", "<Free>z</Free>", 200},
		{"POST", "/", "Action=Echo&Version=1999-01-01", "<Code>InvalidAction</Code><Message>Could not find operation Echo for version 1999-01-01</Message>", 400},
		{"POST", "/", "Action=Nope&Version=2026-11-23", "<Code>InvalidAction</Code><Message>Could not find operation Nope for version 2026-11-23</Message>", 400},
		{"GET", "/", "", "<Code>MissingAction</Code>", 400},
		{"POST", "/", "%zz", "<Code>MalformedQueryString</Code>", 400},
		{"POST", "/", "Action=Echo&Small=x", "<Code>MalformedInput</Code>", 400},
		{"POST", "/", "Action=Echo&Small=0", "<Code>ValidationError</Code>", 400},
		{"POST", "/", "Action=Echo&Free=" + strings.Repeat("x", 11<<20), "<Code>RequestEntityTooLarge</Code>", 413},
	} {
		status, got := send(t, nil, tt.method, tt.target, tt.body)
		if status != tt.status || !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: %d %.300s", tt.method, tt.target, status, got)
		}
	}
}

func TestGateSeesTheBodyAndIsRenamed(t *testing.T) {
	const body = "Action=Echo&Free=x"
	for code, want := range map[string]string{
		"InvalidSignatureException": "SignatureDoesNotMatch", "UnrecognizedClientException": "InvalidClientTokenId",
		"IncompleteSignatureException": "IncompleteSignature", "MissingAuthenticationTokenException": "MissingAuthenticationToken",
		"ExpiredTokenException": "ExpiredToken", "AccessDeniedException": "AccessDenied", "Other": "Other",
	} {
		gate := func(r *http.Request, service, op string) (*http.Request, error) {
			if service != "sample" || op != "Echo" {
				t.Errorf("asked for %s:%s", service, op)
			}
			if b, err := io.ReadAll(r.Body); string(b) != body || err != nil {
				t.Errorf("the gate reads %q, %v", b, err)
			}
			return nil, awserr.New(403, code, "no")
		}
		status, got := send(t, gate, "POST", "/", body)
		if status != 403 || !strings.Contains(got, "<Code>"+want+"</Code><Message>no</Message>") {
			t.Errorf("%s: %d %s", code, status, got)
		}
	}
}

// A body that turns out not to be the signed one at its end is refused.
func TestBodyIsReadToItsEnd(t *testing.T) {
	gate := func(r *http.Request, _, _ string) (*http.Request, error) {
		r.Body = io.NopCloser(io.MultiReader(r.Body, failing{}))
		return r, nil
	}
	status, got := send(t, gate, "POST", "/", "Action=Echo&Free=x")
	if status != 403 || !strings.Contains(got, "SignatureDoesNotMatch") || bytes.Contains([]byte(got), []byte("<Free>")) {
		t.Errorf("%d %s", status, got)
	}
}

// Chunks' heads are not signed: what stands there is no parameter.
func TestParametersAreOfTheVerifiedBody(t *testing.T) {
	for verified, want := range map[string]string{
		"Action=Echo&Free=signed": "<Free>signed</Free>",
		"Action=Fail&How=server":  "<Code>MalformedInput</Code>",
		"%zz":                     "<Code>MalformedQueryString</Code>",
	} {
		gate := func(r *http.Request, _, _ string) (*http.Request, error) {
			r.Body = io.NopCloser(strings.NewReader(verified))
			return r, nil
		}
		if _, got := send(t, gate, "POST", "/", "Action=Echo&Free=smuggled&Small=1"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", verified, got)
		}
	}
}

// Whoever is not known yet must not make the server hold much.
func TestFormsAreSmall(t *testing.T) {
	asked := false
	gate := func(r *http.Request, _, _ string) (*http.Request, error) {
		asked = true
		return r, nil
	}
	status, got := send(t, gate, "POST", "/", "Action=Echo&Free="+strings.Repeat("x", 3<<20))
	if status != 413 || asked {
		t.Errorf("%d %.300s, gate asked: %v", status, got, asked)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) {
	return 0, awserr.New(403, "InvalidSignatureException", "not the body that was signed")
}
