package cli

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// A fake is a server that plays the API as far as the command line uses it. It
// checks signatures for real.
type fake struct {
	t  testing.TB
	mu sync.Mutex // guards what follows

	functions map[string]map[string]any
	objects   map[string][]byte   // by path; the bucket's own is there when it is
	calls     []string            // method and path, or target, of what changed something
	invoke    http.HandlerFunc    // answers invocations
	log       []logEvent          // of every group
	onLog     func(startMS int64) // called with the lock held before a log is read
	noLog     bool                // there is no log group
	pending   int                 // configurations to answer as Pending first
	broken    string              // a state reason: what is deployed fails
	bill      string
}

// serve starts f and returns a session that talks to it.
func (f *fake) serve() *session {
	f.t.Helper()
	f.functions = map[string]map[string]any{}
	server := httptest.NewServer(f)
	f.t.Cleanup(server.Close)
	return &session{t: f.t, env: map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1",
	}}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	service := "lambda"
	if r.URL.Path == "/" {
		service = "logs"
	} else if strings.HasPrefix(r.URL.Path, "/_mayfly/") {
		service = "mayfly"
	} else if strings.HasPrefix(r.URL.Path, "/"+deployBucket) {
		service = "s3"
	}
	v := sigv4.Verifier{Lookup: func(_ context.Context, id, _ string) (string, wire.Caller, error) {
		if id != "AKIATEST" {
			return "", wire.Caller{}, awserr.New(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
		}
		return "secret", wire.Caller{AccessKeyID: id}, nil
	}}
	r, err := v.Gate(r, service, "")
	if err != nil {
		f.refuse(w, awserr.From(err, "ServiceException"))
		return
	}
	switch service {
	case "logs":
		f.logs(w, r)
	case "mayfly":
		f.private(w, r)
	case "s3":
		f.s3(w, r)
	default:
		f.lambda(w, r)
	}
}

func (f *fake) refuse(w http.ResponseWriter, e *awserr.Error) {
	w.Header().Set("X-Amzn-Errortype", e.Code)
	w.WriteHeader(e.Status)
	f.answer(w, map[string]string{"message": e.Message})
}

func (f *fake) answer(w io.Writer, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		f.t.Error(err)
	}
}

func (f *fake) private(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/_mayfly/usage" {
		f.calls = append(f.calls, r.URL.RawQuery)
		io.WriteString(w, f.bill)
		return
	}
	f.answer(w, []runtimeStatus{
		{Runtime: "python3.12", Available: true, Interpreter: "/usr/bin/python3.12", Version: "3.12.1"},
		{Runtime: "nodejs22.x", Advice: "install Node 22"},
		{Runtime: "ruby3.4", Advice: "not yet"},
		{Runtime: "java21", Advice: "not yet"},
	})
}

func (f *fake) lambda(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	path, _ := strings.CutPrefix(r.URL.Path, "/2015-03-31/functions")
	name, rest, _ := strings.Cut(strings.Trim(path, "/"), "/")
	if rest == "invocations" {
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		f.invoke(w, r)
		return
	}
	if r.Method != "GET" {
		f.calls = append(f.calls, strings.TrimRight(r.Method+" "+strings.Trim(path, "/"), " "))
	}
	var in map[string]any
	if len(body) > 0 {
		if err := json.Unmarshal(body, &in); err != nil {
			f.t.Error(err)
		}
	}
	if name == "" && r.Method == "POST" {
		name = in["FunctionName"].(string)
		f.functions[name] = map[string]any{"FunctionName": name, "FunctionArn": "arn:aws:lambda:eu-west-1:000000000000:function:" + name, "MemorySize": 128, "Timeout": 3}
	}
	if name == "" {
		f.list(w, r)
		return
	}
	fn := f.functions[name]
	if fn == nil {
		f.refuse(w, awserr.New(404, "ResourceNotFoundException", "Function not found: %s", name))
		return
	}
	f.change(w, r, name, in)
}

// change applies a request to one function and answers it.
func (f *fake) change(w http.ResponseWriter, r *http.Request, name string, in map[string]any) {
	fn := f.functions[name]
	if r.Method == "DELETE" {
		delete(f.functions, name)
		w.WriteHeader(204)
		return
	}
	if code, ok := in["Code"].(map[string]any); ok {
		in["ZipFile"] = code["ZipFile"]
	}
	if z, ok := in["ZipFile"].(string); ok {
		b, err := base64.StdEncoding.DecodeString(z)
		if err != nil {
			f.t.Error(err)
		}
		sum := sha256.Sum256(b)
		fn["CodeSha256"], fn["CodeSize"] = base64.StdEncoding.EncodeToString(sum[:]), len(b)
	}
	for k, v := range in {
		if k == "Layers" {
			var layers []map[string]any
			for _, arn := range v.([]any) {
				layers = append(layers, map[string]any{"Arn": arn})
			}
			v = layers
		}
		if k != "Code" && k != "ZipFile" {
			fn[k] = v
		}
	}
	fn["State"], fn["StateReason"] = "Active", f.broken
	if f.broken != "" {
		fn["State"] = "Failed"
	} else if f.pending > 0 && r.Method == "GET" {
		f.pending--
		fn["State"] = "Pending"
	}
	f.answer(w, fn)
}

// list answers two functions a page.
func (f *fake) list(w http.ResponseWriter, r *http.Request) {
	var names []string
	for n := range f.functions {
		if n > r.URL.Query().Get("Marker") {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	out := map[string]any{"Functions": []any{}}
	for i, n := range names {
		if i == 2 {
			out["NextMarker"] = names[1]
			break
		}
		out["Functions"] = append(out["Functions"].([]any), f.functions[n])
	}
	f.answer(w, out)
}

// logs answers FilterLogEvents, three events a page.
func (f *fake) logs(w http.ResponseWriter, r *http.Request) {
	var in struct {
		LogGroupName, FilterPattern, NextToken string
		StartTime                              int64
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		f.t.Error(err)
	}
	if f.onLog != nil && in.NextToken == "" {
		f.onLog(in.StartTime)
	}
	if f.noLog {
		w.WriteHeader(400)
		f.answer(w, map[string]string{"__type": "ResourceNotFoundException", "message": "The specified log group does not exist."})
		return
	}
	var match []logEvent
	for _, e := range f.log {
		if e.Timestamp >= in.StartTime && strings.Contains(e.Message, in.FilterPattern) {
			match = append(match, e)
		}
	}
	slices.SortStableFunc(match, func(a, b logEvent) int { return int(a.Timestamp - b.Timestamp) })
	from := 0
	fmt.Sscan(in.NextToken, &from)
	out := map[string]any{"events": match[from:min(from+3, len(match))]}
	if from+3 < len(match) {
		out["nextToken"] = fmt.Sprint(from + 3)
	}
	f.answer(w, out)
}

func (f *fake) changed(want ...string) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.calls, want) {
		f.t.Errorf("calls %q, want %q", f.calls, want)
	}
	f.calls = nil
}

// query reads one parameter of a call.
func query(t testing.TB, call, name string) string {
	t.Helper()
	v, err := url.ParseQuery(call)
	if err != nil {
		t.Fatal(err)
	}
	return v.Get(name)
}
