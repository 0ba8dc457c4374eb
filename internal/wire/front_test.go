package wire_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

// named is a protocol that answers with the service's name.
type named struct{}

func (named) Handler(s wire.Service, _ wire.Gate) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		switch string(body) {
		case "panic":
			panic("on purpose")
		case "late panic":
			w.Write([]byte("half"))
			http.NewResponseController(w).Flush()
			panic("on purpose")
		}
		w.Header().Set("Id", wire.RequestID(r.Context()))
		w.Header().Set("Base", wire.BaseURL(r.Context()))
		io.WriteString(w, s.Name+" "+string(body))
	})
}

func front() wire.Front {
	return wire.Front{
		Services: []wire.Service{
			{Name: "lambda", Protocol: named{}, Paths: []string{"/2015-03-31/"}},
			{Name: "logs", Protocol: named{}, Target: "Logs_20140328"},
			{Name: "sts", Protocol: named{}, Version: "2011-06-15", Namespace: "https://sts"},
		},
		Private: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "private") }),
		Hosts:   []string{"mayfly.example"},
		Log:     slog.New(slog.DiscardHandler),
	}
}

func serve(f wire.Front, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.Handler().ServeHTTP(w, r)
	return w
}

const signed = "AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/%/aws4_request, SignedHeaders=host, Signature=00"

func TestFrontFindsTheService(t *testing.T) {
	form := "application/x-www-form-urlencoded"
	for _, tt := range []struct {
		name, method, url, body, want string
		header                        map[string]string
	}{
		{"scope", "GET", "http://localhost/", "", "lambda ", map[string]string{"Authorization": strings.Replace(signed, "%", "lambda", 1)}},
		{"scope before target", "POST", "http://localhost/", "", "lambda ", map[string]string{"Authorization": strings.Replace(signed, "%", "lambda", 1), "X-Amz-Target": "Logs_20140328.X"}},
		{"presigned scope", "GET", "http://localhost/2015-03-31/?X-Amz-Credential=A%2F1%2Fr%2Fsts%2Faws4_request", "", "sts ", nil},
		{"target", "POST", "http://localhost/2015-03-31/x", "", "logs ", map[string]string{"X-Amz-Target": "Logs_20140328.CreateLogGroup"}},
		{"host", "POST", "http://logs.localhost:4566/", "", "logs ", nil},
		{"host with region", "POST", "http://sts.us-east-1.localhost:4566/", "", "sts ", nil},
		{"path", "GET", "http://localhost/2015-03-31/functions", "", "lambda ", nil},
		{"cbor path", "POST", "http://localhost/service/Logs_20140328/operation/X", "", "logs ", nil},
		{"version in query", "GET", "http://localhost/?Action=X&Version=2011-06-15", "", "sts ", nil},
		{"version in form", "POST", "http://localhost/", "Action=X&Version=2011-06-15", "sts Action=X&Version=2011-06-15", map[string]string{"Content-Type": form}},
		{"private", "GET", "http://localhost/_mayfly/health", "", "private", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.url, strings.NewReader(tt.body))
			for k, v := range tt.header {
				r.Header.Set(k, v)
			}
			if w := serve(front(), r); w.Code != 200 || w.Body.String() != tt.want {
				t.Errorf("%d %q, want %q", w.Code, w.Body, tt.want)
			}
		})
	}
}

func TestFrontUnknownService(t *testing.T) {
	r := httptest.NewRequest("POST", "http://localhost/", nil)
	r.Header.Set("Authorization", strings.Replace(signed, "%", "sqs", 1))
	w := serve(front(), r)
	var body struct {
		Type    string `json:"__type"`
		Message string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	if w.Code != 404 || body.Type != "UnknownServiceException" || body.Message != "Mayfly does not serve the service 'sqs' yet; served are: lambda, logs, sts." {
		t.Errorf("%d %+v", w.Code, body)
	}
	r = httptest.NewRequest("POST", "http://localhost/", strings.NewReader("Action=<x>"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if w := serve(front(), r); w.Code != 404 || !strings.HasPrefix(w.Body.String(), "<ErrorResponse><Error><Type>Sender</Type>") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestFrontTellsIdAndBase(t *testing.T) {
	r := httptest.NewRequest("GET", "http://127.0.0.1:4566/2015-03-31/x", nil)
	w := serve(front(), r)
	if len(w.Header().Get("Id")) != 36 || w.Header().Get("Base") != "http://127.0.0.1:4566" {
		t.Errorf("%v", w.Header())
	}
	if w.Header().Get("Server") != "Mayfly" {
		t.Error("no Server header")
	}
}

func TestFrontKnowsItsHosts(t *testing.T) {
	for host, ok := range map[string]bool{
		"localhost": true, "localhost:4566": true, "LOCALHOST:4566": true, "localhost.": true, "127.0.0.1": true, "127.8.9.1:80": true,
		"[::1]:4566": true, "::1": true, "lambda.us-east-1.localhost:4566": true, "mayfly.example": true, "mayfly.example:99": true,
		"evil.example": false, "10.0.0.1": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false, "evillocalhost": false,
		"lambda.us-east-1.amazonaws.com": false, "": false,
	} {
		r := httptest.NewRequest("GET", "http://localhost/2015-03-31/x", nil)
		r.Host = host
		if w := serve(front(), r); (w.Code == 200) != ok || !ok && w.Code != 403 {
			t.Errorf("%q: %d", host, w.Code)
		}
	}
}

func TestFrontKnowsTheListener(t *testing.T) {
	s := httptest.NewServer(front().Handler())
	defer s.Close()
	for host, want := range map[string]int{"[::ffff:127.0.0.1]": 200, "10.11.12.13": 403} {
		r, err := http.NewRequest("GET", s.URL+"/2015-03-31/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %d", host, answer.StatusCode)
		}
	}
}

func TestFrontRefusesOtherSites(t *testing.T) {
	authorization := strings.Replace(signed, "%", "lambda", 1)
	for _, tt := range []struct {
		name     string
		unsigned bool // the gate is off
		header   map[string]string
		want     int
	}{
		{"no browser", true, nil, 200},
		{"same origin", true, map[string]string{"Origin": "http://localhost:4566"}, 200},
		{"another site", true, map[string]string{"Origin": "https://evil.example"}, 403},
		{"another port", true, map[string]string{"Origin": "http://localhost:3000"}, 403},
		{"sandboxed frame", true, map[string]string{"Origin": "null"}, 403},
		{"fetch metadata", true, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"same-site fetch", true, map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"typed address", true, map[string]string{"Sec-Fetch-Site": "none"}, 200},
		{"signature that nobody checks", true, map[string]string{"Origin": "https://evil.example", "Authorization": authorization}, 403},
		{"signature that is checked", false, map[string]string{"Origin": "https://app.example", "Authorization": authorization}, 200},
		{"unsigned, gate on", false, map[string]string{"Origin": "https://evil.example"}, 403},
	} {
		r := httptest.NewRequest("POST", "http://localhost:4566/2015-03-31/x", nil)
		for k, v := range tt.header {
			r.Header.Set(k, v)
		}
		f := front()
		f.Unsigned = tt.unsigned
		if w := serve(f, r); w.Code != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, w.Code, tt.want)
		}
	}
}

func TestFrontSurvivesPanics(t *testing.T) {
	var log bytes.Buffer
	f := front()
	f.Log = slog.New(slog.NewJSONHandler(&log, nil))
	w := serve(f, httptest.NewRequest("POST", "http://localhost/2015-03-31/x", strings.NewReader("panic")))
	if w.Code != 500 || strings.Contains(w.Body.String(), "on purpose") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "on purpose") {
		t.Errorf("not in the log: %s", &log)
	}
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("half an answer ended with %v", p)
		}
	}()
	serve(f, httptest.NewRequest("POST", "http://localhost/2015-03-31/x", strings.NewReader("late panic")))
}

func TestFrontWantsOneServiceForAName(t *testing.T) {
	f := front()
	f.Services = append(f.Services, wire.Service{Name: "sts", Protocol: named{}})
	defer func() {
		if recover() == nil {
			t.Error("two services with one name")
		}
	}()
	f.Handler()
}

func TestTwoVersionsOfOneService(t *testing.T) {
	f := front()
	f.Services = append(f.Services, wire.Service{Name: "sts", Version: "2", Paths: []string{"/v2/"}, Protocol: versioned{}})
	for path, want := range map[string]int{"/v2/things": http.StatusTeapot, "/v1/things": http.StatusOK, "/": http.StatusOK} {
		r := httptest.NewRequest("POST", "http://sts.localhost"+path, nil)
		if w := serve(f, r); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

// versioned is a protocol that knows only one answer.
type versioned struct{}

func (versioned) Handler(wire.Service, wire.Gate) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
}

// speaker speaks what its name in a header says.
type speaker string

func (s speaker) Speaks(r *http.Request) bool { return r.Header.Get("Speak") == string(s) }

func (s speaker) Handler(wire.Service, wire.Gate) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, string(s)) })
}

func TestAnyChooses(t *testing.T) {
	h := wire.Any{speaker("a"), speaker("b")}.Handler(wire.Service{}, nil)
	for said, want := range map[string]string{"a": "a", "b": "b", "": "a", "c": "a"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Speak", said)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Body.String() != want {
			t.Errorf("%q: %s", said, w.Body)
		}
	}
}

func TestCoverage(t *testing.T) {
	s := wire.Service{
		Name: "sample", Title: "Sample Service", Version: "2026-11-23",
		Models: []wire.Model{{Name: "Do"}, {Name: "Undo"}}, Ops: []wire.Op{{Name: "Do"}},
	}
	text := wire.Coverage([]wire.Service{s})
	for _, want := range []string{"| [Sample Service](#sample-service) | 1 | 2 |", "| Do | served |", "| Undo | not yet |", "`sample`"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestFrontRefusesInTheClientsProtocol(t *testing.T) {
	for _, tt := range []struct{ service, header, value, kind, want string }{
		{"s3", "", "", "application/xml", "<Error><Code>UnknownServiceException</Code><Message>Mayfly does not serve the service &#39;s3&#39; yet"},
		{"monitoring", "Smithy-Protocol", "rpc-v2-cbor", "application/cbor", "\x7a\x00\x00\x00\x17UnknownServiceException\x7a\x00\x00\x00\x07message"},
		{"ec2", "Content-Type", "application/x-www-form-urlencoded", "text/xml", "<ErrorResponse>"},
		{"sqs", "X-Amz-Target", "AmazonSQS.SendMessage", "application/json", `{"__type":"UnknownServiceException"`},
	} {
		r := httptest.NewRequest("POST", "http://localhost/", nil)
		r.Header.Set("Authorization", strings.Replace(signed, "%", tt.service, 1))
		if tt.header != "" {
			r.Header.Set(tt.header, tt.value)
		}
		w := serve(front(), r)
		if w.Code != 404 || w.Header().Get("Content-Type") != tt.kind || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: %d %v %q", tt.service, w.Code, w.Header(), w.Body)
		}
	}
}

// A client that sends all before it looks for an answer must find one.
func TestFrontReadsWhatItRefuses(t *testing.T) {
	f := front()
	f.Services[0].Protocol = refusing{}
	s := httptest.NewServer(f.Handler())
	defer s.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const size = 32 << 20
	fmt.Fprintf(conn, "POST /2015-03-31/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", size)
	chunk := make([]byte, 1<<20)
	for range size / len(chunk) {
		if _, err := conn.Write(chunk); err != nil {
			t.Fatalf("the connection broke: %v", err)
		}
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Error(answer.Status)
	}
}

// refusing is a protocol that reads nothing.
type refusing struct{}

func (refusing) Handler(wire.Service, wire.Gate) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
}

// A client that asks before it sends is told not to.
func TestFrontDoesNotAskForWhatItRefuses(t *testing.T) {
	f := front()
	f.Services[0].Protocol = refusing{}
	s := httptest.NewServer(f.Handler())
	defer s.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /2015-03-31/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Error(answer.Status)
	}
}
