package httpapi

import (
	"maps"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
)

// stage is what serves routes with these keys.
func stage(keys ...string) *api.Deployed {
	d := &api.Deployed{API: &api.API{ApiId: "a"}, Stage: &api.Stage{StageName: "$default"}}
	d.Routes = map[string]*api.Route{}
	for _, k := range keys {
		d.Routes[k] = &api.Route{RouteKey: k}
	}
	return d
}

// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html has
// the first of these as its example.
func TestTheMostSpecificRouteIsChosen(t *testing.T) {
	r := newRouter(stage("GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default", "POST /", "ANY /pets/dog/{id}", "GET /a/{x}/c", "GET /a/b/{y}"))
	for request, want := range map[string]string{
		"GET /pets/dog/1":  "GET /pets/dog/1",
		"GET /pets/dog/1/": "GET /pets/dog/1",
		"GET /pets/dog/2":  "GET /pets/dog/{id} id=2",
		"PUT /pets/dog/2":  "ANY /pets/dog/{id} id=2",
		"GET /pets/cat/1":  "GET /pets/{proxy+} proxy=cat/1",
		"PUT /pets/cat/1":  "ANY /{proxy+} proxy=pets/cat/1",
		"GET /a/b/c":       "GET /a/b/{y} y=c",
		"GET /a/é d/c":     "GET /a/{x}/c x=é d",
		"POST /":           "POST /",
		"GET /":            "$default",
		"DELETE /x":        "ANY /{proxy+} proxy=x",
	} {
		method, path, _ := strings.Cut(request, " ")
		route, variables := r.find(method, path)
		got := route.RouteKey
		for k, v := range maps.All(variables) {
			got += " " + k + "=" + v
		}
		if got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
	if route, _ := newRouter(stage("GET /a")).find("POST", "/a"); route != nil {
		t.Errorf("a method that no route has: %s", route.RouteKey)
	}
}

func FuzzFind(f *testing.F) {
	f.Add("GET /{a}/{b+}", "GET", "/x/y/z")
	f.Add("ANY /{", "PUT", "//")
	f.Fuzz(func(t *testing.T, key, method, path string) {
		route, variables := newRouter(stage(key, "GET /x/{y}")).find(method, path)
		if route == nil && variables != nil {
			t.Error("variables of no route")
		}
	})
}
