package url

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/function"
)

func TestCORS(t *testing.T) {
	yes := true
	for _, c := range []struct {
		name   string
		cors   *function.CORS
		method string
		header []string
		want   map[string]string
		called bool
	}{
		{"preflight", &function.CORS{Origins: []string{"https://a.example"}, Methods: []string{"GET", "PUT"}, AllowHeaders: []string{"x-a", "x-b"}, ExposeHeaders: []string{"x-c"}, MaxAge: new(int32(60)), Credentials: &yes},
			"OPTIONS", []string{"Origin: https://a.example", "Access-Control-Request-Method: PUT"},
			map[string]string{"Allow-Origin": "https://a.example", "Allow-Methods": "GET,PUT", "Allow-Headers": "x-a,x-b", "Max-Age": "60", "Allow-Credentials": "true"}, false},
		{"preflight of a stranger", &function.CORS{Origins: []string{"https://a.example"}, Methods: []string{"*"}},
			"OPTIONS", []string{"Origin: https://b.example", "Access-Control-Request-Method: PUT"}, map[string]string{}, false},
		{"preflight without a configuration", nil, "OPTIONS", []string{"Origin: https://a.example", "Access-Control-Request-Method: PUT"},
			map[string]string{"Allow-Origin": "mine", "Allow-Methods": "mine"}, true},
		{"OPTIONS that is none", &function.CORS{Origins: []string{"*"}}, "OPTIONS", []string{"Origin: https://a.example"}, map[string]string{"Allow-Origin": "*"}, true},
		{"an answer", &function.CORS{Origins: []string{"*"}, ExposeHeaders: []string{"x-c"}}, "GET", []string{"Origin: https://a.example"},
			map[string]string{"Allow-Origin": "*", "Expose-Headers": "x-c"}, true},
		{"an answer with credentials", &function.CORS{Origins: []string{"*"}, Credentials: &yes}, "GET", []string{"Origin: https://a.example"},
			map[string]string{"Allow-Origin": "https://a.example", "Allow-Credentials": "true"}, true},
		{"any of a scheme", &function.CORS{Origins: []string{"https://*"}}, "GET", []string{"Origin: https://a.example"}, map[string]string{"Allow-Origin": "https://a.example"}, true},
		{"of another scheme", &function.CORS{Origins: []string{"https://*"}}, "GET", []string{"Origin: http://a.example"}, map[string]string{}, true},
		{"a stranger", &function.CORS{Origins: []string{"https://b.example"}}, "GET", []string{"Origin: https://a.example"}, map[string]string{}, true},
		{"no browser", &function.CORS{Origins: []string{"*"}}, "GET", nil, map[string]string{}, true},
		{"no configuration", nil, "GET", []string{"Origin: https://a.example"}, map[string]string{"Allow-Origin": "mine", "Allow-Methods": "mine"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(f *fake, _ *Config) { f.url.CORS = c.cors })
			r.code = says(`{"statusCode":200,"headers":{"access-control-allow-origin":"mine","Access-Control-Allow-Methods":"mine"}}`)
			a, _ := r.do(c.method, "/", "", c.header...)
			got := map[string]string{}
			for name, values := range a.Header {
				if rest, ok := strings.CutPrefix(name, "Access-Control-"); ok {
					got[rest] = strings.Join(values, "|")
				}
			}
			if a.StatusCode != 200 || fmt.Sprint(got) != fmt.Sprint(c.want) || r.called() > 0 != c.called {
				t.Errorf("%d %v, want %v; called %d", a.StatusCode, got, c.want, r.called())
			}
		})
	}
}

// A preflight has no signature: it must be answered before anything is checked.
func TestPreflightNeedsNoPermission(t *testing.T) {
	r := newRig(t, func(f *fake, _ *Config) {
		f.url.Auth, f.policy, f.url.CORS = "AWS_IAM", nil, &function.CORS{Origins: []string{"*"}}
	})
	a, _ := r.do("OPTIONS", "/", "", "Origin: https://a.example", "Access-Control-Request-Method: PUT")
	if a.StatusCode != 200 || a.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v", a)
	}
	if a, _ := r.do("GET", "/", "", "Origin: https://a.example"); a.StatusCode != 403 {
		t.Errorf("%v", a.Status)
	}
}
