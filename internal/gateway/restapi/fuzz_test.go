package restapi

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

func newBook(t testing.TB) *Book {
	t.Helper()
	db, err := store.OpenSQLite(filepath.Join(t.TempDir(), "meta.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(t.Context(), Config{DB: db, Account: "000000000000", Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(); db.Close() })
	return b
}

// A patch is refused, or makes a document that is still one of its kind.
func FuzzPatch(f *testing.F) {
	for _, p := range [][4]string{
		{"replace", "/name", "x", ""}, {"add", "/binaryMediaTypes/a~1b", "", ""}, {"remove", "/binaryMediaTypes/a~1b", "", ""},
		{"replace", "/endpointConfiguration/types/EDGE", "REGIONAL", ""}, {"replace", "/*/*/throttling/rateLimit", "1e9", ""},
		{"replace", "/~1a~1b/GET/logging/loglevel", "INFO", ""}, {"remove", "/a/GET", "", ""}, {"add", "/apiStages", "a:b", ""},
		{"replace", "/apiStages/a:b/throttle/~1x~1GET/burstLimit", "3", ""}, {"remove", "/apiStages/a:b/throttle", "", ""},
		{"replace", "/throttle/rateLimit", "NaN", ""}, {"copy", "/deploymentId", "", "/canarySettings/deploymentId"},
		{"add", "/requestParameters/method.request.header.X", "true", ""}, {"replace", "/responseParameters", `{"a":"b"}`, ""},
		{"remove", "/variables/x", "", ""}, {"add", "/tlsConfig/insecureSkipVerification", "true", ""}, {"replace", "//", "", ""},
	} {
		f.Add(p[0], p[1], p[2], p[3])
	}
	f.Fuzz(func(t *testing.T, op, path, value, from string) {
		ps := []Patch{{Op: op, Path: path, Value: &value, From: from}}
		patchOne(t, &API{Name: "n", Endpoint: &Endpoint{Types: []string{"EDGE"}}, BinaryMediaTypes: []string{"a/b"}}, apiRules(), ps, nil)
		patchOne(t, &Stage{Name: "s", Variables: map[string]string{"x": "y"}, AccessLog: &AccessLog{}}, stageRules(), ps, stagePatch)
		patchOne(t, &Plan{Name: "p", Stages: []*PlanStage{{API: "a", Stage: "b"}}, Quota: &Quota{}}, planRules(), ps, planPatch)
		patchOne(t, &Method{RequestParameters: map[string]bool{"a": true}, Scopes: []string{"s"}}, methodRules(), ps, nil)
		patchOne(t, &Integration{TLS: &TLS{}, RequestTemplates: map[string]string{"a/b": "c"}}, integrationRules(), ps, nil)
		patchOne(t, &GatewayResponse{Parameters: map[string]string{"a": "b"}}, gatewayResponseRules(), ps, nil)
		patchOne(t, &Mapping{BasePath: "b"}, mappingRules(), ps, mappingPatch)
		patchOne(t, &Key{Name: "k"}, keyRules(), ps, keyPatch)
	})
}

func patchOne[T any](t *testing.T, item *T, rules []rule, ps []Patch, special func(tree, Patch, []string) (bool, error)) {
	before, _ := json.Marshal(item)
	next, err := patched(item, rules, ps, special)
	if after, _ := json.Marshal(item); string(after) != string(before) {
		t.Errorf("%+v changed its origin", ps)
	}
	if err != nil {
		if !isRefusal(err) {
			t.Errorf("%+v: %v", ps, err)
		}
		return
	}
	doc, err := json.Marshal(next)
	if err != nil {
		t.Fatalf("%+v: %v", ps, err)
	}
	again, err := decode[T](doc)
	if err != nil || !reflect.DeepEqual(asJSON(again), asJSON(next)) {
		t.Errorf("%+v: %s %v", ps, doc, err)
	}
}

func asJSON(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// A document is refused, or makes an API that can be read, exported, and
// compiled or refused.
func FuzzImport(f *testing.F) {
	f.Add(`{"swagger":"2.0","info":{"title":"t"},"basePath":"/b","paths":{"/a/{b}":{"get":{"parameters":[{"in":"body","schema":{"$ref":"#/definitions/M"}}],"responses":{"200":{"schema":{"type":"object"}}},"x-amazon-apigateway-integration":{"type":"mock","responses":{"default":{"statusCode":"200"}}}}}},"definitions":{"M":{"type":"object","properties":{"m":{"$ref":"#/definitions/M"}}}}}`)
	f.Add("openapi: 3.0.1\npaths:\n  /x:\n    get: {security: [{a: []}]}\ncomponents: {securitySchemes: {a: {type: apiKey, name: x-api-key}}}")
	f.Add("a: &a [x]\nswagger: '2.0'\npaths: {/x: *a}")
	f.Add(`{"swagger":"2.0","x-amazon-apigateway-policy":{"Version":"2012-10-17","Statement":[]},"x-amazon-apigateway-gateway-responses":{"THROTTLED":{"statusCode":"1"}}}`)
	b := newBook(f)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := b.ImportAPI(t.Context(), []byte(text), ImportOptions{BasePath: "prepend"})
		if err != nil {
			if !isRefusal(err) {
				t.Errorf("%v", err)
			}
			return
		}
		d, err := b.CreateDeployment(t.Context(), a.ID, "", &Stage{Name: "s"})
		if err != nil {
			if !isRefusal(err) {
				t.Errorf("%v", err)
			}
		} else if doc, err := b.Export(t.Context(), a.ID, "s", ExportOptions{Integrations: true, Authorizers: true}); err != nil || !json.Valid(doc) {
			t.Errorf("%s: %v", d.ID, err)
		}
		if err := b.DeleteAPI(t.Context(), a.ID); err != nil {
			t.Error(err)
		}
	})
}

// Whatever a path is, it is found or not; what is found has its parameters.
func FuzzFind(f *testing.F) {
	p := &program{root: &branch{}}
	for _, path := range []string{"/", "/a", "/a/{x}", "/a/{x}/b", "/{y}/c", "/a/{rest+}"} {
		if err := p.add(&Definition{}, &Resource{ID: path, Path: path}, nil); err != nil {
			f.Fatal(err)
		}
	}
	for _, s := range []string{"/", "", "//", "/a/%2F", "/a/b/c/d", "/%zz", "/a/../b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		b, params := p.find(path)
		if b == nil {
			return
		}
		if got := strings.Count(b.on.Path, "{"); got != len(params) {
			t.Errorf("%q: %s with %v", path, b.on.Path, params)
		}
	})
}

// A table of API keys is refused or read.
func FuzzKeyTable(f *testing.F) {
	f.Add("Name,Key,Enabled,UsageplanIds\na,b,true,\"x,y\"\n")
	f.Add("name,key\n\"")
	f.Fuzz(func(t *testing.T, table string) {
		if _, err := keyRows(table); err != nil && !isRefusal(err) {
			t.Error(err)
		}
	})
}

// What is written is served from then on: no reader keeps what he read before.
func TestCache(t *testing.T) {
	b := newBook(t)
	ctx := t.Context()
	a, err := b.CreateAPI(ctx, API{Name: "a"}, "")
	if err != nil {
		t.Fatal(err)
	}
	place := Place{a.ID, a.RootResourceID, "GET"}
	if _, err := b.PutMethod(ctx, place, Method{AuthorizationType: "NONE"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutIntegration(ctx, place, Integration{Type: "MOCK"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.CreateDeployment(ctx, a.ID, "", &Stage{Name: "s"}); err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	reading := make(chan bool)
	for range 2 {
		go func() {
			defer func() { reading <- true }()
			for {
				select {
				case <-done:
					return
				default:
					b.Deployed(ctx, a.ID, "s")
				}
			}
		}()
	}
	for i := range 50 {
		want := strings.Repeat("x", i+1)
		if _, err := b.UpdateStage(ctx, a.ID, "s", []Patch{{Op: "replace", Path: "/variables/v", Value: &want}}); err != nil {
			t.Fatal(err)
		}
		d, err := b.Deployed(ctx, a.ID, "s")
		if err != nil || d.Stage.Variables["v"] != want {
			t.Fatalf("stale: %v %v", d, err)
		}
	}
	close(done)
	<-reading
	<-reading
}

func TestPeriods(t *testing.T) {
	day := func(s string) int64 {
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return dayOf(d)
	}
	for _, tt := range []struct {
		q           Quota
		today, from string
	}{
		{Quota{Period: "DAY"}, "2026-11-24", "2026-11-24"},
		{Quota{Period: "WEEK"}, "2026-11-24", "2026-11-22"}, // a Sunday
		{Quota{Period: "WEEK", Offset: 3}, "2026-11-24", "2026-11-18"},
		{Quota{Period: "WEEK", Offset: 2}, "2026-11-24", "2026-11-24"},
		{Quota{Period: "MONTH"}, "2026-11-24", "2026-11-01"},
		{Quota{Period: "MONTH", Offset: 10}, "2026-11-24", "2026-11-11"},
		{Quota{Period: "MONTH", Offset: 10}, "2026-03-05", "2026-02-11"},
	} {
		if got := tt.q.since(day(tt.today)); got != day(tt.from) {
			t.Errorf("%+v on %s begins on %s", tt.q, tt.today, dateOf(got).Format(time.DateOnly))
		}
	}
}

func TestBucket(t *testing.T) {
	var b buckets
	at := time.Unix(0, 0)
	limit := &Throttle{RateLimit: 2, BurstLimit: 3}
	take := func(n int) (got int) {
		for range n {
			if b.take("x", limit, at) {
				got++
			}
		}
		return got
	}
	if n := take(10); n != 3 {
		t.Errorf("a burst of %d", n)
	}
	at = at.Add(time.Second)
	if n := take(10); n != 2 {
		t.Errorf("%d a second", n)
	}
	at = at.Add(time.Hour)
	if n := take(10); n != 3 {
		t.Errorf("a burst of %d after an hour", n)
	}
	if b.take("none", &Throttle{}, at) || !b.take("all", nil, at) || !b.take("off", &Throttle{RateLimit: -1}, at) {
		t.Error("no requests, all requests")
	}
}
