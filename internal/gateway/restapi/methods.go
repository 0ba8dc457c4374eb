package restapi

import (
	"context"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

func errNoMethod() error   { return notFound("Invalid Method identifier specified") }
func errNoResponse() error { return notFound("Invalid Response status code specified") }

// A Place names a method: an API, a resource and an HTTP method.
type Place struct{ API, Resource, Method string }

// onMethod reads the method at p and its resource.
func (b *Book) onMethod(tx store.Tx, p Place) (*Resource, *Method, error) {
	r, err := b.resource(tx, p.API, p.Resource)
	if err != nil {
		return nil, nil, err
	}
	m := r.Methods[p.Method]
	if m == nil {
		return nil, nil, errNoMethod()
	}
	return r, m, nil
}

// editMethod changes the method at p in one transaction.
func (b *Book) editMethod(ctx context.Context, p Place, edit func(store.Tx, *Method) error) error {
	return b.change(ctx, func(tx store.Tx) error {
		r, m, err := b.onMethod(tx, p)
		if err != nil {
			return err
		}
		if err := edit(tx, m); err != nil {
			return err
		}
		return save(tx, kindResource, p.API, r.ID, r)
	})
}

// PutMethod gives a resource a method.
func (b *Book) PutMethod(ctx context.Context, p Place, m Method) (*Method, error) {
	m.HTTPMethod = p.Method
	return write(ctx, b, func(tx store.Tx) (*Method, error) {
		r, err := b.resource(tx, p.API, p.Resource)
		if err != nil {
			return nil, err
		}
		if r.Methods[p.Method] != nil {
			return nil, conflict("Method already exists for this resource")
		}
		if err := b.checkMethod(tx, p.API, &m); err != nil {
			return nil, err
		}
		if r.Methods == nil {
			r.Methods = map[string]*Method{}
		}
		r.Methods[p.Method] = &m
		return &m, save(tx, kindResource, p.API, r.ID, r)
	})
}

// checkMethod holds a method to the rules.
func (b *Book) checkMethod(tx store.Tx, api string, m *Method) error {
	if !isHTTPMethod(m.HTTPMethod) {
		return bad("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY")
	}
	if err := b.checkAuthorization(tx, api, m); err != nil {
		return err
	}
	for name := range m.RequestParameters {
		if !isPlace(name, "method.request.") {
			return bad("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", name)
		}
	}
	if m.ValidatorID != "" {
		ok, err := exists(tx, kindValidator, api, m.ValidatorID)
		if err != nil {
			return err
		}
		if !ok {
			return bad("Invalid Request Validator identifier specified")
		}
	}
	for _, model := range m.RequestModels {
		ok, err := exists(tx, kindModel, api, model)
		if err != nil {
			return err
		}
		if !ok {
			return bad("Invalid model identifier specified: %s", model)
		}
	}
	return nil
}

func (b *Book) checkAuthorization(tx store.Tx, api string, m *Method) error {
	switch m.AuthorizationType {
	case "NONE", "AWS_IAM":
		if len(m.Scopes) > 0 {
			return bad("Authorization scopes can only be set for COGNITO_USER_POOLS authorization")
		}
		m.AuthorizerID = ""
		return nil
	case "CUSTOM", "COGNITO_USER_POOLS":
	default:
		return bad("Invalid authorization type specified: %s. Valid options are NONE,AWS_IAM,CUSTOM,COGNITO_USER_POOLS", m.AuthorizationType)
	}
	none := bad("Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.")
	a, err := load[Authorizer](tx, kindAuthorizer, api, m.AuthorizerID, none)
	if err != nil {
		return err
	}
	if (a.Type == "COGNITO_USER_POOLS") != (m.AuthorizationType == "COGNITO_USER_POOLS") {
		return none
	}
	return nil
}

func isHTTPMethod(s string) bool {
	return slices.Contains([]string{"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"}, s)
}

// isPlace tells whether s is a parameter: "method.request.header.X" for
// prefix "method.request.".
func isPlace(s, prefix string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	where, name, dot := strings.Cut(rest, ".")
	return ok && dot && name != "" && slices.Contains([]string{"path", "querystring", "multivaluequerystring", "header", "multivalueheader", "body"}, where)
}

// Method reads a method.
func (b *Book) Method(ctx context.Context, p Place) (*Method, error) {
	return read(ctx, b, func(tx store.Tx) (*Method, error) {
		_, m, err := b.onMethod(tx, p)
		return m, err
	})
}

// UpdateMethod patches a method.
func (b *Book) UpdateMethod(ctx context.Context, p Place, patches []Patch) (*Method, error) {
	var out *Method
	return out, b.editMethod(ctx, p, func(tx store.Tx, m *Method) error {
		next, err := patched(m, methodRules(), patches, nil)
		if err != nil {
			return err
		}
		if err := b.checkMethod(tx, p.API, next); err != nil {
			return err
		}
		*m = *next
		out = m
		return nil
	})
}

// DeleteMethod deletes a method with its integration.
func (b *Book) DeleteMethod(ctx context.Context, p Place) error {
	return b.change(ctx, func(tx store.Tx) error {
		r, _, err := b.onMethod(tx, p)
		if err != nil {
			return err
		}
		delete(r.Methods, p.Method)
		return save(tx, kindResource, p.API, r.ID, r)
	})
}

// PutMethodResponse declares a status of a method.
func (b *Book) PutMethodResponse(ctx context.Context, p Place, r MethodResponse) (*MethodResponse, error) {
	return &r, b.editMethod(ctx, p, func(tx store.Tx, m *Method) error {
		if m.Responses[r.StatusCode] != nil {
			return conflict("Response already exists for this resource")
		}
		if err := b.checkMethodResponse(tx, p.API, &r); err != nil {
			return err
		}
		if m.Responses == nil {
			m.Responses = map[string]*MethodResponse{}
		}
		m.Responses[r.StatusCode] = &r
		return nil
	})
}

func (b *Book) checkMethodResponse(tx store.Tx, api string, r *MethodResponse) error {
	for name := range r.Parameters {
		if !strings.HasPrefix(name, "method.response.header.") {
			return bad("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", name)
		}
	}
	for _, model := range r.Models {
		ok, err := exists(tx, kindModel, api, model)
		if err != nil {
			return err
		}
		if !ok {
			return bad("Invalid model identifier specified: %s", model)
		}
	}
	return nil
}

// MethodResponse reads a declared status.
func (b *Book) MethodResponse(ctx context.Context, p Place, status string) (*MethodResponse, error) {
	m, err := b.Method(ctx, p)
	if err != nil {
		return nil, err
	}
	if r := m.Responses[status]; r != nil {
		return r, nil
	}
	return nil, errNoResponse()
}

// UpdateMethodResponse patches a declared status.
func (b *Book) UpdateMethodResponse(ctx context.Context, p Place, status string, patches []Patch) (*MethodResponse, error) {
	var out *MethodResponse
	return out, b.editMethod(ctx, p, func(tx store.Tx, m *Method) error {
		r := m.Responses[status]
		if r == nil {
			return errNoResponse()
		}
		next, err := patched(r, methodResponseRules(), patches, nil)
		if err != nil {
			return err
		}
		delete(m.Responses, status)
		m.Responses[next.StatusCode] = next
		out = next
		return b.checkMethodResponse(tx, p.API, next)
	})
}

// DeleteMethodResponse takes a declared status back.
func (b *Book) DeleteMethodResponse(ctx context.Context, p Place, status string) error {
	return b.editMethod(ctx, p, func(_ store.Tx, m *Method) error {
		if m.Responses[status] == nil {
			return errNoResponse()
		}
		delete(m.Responses, status)
		return nil
	})
}
