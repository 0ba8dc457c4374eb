package accesslog

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"
)

var record = Record{
	Account: "000000000000", APIID: "a1b2c3d4e5", Stage: "$default", ID: "Jx=", Domain: "a1b2c3d4e5.execute-api.eu-west-1.localhost",
	DomainPrefix: "a1b2c3d4e5", Method: "GET", Path: "/pets/7", Protocol: "HTTP/1.1", RouteKey: "GET /pets/{id}",
	SourceIP: "127.0.0.1", UserAgent: `curl "8"`, Start: time.Date(2026, 11, 24, 1, 2, 3, 4e6, time.UTC),
	Status: 403, Length: 23, Latency: 12900 * time.Microsecond, Processed: 99, Error: `Forbidden "x"`, ErrorType: "ACCESS_DENIED",
	Integration: Integration{Reached: true, Latency: 7 * time.Millisecond, Status: 418, Invoked: 200, Error: "why", RequestID: "r-1"},
	Authorizer: Authorizer{
		Principal: "p", Latency: 3 * time.Millisecond, Status: 200, Error: "no",
		Context: map[string]json.RawMessage{"key": json.RawMessage(`"value"`), "numKey": json.RawMessage(`1`), "boolKey": json.RawMessage(`true`)},
		Claims:  map[string]string{"sub": "s", "cognito:username": "u"},
	},
	Identity: Identity{Account: "ia", Caller: "ic", User: "iu", UserARN: "iarn", AccessKey: "AKIA", APIKey: "k", APIKeyID: "kid"},
	Extra:    map[string]string{"connectionId": "c="},
}

func TestLine(t *testing.T) {
	for format, want := range map[string]string{
		"":                                 "",
		"plain $ text $contex":             "plain $ text $contex",
		"$context":                         "$context",
		"$context.":                        "$context.",
		"$context. x":                      "$context. x",
		"a $context.requestId b\n":         "a Jx= b",
		"$context.status.":                 "403.",
		"$context.status,$context.status":  "403,403",
		"$context.httpMethod$context.path": "GET/pets/7",
		"$context.nothing":                 "-",
		"$context.authorizer.claims":       "-",
		"$context.authorizer.claims.sub":   "s",
		`"$context.authorizer.claims.cognito:username"`:                                                 `"u"`,
		"$context.requestId:$context.status":                                                            "Jx=:403",
		"$context.authorizer.key $context.authorizer.numKey $context.authorizer.boolKey":                "value 1 true",
		"$context.authorizer.principalId $context.authorizer.error $context.authorizer.latency":         "p no 3",
		"$context.identity.userAgent":                                                                   `curl \"8\"`,
		"$context.identity.sourceIp $context.identity.userArn $context.identity.apiKeyId":               "127.0.0.1 iarn kid",
		"$context.requestTime $context.requestTimeEpoch":                                                "24/Nov/2026:01:02:03 +0000 1795482123004",
		"$context.error.message":                                                                        `Forbidden \"x\"`,
		"$context.error.responseType":                                                                   "ACCESS_DENIED",
		"$context.integrationLatency $context.integration.latency":                                      "7 7",
		"$context.integrationStatus $context.integration.status $context.integration.integrationStatus": "200 418 200",
		"$context.integrationErrorMessage $context.integration.error":                                   "why why",
		"$context.responseLatency $context.responseLength $context.dataProcessed":                       "12 23 99",
		"$context.connectionId":                                                                         "c=",
		"$context.accountId $context.apiId $context.stage $context.domainName $context.domainPrefix":    "000000000000 a1b2c3d4e5 $default a1b2c3d4e5.execute-api.eu-west-1.localhost a1b2c3d4e5",
		"$context.routeKey $context.protocol $context.extendedRequestId":                                "GET /pets/{id} HTTP/1.1 -",
	} {
		if got := Parse(format).Line(record.Value); got != want {
			t.Errorf("%q:\n got %q\nwant %q", format, got, want)
		}
	}
}

func TestNothingIsKnown(t *testing.T) {
	var r Record
	for _, name := range []string{"requestId", "status", "integrationStatus", "integration.latency", "authorizer.latency",
		"authorizer.status", "error.message", "error.messageString", "identity.user", "identity.x", "authorizer.claims.x"} {
		if v, ok := r.Value(name); ok {
			t.Errorf("%s is %q", name, v)
		}
	}
}

func TestNames(t *testing.T) {
	f := Parse("$context.requestId $context.status")
	if !f.Names("status") || f.Names("path") {
		t.Error("the format does not know its variables")
	}
}

// FuzzLine holds that a line of JSON stays one line of JSON, whatever is in the
// request, and that no format breaks the parser.
func FuzzLine(f *testing.F) {
	f.Add("$context.path", "a\"b\\c\nd")
	f.Add("$context.$context.x..y", "\xff\u2028")
	f.Fuzz(func(t *testing.T, format, value string) {
		get := func(string) (string, bool) { return value, true }
		Parse(format).Line(get)
		line := Parse(`{"v":"$context.path"}`).Line(get)
		var got struct{ V string }
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if got.V != strings.ToValidUTF8(value, "\uFFFD") && strings.ToValidUTF8(value, "") == value {
			t.Fatalf("%q came back as %q", value, got.V)
		}
		if strings.ContainsAny(line, "\r\n") {
			t.Fatalf("%q is not one line", line)
		}
	})
}

// book is a Sink that can be held up.
type book struct {
	mu    sync.Mutex
	lines map[string][]string
	held  chan struct{} // nil: not held
}

func (b *book) Put(group, stream string, at []time.Time, message []string) {
	if b.held != nil {
		<-b.held
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(at) != len(message) {
		panic("a line without its time")
	}
	b.lines[group+" "+stream] = append(b.lines[group+" "+stream], message...)
}

func TestLogKeepsOrder(t *testing.T) {
	b := &book{lines: map[string][]string{}}
	l := New(b, nil)
	now := time.Now()
	for _, x := range []string{"1", "2", "3"} {
		l.Add("g", "s", now, x)
		l.Add("h", "s", now, x)
	}
	l.Flush()
	b.mu.Lock()
	for _, p := range []string{"g s", "h s"} {
		if got := strings.Join(b.lines[p], ""); got != "123" {
			t.Errorf("%s has %q", p, got)
		}
	}
	b.mu.Unlock()
	l.Add("g", "s", now, "4")
	l.Close()
	if got := strings.Join(b.lines["g s"], ""); got != "1234" {
		t.Errorf("after Close: %q", got)
	}
	l.Add("g", "s", now, "5") // must not block or panic
	l.Flush()
}

func TestLogDoesNotWaitForItsSink(t *testing.T) {
	b := &book{lines: map[string][]string{}, held: make(chan struct{})}
	l := New(b, nil)
	const extra = 1000
	for range 2*maxLines + extra { // would block for ever if it waited
		l.Add("g", "s", time.Now(), "x")
	}
	close(b.held)
	l.Close()
	if n := len(b.lines["g s"]); n < maxLines || n > 2*maxLines {
		t.Errorf("%d lines came through, want between %d and %d", n, maxLines, 2*maxLines)
	}
}

func TestLogBoundsItsBytes(t *testing.T) {
	b := &book{lines: map[string][]string{}, held: make(chan struct{})}
	l := New(b, nil)
	big := strings.Repeat("x", maxBytes/4)
	for range 20 {
		l.Add("g", "s", time.Now(), big)
	}
	close(b.held)
	l.Close()
	if n := len(b.lines["g s"]); n > 8 {
		t.Errorf("%d lines of a quarter of the room were kept", n)
	}
}

func TestGroup(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:logs:us-east-1:000000000000:log-group:/my/api":    "/my/api",
		"arn:aws:logs:us-east-1:000000000000:log-group:/my/api:*":  "/my/api",
		"arn:aws:firehose:us-east-1:000000000000:deliverystream/x": "",
		"": "",
	} {
		if got := Group(arn); got != want {
			t.Errorf("%s: %q, want %q", arn, got, want)
		}
	}
	if got := Stream("a", "$default", time.Date(2026, 1, 2, 23, 0, 0, 0, time.UTC)); got != "a/default/2026-01-02" {
		t.Error(got)
	}
}
