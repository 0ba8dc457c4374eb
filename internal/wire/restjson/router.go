package restjson

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

// A router finds the operation of a request by its method and path. It works
// on the escaped path: a label is one segment of it, unescaped once, so that
// an ARN with its slashes escaped is one label.
type router struct{ methods map[string]*node }

// A node is a place in the tree of path templates.
type node struct {
	static map[string]*node
	label  *node   // the next segment is a label
	greedy *node   // the next segments, one or more, are a label
	ends   []route // the templates that end here
}

type route struct {
	call   *wire.Call
	labels []string // their names, in order
	fixed  [][2]string
}

type label struct{ name, value string }

func newRouter() *router { return &router{methods: map[string]*node{}} }

// add makes c's template known.
func (rt *router) add(c *wire.Call) {
	path, query, _ := strings.Cut(c.URI, "?")
	n := rt.methods[c.Method]
	if n == nil {
		n = &node{}
		rt.methods[c.Method] = n
	}
	end := route{call: c}
	for seg := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		name, isLabel := strings.CutPrefix(seg, "{")
		if !isLabel {
			n = n.child(seg)
			continue
		}
		name = strings.TrimSuffix(name, "}")
		plain := strings.TrimSuffix(name, "+")
		end.labels = append(end.labels, plain)
		next := &n.label
		if plain != name {
			next = &n.greedy
		}
		if *next == nil {
			*next = &node{}
		}
		n = *next
	}
	for pair := range strings.SplitSeq(query, "&") {
		if k, v, _ := strings.Cut(pair, "="); k != "" {
			end.fixed = append(end.fixed, [2]string{k, v})
		}
	}
	n.ends = append(n.ends, end)
}

func (n *node) child(segment string) *node {
	if n.static == nil {
		n.static = map[string]*node{}
	}
	c := n.static[segment]
	if c == nil {
		c = &node{}
		n.static[segment] = c
	}
	return c
}

// match finds r's operation and its labels' values, or nil.
func (rt *router) match(r *http.Request) (*wire.Call, []label) {
	root := rt.methods[r.Method]
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/")
	if root == nil || !ok {
		return nil, nil
	}
	segments := strings.Split(path, "/")
	if len(segments) > 1 && segments[len(segments)-1] == "" {
		segments = segments[:len(segments)-1] // older SDKs end some paths with a slash
	}
	end, values := root.find(segments, nil, queryOf(r))
	if end == nil {
		return nil, nil
	}
	labels := make([]label, len(values))
	for i, v := range values {
		plain, err := url.PathUnescape(v)
		if err != nil {
			return nil, nil
		}
		labels[i] = label{end.labels[i], plain}
	}
	return end.call, labels
}

// find walks segments below n. Fixed segments go before labels.
func (n *node) find(segments, values []string, query url.Values) (*route, []string) {
	if len(segments) == 0 {
		return n.end(query), values
	}
	first, rest := segments[0], segments[1:]
	if c := n.static[first]; c != nil {
		if end, vs := c.find(rest, values, query); end != nil {
			return end, vs
		}
	}
	if n.label != nil && first != "" {
		if end, vs := n.label.find(rest, append(values, first), query); end != nil {
			return end, vs
		}
	}
	if n.greedy == nil {
		return nil, nil
	}
	// What goes on behind the label comes first. The label's value is put
	// together once its end is known: a path can have half a million segments.
	for k := 1; k <= len(segments); k++ {
		if k == 1 && first == "" {
			continue
		}
		if end, vs := n.greedy.find(segments[k:], append(values, ""), query); end != nil {
			vs[len(values)] = strings.Join(segments[:k], "/")
			return end, vs
		}
	}
	return nil, nil
}

// end is the template here that agrees with most of the query.
func (n *node) end(query url.Values) *route {
	var best *route
	for i := range n.ends {
		e := &n.ends[i]
		if e.fits(query) && (best == nil || len(e.fixed) > len(best.fixed)) {
			best = e
		}
	}
	return best
}

func (e *route) fits(query url.Values) bool {
	for _, p := range e.fixed {
		if !query.Has(p[0]) || p[1] != "" && query.Get(p[0]) != p[1] {
			return false
		}
	}
	return true
}
