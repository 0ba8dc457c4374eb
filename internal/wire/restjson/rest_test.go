package restjson_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/restjson"
)

type thing struct {
	Name   *string           `wire:"Name,uri" required:"true" len:"1..20"`
	Sort   *string           `wire:"sort,query"`
	Max    *int32            `wire:"Max,query" range:"1..50"`
	All    *bool             `wire:"All,query"`
	Since  *wire.Time        `wire:"Since,query"`
	Keys   []string          `wire:"keys,query" elem.len:"1..5"`
	Kind   *string           `wire:"X-Kind,header"`
	Marks  []string          `wire:"X-Marks,header"`
	Meta   map[string]string `wire:"X-Meta-,headers"`
	Detail *string           `wire:"Detail"`
}

type blob struct {
	Name    *string `wire:"Name,uri"`
	Payload []byte  `wire:"Payload,payload"`
	Status  *int32  `wire:"StatusCode"`
	Log     *string `wire:"X-Log,header"`
}

type streamed struct {
	Kind *string     `wire:"Content-Type,header"`
	Body wire.Stream `wire:"Body,payload"`
}

type wrapped struct {
	Name *string `wire:"Name,uri"`
	Body *detail `wire:"Body,payload"`
}

type detail struct {
	Text *string `wire:"Text" len:"..3"`
}

type nothing struct{}

func echo[T any](_ context.Context, in *T) (*T, error) { return in, nil }

func service() wire.Service {
	return wire.Service{
		Name: "things", Protocol: restjson.Protocol{}, ErrorCode: "ServiceException",
		Models: []wire.Model{
			{Name: "GetThing", Method: "GET", URI: "/v1/things/{Name}", Status: 200},
			{Name: "PutThing", Method: "PUT", URI: "/v1/things/{Name}", Status: 201},
			{Name: "DeleteThing", Method: "DELETE", URI: "/v1/things/{Name}", Status: 204},
			{Name: "ListThings", Method: "GET", URI: "/v1/things", Status: 200},
			{Name: "FindThing", Method: "GET", URI: "/v1/things?find=Thing", Status: 200},
			{Name: "FindThingByName", Method: "GET", URI: "/v1/things?find=Thing&by=name", Status: 200},
			{Name: "Invoke", Method: "POST", URI: "/v1/things/{Name}/invocations", Status: 200},
			{Name: "Stream", Method: "POST", URI: "/v1/things/{Name}/stream", Status: 200},
			{Name: "Wrap", Method: "POST", URI: "/v1/things/{Name}/wrap", Status: 200},
			{Name: "Special", Method: "GET", URI: "/v1/things/special/{Name}", Status: 200},
			{Name: "Tree", Method: "GET", URI: "/v1/tree/{Name+}", Status: 200},
			{Name: "TreeEnd", Method: "GET", URI: "/v1/tree/{Name+}/end", Status: 200},
			{Name: "Fail", Method: "POST", URI: "/v1/fail/{Name}", Status: 200},
		},
		Ops: []wire.Op{
			wire.Handle("GetThing", echo[thing]), wire.Handle("PutThing", echo[thing]),
			wire.Handle("DeleteThing", func(context.Context, *thing) (*nothing, error) { return &nothing{}, nil }),
			wire.Handle("ListThings", echo[detail]), wire.Handle("FindThing", echo[detail]), wire.Handle("FindThingByName", echo[detail]),
			wire.Handle("Invoke", echo[blob]), wire.Handle("Stream", stream), wire.Handle("Wrap", echo[wrapped]),
			wire.Handle("Special", echo[thing]), wire.Handle("Tree", echo[thing]), wire.Handle("TreeEnd", echo[thing]),
			wire.Handle("Fail", fail),
		},
		ErrorBody: func(e *awserr.Error) map[string]any {
			return map[string]any{"Type": e.Fault.String(), "Message": e.Message}
		},
		MaxBody: func(op string) int64 {
			if op == "Invoke" {
				return 100
			}
			return 0
		},
		TooLarge: func(op string, limit int64) *awserr.Error {
			return awserr.New(413, "RequestTooLargeException", "Request must be smaller than %d bytes for the InvokeFunction operation", limit)
		},
	}
}

func stream(_ context.Context, in *blob) (*streamed, error) {
	kind := "text/x-stream"
	return &streamed{&kind, func(w io.Writer) error {
		for _, part := range strings.Fields(string(in.Payload)) {
			if part == "break" {
				return errors.New("broken")
			}
			if _, err := io.WriteString(w, part); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

func fail(_ context.Context, in *blob) (*nothing, error) {
	return nil, awserr.New(409, "ResourceConflictException", "%s", *in.Name)
}

type answer struct {
	status int
	header http.Header
	body   string
}

func call(t *testing.T, method, target, body string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	restjson.Protocol{}.Handler(service(), nil).ServeHTTP(w, r.WithContext(wire.WithRequestID(r.Context(), "the-id")))
	if id := w.Header().Get("X-Amzn-Requestid"); id != "the-id" {
		t.Errorf("%s %s: request id %q", method, target, id)
	}
	return answer{w.Code, w.Header(), w.Body.String()}
}

func TestMembersFromEverywhere(t *testing.T) {
	a := call(t, "PUT", "/v1/things/x?sort=up&Max=7&All=true&Since=2023-11-14T22:13:20Z&keys=a&keys=b%20c",
		`{"Detail":"d","Name":"not from here"}`, "X-Kind", "k", "X-Marks", "1, 2", "X-Marks", "3", "X-Meta-One", "1", "X-Meta-Two", "2")
	if a.status != 201 || a.body != `{"Detail":"d"}` {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for name, want := range map[string]string{
		"X-Kind": "k", "X-Marks": "1, 2, 3", "X-Meta-One": "1", "X-Meta-Two": "2", "Content-Type": "application/json", "Content-Length": "14",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestBindingOfPlaces(t *testing.T) {
	var got *thing
	s := service()
	s.Ops = []wire.Op{wire.Handle("GetThing", func(_ context.Context, in *thing) (*thing, error) { got = in; return in, nil })}
	r := httptest.NewRequest("GET", "/v1/things/a%2Fb%3Ac%2525?sort=&Max=7&All=true&Since=2023-11-14T22:13:20Z&keys=a&keys=b%20c&sort=second", nil)
	w := httptest.NewRecorder()
	restjson.Protocol{}.Handler(s, nil).ServeHTTP(w, r)
	if got == nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if *got.Name != "a/b:c%25" || *got.Sort != "" || *got.Max != 7 || !*got.All || got.Since.Unix() != 1700000000 || !reflect.DeepEqual(got.Keys, []string{"a", "b c"}) {
		t.Errorf("%+v", got)
	}
	if got.Kind != nil || got.Marks != nil || got.Meta != nil || got.Detail != nil {
		t.Errorf("what is absent: %+v", got)
	}
}

func TestPlacesRefuse(t *testing.T) {
	for _, tt := range []struct{ target, code, text string }{
		{"/v1/things/x?Max=x", "SerializationException", "STRING_VALUE can not be converted to an Integer"},
		{"/v1/things/x?Max=0", "ValidationException", "Value '0' at 'max' failed"},
		{"/v1/things/x?keys=toolong", "ValidationException", "Value '[toolong]' at 'keys' failed to satisfy constraint: Member must satisfy constraint: ["},
		{"/v1/things/" + strings.Repeat("x", 21), "ValidationException", "at 'name' failed to satisfy constraint: Member must have length less than or equal to 20"},
	} {
		a := call(t, "GET", tt.target, "")
		if a.status != 400 || a.header.Get("X-Amzn-Errortype") != tt.code || !strings.Contains(a.body, tt.text) {
			t.Errorf("%s: %d %s", tt.target, a.status, a.body)
		}
		if !strings.HasPrefix(a.body, `{"message":"`) || strings.Contains(a.body, "Type") {
			t.Errorf("%s: a refusal of the front end has a message alone: %s", tt.target, a.body)
		}
	}
	if a := call(t, "PUT", "/v1/things/x", "{"); a.status != 400 || a.header.Get("X-Amzn-Errortype") != "SerializationException" {
		t.Errorf("malformed: %d %s", a.status, a.body)
	}
}

func TestRoutes(t *testing.T) {
	for _, tt := range []struct {
		method, target string
		status         int
	}{
		{"GET", "/v1/things", 200}, {"GET", "/v1/things/", 200}, {"GET", "/v1/things?find=Thing", 200},
		{"GET", "/v1/things/x/", 200}, {"DELETE", "/v1/things/x", 204},
		{"GET", "/v1/things//", 404}, {"GET", "/v1", 404}, {"GET", "/", 404}, {"PATCH", "/v1/things", 404},
		{"GET", "/v1/things/x/y", 404}, {"GET", "/V1/things", 404}, {"POST", "/v1/things/x", 404}, {"GET", "/v1/tree", 404},
	} {
		a := call(t, tt.method, tt.target, "")
		if a.status != tt.status {
			t.Errorf("%s %s: %d %s", tt.method, tt.target, a.status, a.body)
		}
		if tt.status == 404 && a.header.Get("X-Amzn-Errortype") != "UnknownOperationException" {
			t.Errorf("%s %s: %v", tt.method, tt.target, a.header)
		}
		if tt.status == 204 && (a.body != "" || a.header.Get("Content-Type") != "") {
			t.Errorf("%s %s: a 204 with %q, %v", tt.method, tt.target, a.body, a.header)
		}
	}
}

func TestPayloads(t *testing.T) {
	a := call(t, "POST", "/v1/things/x/invocations", "not json \x00\xff")
	if a.status != 200 || a.body != "not json \x00\xff" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("blob: %d %q %v", a.status, a.body, a.header)
	}
	a = call(t, "POST", "/v1/things/x/invocations", "")
	if a.status != 200 || a.body != "" || a.header.Get("Content-Length") != "0" {
		t.Errorf("no blob: %d %q %v", a.status, a.body, a.header)
	}
	a = call(t, "POST", "/v1/things/x/invocations", strings.Repeat("x", 101))
	if a.status != 413 || a.header.Get("X-Amzn-Errortype") != "RequestTooLargeException" ||
		!strings.Contains(a.body, "smaller than 100 bytes for the InvokeFunction operation") {
		t.Errorf("too large: %d %s", a.status, a.body)
	}
	a = call(t, "POST", "/v1/things/x/wrap", `{"Text":"abc"}`)
	if a.status != 200 || a.body != `{"Text":"abc"}` {
		t.Errorf("structure: %d %s", a.status, a.body)
	}
	a = call(t, "POST", "/v1/things/x/wrap", `{"Text":"abcd"}`)
	if a.status != 400 || !strings.Contains(a.body, "at 'body.text' failed") {
		t.Errorf("structure against the model: %d %s", a.status, a.body)
	}
}

func TestTooLargeWithoutLength(t *testing.T) {
	r := httptest.NewRequest("POST", "/v1/things/x/invocations", io.MultiReader(strings.NewReader(strings.Repeat("x", 101))))
	r.ContentLength = -1
	w := httptest.NewRecorder()
	restjson.Protocol{}.Handler(service(), nil).ServeHTTP(w, r)
	if w.Code != 413 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestStatusFromAMember(t *testing.T) {
	s := service()
	s.Ops = []wire.Op{wire.Handle("Invoke", func(context.Context, *blob) (*blob, error) {
		status, log := int32(202), "tail"
		return &blob{Status: &status, Log: &log, Payload: []byte("{}")}, nil
	})}
	w := httptest.NewRecorder()
	restjson.Protocol{}.Handler(s, nil).ServeHTTP(w, httptest.NewRequest("POST", "/v1/things/x/invocations", nil))
	if w.Code != 202 || w.Body.String() != "{}" || w.Header().Get("X-Log") != "tail" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
}

func TestStreams(t *testing.T) {
	s := httptest.NewServer(restjson.Protocol{}.Handler(service(), nil))
	defer s.Close()
	send := func(body string) (string, string, error) {
		answer, err := http.Post(s.URL+"/v1/things/x/stream", "", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		return string(b), answer.Header.Get("Content-Type"), err
	}
	if got, kind, err := send("one two"); got != "onetwo" || kind != "text/x-stream" || err != nil {
		t.Errorf("%q %q %v", got, kind, err)
	}
	if got, _, err := send("one break two"); got != "one" || err == nil {
		t.Errorf("a stream that broke: %q %v", got, err)
	}
}

// Each Write of a stream is at the client before the next one is made.
func TestStreamsAreFlushed(t *testing.T) {
	next := make(chan bool)
	svc := service()
	svc.Ops = []wire.Op{wire.Handle("Stream", func(context.Context, *blob) (*streamed, error) {
		return &streamed{nil, func(w io.Writer) error {
			for i := range 3 {
				fmt.Fprint(w, i)
				<-next
			}
			return nil
		}}, nil
	})}
	s := httptest.NewServer(restjson.Protocol{}.Handler(svc, nil))
	defer s.Close()
	answer, err := http.Post(s.URL+"/v1/things/x/stream", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if kind := answer.Header.Get("Content-Type"); kind != "application/vnd.amazon.eventstream" {
		t.Errorf("content type %q", kind)
	}
	for i := range 3 {
		b := make([]byte, 1)
		if _, err := io.ReadFull(answer.Body, b); err != nil || b[0] != byte('0'+i) {
			t.Fatalf("%q %v", b, err)
		}
		next <- true
	}
}

func TestErrorsOfTheOperation(t *testing.T) {
	a := call(t, "POST", "/v1/fail/x", "")
	if a.status != 409 || a.header.Get("X-Amzn-Errortype") != "ResourceConflictException" || a.body != `{"Message":"x","Type":"User"}` {
		t.Errorf("%d %s %v", a.status, a.body, a.header)
	}
}

func TestGateComesFirst(t *testing.T) {
	asked := ""
	gate := func(r *http.Request, service, op string) (*http.Request, error) {
		asked = service + ":" + op
		return nil, awserr.New(403, "MissingAuthenticationTokenException", "Request is missing Authentication Token")
	}
	for method, target := range map[string]string{"PUT": "/v1/things/x", "GET": "/v1/things/x?Max=bad"} {
		w := httptest.NewRecorder()
		restjson.Protocol{}.Handler(service(), gate).ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader("{")))
		if w.Code != 403 || w.Body.String() != `{"message":"Missing Authentication Token"}` {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if asked != "things:"+map[string]string{"PUT": "PutThing", "GET": "GetThing"}[method] {
			t.Errorf("the gate was asked for %s", asked)
		}
	}
}
