package restjson

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

var templates = []wire.Model{
	{Name: "List", Method: "GET", URI: "/v1/things"},
	{Name: "Find", Method: "GET", URI: "/v1/things?find=Thing"},
	{Name: "FindBy", Method: "GET", URI: "/v1/things?find=Thing&by=name"},
	{Name: "Get", Method: "GET", URI: "/v1/things/{A}"},
	{Name: "Special", Method: "GET", URI: "/v1/things/special/{A}"},
	{Name: "Part", Method: "GET", URI: "/v1/things/{A}/parts/{B}"},
	{Name: "SpecialPart", Method: "GET", URI: "/v1/things/special/parts"},
	{Name: "Tree", Method: "GET", URI: "/v1/tree/{A+}"},
	{Name: "TreeEnd", Method: "GET", URI: "/v1/tree/{A+}/end"},
	{Name: "Flag", Method: "GET", URI: "/v1/flag?acl"},
	{Name: "Root", Method: "POST", URI: "/"},
}

func testRouter() *router {
	rt := newRouter()
	for _, m := range templates {
		rt.add(&wire.Call{Model: m})
	}
	return rt
}

func matchText(rt *router, method, target string) string {
	call, labels := rt.match(httptest.NewRequest(method, target, nil))
	if call == nil {
		return ""
	}
	text := call.Name
	for _, l := range labels {
		text += " " + l.name + "=" + l.value
	}
	return text
}

func TestMatch(t *testing.T) {
	rt := testRouter()
	for target, want := range map[string]string{
		"/v1/things":                    "List",
		"/v1/things/":                   "List",
		"/v1/things?other=1":            "List",
		"/v1/things?find=Other":         "List",
		"/v1/things?find=Thing":         "Find",
		"/v1/things?by=name&find=Thing": "FindBy",
		"/v1/things/a":                  "Get A=a",
		"/v1/things/special":            "Get A=special",
		"/v1/things/special/x":          "Special A=x",
		"/v1/things/special/parts":      "SpecialPart",
		"/v1/things/special/parts/7":    "Part A=special B=7", // the fixed branch has no such end
		"/v1/things/x/parts/7":          "Part A=x B=7",
		"/v1/things/arn%3Aaws%3Ax%2Fy":  "Get A=arn:aws:x/y",
		"/v1/things/arn:aws:x%2Fy":      "Get A=arn:aws:x/y",
		"/v1/things/%252F":              "Get A=%2F",
		"/v1/things/a+b%20c":            "Get A=a+b c",
		"/v1/tree/a/b%2Fc/d":            "Tree A=a/b/c/d",
		"/v1/tree/a/b/end":              "TreeEnd A=a/b",
		"/v1/tree/end":                  "Tree A=end",
		"/v1/flag?acl":                  "Flag",
		"/v1/flag":                      "",
		"/v1/tree":                      "",
		"/v1/things//parts/7":           "",
		"/v1/things/x/parts":            "",
		"/v2/things":                    "",
		"/":                             "",
	} {
		if got := matchText(rt, "GET", target); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	if got := matchText(rt, "POST", "/"); got != "Root" {
		t.Errorf("root: %q", got)
	}
	if got := matchText(rt, "DELETE", "/v1/things"); got != "" {
		t.Errorf("another method: %q", got)
	}
}

// Anybody may send a path of half a million segments. What it costs must grow
// with its length, not with the square of it.
func TestLongPaths(t *testing.T) {
	rt := testRouter()
	matchText(rt, "GET", "/v1/tree/a") // makes what is made once
	cost := func(segments int) float64 {
		r := httptest.NewRequest("GET", "/v1/tree/"+strings.Repeat("a/", segments)+"b", nil)
		before := allocated()
		if call, labels := rt.match(r); call == nil || len(labels[0].value) != 2*segments+1 {
			t.Fatalf("%d segments: %v", segments, call)
		}
		return float64(allocated() - before)
	}
	if small, large := cost(1000), cost(8000); large > 20*small {
		t.Errorf("1,000 segments take %.0f bytes, 8,000 take %.0f", small, large)
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func FuzzMatch(f *testing.F) {
	for _, m := range templates {
		f.Add(m.URI)
	}
	f.Add("/v1/things/%2F%2f//x/../y?find=Thing&find")
	f.Add("/v1/tree/" + strings.Repeat("a/", 50))
	rt := testRouter()
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		call, labels := rt.match(&http.Request{Method: "GET", URL: u})
		if call == nil {
			return
		}
		for _, l := range labels {
			if l.value == "" {
				t.Errorf("%q: the label %s is empty", target, l.name)
			}
		}
		if strings.Count(call.URI, "{") != len(labels) {
			t.Errorf("%q: %d labels for %s", target, len(labels), call.URI)
		}
	})
}
