package restapi

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mayfly-faas/mayfly/internal/gateway/restapi/vtl"
	"github.com/mayfly-faas/mayfly/internal/policy"
)

// A program is a definition made ready to serve.
type program struct {
	api         *API
	root        *branch
	authorizers map[string]*Authorizer
	policy      *policy.Document // nil for none
	responses   map[string]*response
}

// A branch is a node of the tree of paths.
type branch struct {
	static map[string]*branch
	param  *branch // "{name}"
	greedy *branch // "{name+}"
	name   string  // of the parameter
	on     *Resource
	routes map[string]*route // by HTTP method
}

// A route is a method made ready.
type route struct {
	*Method
	on         *Resource
	validator  *Validator
	schemas    map[string]*jsonschema.Schema // by media type
	requests   map[string]*vtl.Template      // by media type
	answers    []*answer                     // by status, those with a pattern first
	streams    bool
	functionIn string // the function's name or ARN, stage variables not yet put in
}

// An answer is an integration response made ready.
type answer struct {
	*IntegrationResponse
	pattern   *regexp.Regexp // nil for the default
	templates map[string]*vtl.Template
}

// A response is a gateway response made ready.
type response struct {
	*GatewayResponse
	templates map[string]*vtl.Template
}

// compile makes a definition ready. Its error is for who deploys it.
func compile(d *Definition) (*program, error) {
	p := &program{api: d.API, root: &branch{}, authorizers: map[string]*Authorizer{}, responses: map[string]*response{}}
	for _, a := range d.Authorizers {
		p.authorizers[a.ID] = a
	}
	if d.API.Policy != "" {
		doc, err := policy.Parse(policy.Resource, d.API.Policy)
		if err != nil {
			return nil, bad("Invalid policy document: %s", err)
		}
		p.policy = doc
	}
	for _, r := range d.Responses {
		ts, err := templates(r.Templates)
		if err != nil {
			return nil, bad("Mayfly cannot run a template of the gateway response %s: %s", r.Type, err)
		}
		p.responses[r.Type] = &response{r, ts}
	}
	models := modelSchemas(d.Models)
	for _, r := range d.Resources {
		if err := p.add(d, r, models); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func templates(texts map[string]string) (map[string]*vtl.Template, error) {
	ts := map[string]*vtl.Template{}
	for kind, text := range texts {
		t, err := parseTemplate(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		ts[strings.ToLower(kind)] = t
	}
	return ts, nil
}

func parseTemplate(text string) (*vtl.Template, error) { return vtl.Parse(text) }

// add makes a resource known.
func (p *program) add(d *Definition, r *Resource, models *schemas) error {
	b := p.root
	for part := range strings.SplitSeq(strings.Trim(r.Path, "/"), "/") {
		if part != "" {
			b = b.child(part)
		}
	}
	b.on = r
	b.routes = map[string]*route{}
	for name, m := range r.Methods {
		rt, err := newRoute(d, r, m, models)
		if err != nil {
			return bad("%s %s: %s", name, r.Path, err)
		}
		b.routes[name] = rt
	}
	return nil
}

func (b *branch) child(part string) *branch {
	switch {
	case isGreedy(part):
		if b.greedy == nil {
			b.greedy = &branch{name: part[1 : len(part)-2]}
		}
		return b.greedy
	case isVariable(part):
		if b.param == nil {
			b.param = &branch{name: part[1 : len(part)-1]}
		}
		return b.param
	}
	if b.static == nil {
		b.static = map[string]*branch{}
	}
	if b.static[part] == nil {
		b.static[part] = &branch{}
	}
	return b.static[part]
}

func newRoute(d *Definition, r *Resource, m *Method, models *schemas) (*route, error) {
	rt := &route{Method: m, on: r}
	i := slices.IndexFunc(d.Validators, func(v *Validator) bool { return v.ID == m.ValidatorID })
	if i >= 0 {
		rt.validator = d.Validators[i]
	}
	var err error
	if rt.validator != nil && rt.validator.Body {
		if rt.schemas, err = models.of(m.RequestModels); err != nil {
			return nil, err
		}
	}
	if m.Integration == nil {
		return rt, nil
	}
	if rt.requests, err = templates(m.Integration.RequestTemplates); err != nil {
		return nil, err
	}
	if parts := lambdaURI.FindStringSubmatch(m.Integration.URI); parts != nil {
		rt.functionIn, rt.streams = parts[2], parts[3] != "invocations"
	}
	rt.answers, err = newAnswers(m.Integration.Responses)
	return rt, err
}

// newAnswers are an integration's responses, in the order in which they are
// tried: those with a pattern by status, then the default.
func newAnswers(rs map[string]*IntegrationResponse) ([]*answer, error) {
	var as []*answer
	for _, r := range rs {
		a := &answer{IntegrationResponse: r}
		var err error
		if a.templates, err = templates(r.Templates); err != nil {
			return nil, err
		}
		if r.SelectionPattern != "" {
			if a.pattern, err = regexp.Compile("^(?s:" + r.SelectionPattern + ")$"); err != nil {
				return nil, err
			}
		}
		as = append(as, a)
	}
	slices.SortFunc(as, func(a, b *answer) int {
		if (a.pattern == nil) != (b.pattern == nil) {
			if a.pattern == nil {
				return 1
			}
			return -1
		}
		return strings.Compare(a.StatusCode, b.StatusCode)
	})
	return as, nil
}

// find is the resource of a path, as it came, and its parameters: what is
// fixed goes before "{x}", and that before "{x+}". A slash at the end does not
// count. It is nil when there is none.
func (p *program) find(path string) (*branch, map[string]string) {
	path = strings.Trim(path, "/")
	if path == "" {
		return p.root, nil
	}
	return p.root.find(strings.Split(path, "/"))
}

func (b *branch) find(segments []string) (*branch, map[string]string) {
	if len(segments) == 0 {
		if b.on == nil {
			return nil, nil
		}
		return b, map[string]string{}
	}
	part := unescape(segments[0])
	if c := b.static[part]; c != nil {
		if found, params := c.find(segments[1:]); found != nil {
			return found, params
		}
	}
	if c := b.param; c != nil && part != "" {
		if found, params := c.find(segments[1:]); found != nil {
			params[c.name] = part
			return found, params
		}
	}
	if c := b.greedy; c != nil && c.on != nil {
		return c, map[string]string{c.name: unescape(strings.Join(segments, "/"))}
	}
	return nil, nil
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// at is the route of a method, that of ANY where it has none of its own.
func (b *branch) at(method string) *route {
	if b == nil {
		return nil
	}
	if rt := b.routes[method]; rt != nil {
		return rt
	}
	return b.routes["ANY"]
}
