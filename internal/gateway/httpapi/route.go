package httpapi

import (
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
)

// A router finds the route of a request, in one state of a stage.
type router struct {
	state  *api.Deployed
	routes []*path // the most specific first
	rest   *api.Route
}

// A path is a route's key taken apart.
type path struct {
	route  *api.Route
	method string // "ANY" for all
	parts  []part
	greedy bool // the last part takes all that follows
}

// A part is one of a path: a word, or a variable's name.
type part struct {
	text     string
	variable bool
}

// router answers the one of a stage's state.
func (h *Handler) router(d *api.Deployed) *router {
	key := d.API.ApiId + "/" + d.Stage.StageName
	if r, ok := h.routers.Load(key); ok && r.(*router).state == d {
		return r.(*router)
	}
	r := newRouter(d)
	h.routers.Store(key, r)
	return r
}

func newRouter(d *api.Deployed) *router {
	r := &router{state: d}
	for _, route := range d.Routes {
		if route.RouteKey == api.DefaultKey {
			r.rest = route
		} else if p := parseKey(route); p != nil {
			r.routes = append(r.routes, p)
		}
	}
	slices.SortFunc(r.routes, func(a, b *path) int { return a.compare(b) })
	return r
}

// parseKey takes "GET /pets/{id}" apart; nil for what is no such key.
func parseKey(route *api.Route) *path {
	method, text, ok := strings.Cut(route.RouteKey, " ")
	if !ok || !strings.HasPrefix(text, "/") {
		return nil
	}
	p := &path{route: route, method: method}
	for _, s := range split(text) {
		name, variable := strings.CutPrefix(s, "{")
		if variable {
			name = strings.TrimSuffix(name, "}")
			if n, greedy := strings.CutSuffix(name, "+"); greedy {
				name, p.greedy = n, true
			}
		}
		p.parts = append(p.parts, part{name, variable})
	}
	return p
}

// split is a path's parts; a slash at its end makes none.
func split(text string) []string {
	text = strings.Trim(text, "/")
	if text == "" {
		return nil
	}
	return strings.Split(text, "/")
}

// compare orders routes as AWS prefers them: a full match before a greedy one,
// words before variables, a method before all.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html#http-api-develop-routes.evaluation
func (p *path) compare(q *path) int {
	if p.greedy != q.greedy {
		return order(!p.greedy)
	}
	for i := range min(len(p.parts), len(q.parts)) {
		if p.parts[i].variable != q.parts[i].variable {
			return order(!p.parts[i].variable)
		}
	}
	if len(p.parts) != len(q.parts) {
		return len(q.parts) - len(p.parts)
	}
	if (p.method == "ANY") != (q.method == "ANY") {
		return order(p.method != "ANY")
	}
	return strings.Compare(p.route.RouteKey, q.route.RouteKey)
}

func order(first bool) int {
	if first {
		return -1
	}
	return 1
}

// find is the route of a request by its decoded path, and its path's variables.
func (r *router) find(method, decoded string) (*api.Route, map[string]string) {
	parts := split(decoded)
	for _, p := range r.routes {
		if p.method != "ANY" && p.method != method {
			continue
		}
		if variables, ok := p.match(parts); ok {
			return p.route, variables
		}
	}
	if r.rest == nil {
		return nil, nil
	}
	return r.rest, nil
}

func (p *path) match(parts []string) (map[string]string, bool) {
	n := len(p.parts)
	if p.greedy && len(parts) < n || !p.greedy && len(parts) != n {
		return nil, false
	}
	var variables map[string]string
	for i, want := range p.parts {
		switch {
		case !want.variable && want.text != parts[i]:
			return nil, false
		case !want.variable:
			continue
		case variables == nil:
			variables = map[string]string{}
		}
		variables[want.text] = parts[i]
		if p.greedy && i == n-1 {
			variables[want.text] = strings.Join(parts[i:], "/")
		}
	}
	return variables, true
}
