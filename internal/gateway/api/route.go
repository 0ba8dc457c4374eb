package api

import (
	"slices"
	"strings"
)

// AddRoute adds a route that edit fills.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes.html
func (d *Definition) AddRoute(edit func(*Route) error) (*Route, error) {
	r := &Route{RouteId: freshID(d.Routes, 7)}
	if err := d.editRoute(r, edit); err != nil {
		return nil, err
	}
	d.Routes[r.RouteId] = r
	return r, nil
}

// ChangeRoute changes a route by edit.
func (d *Definition) ChangeRoute(id string, edit func(*Route) error) (*Route, error) {
	r, err := d.Route(id)
	if err != nil {
		return nil, err
	}
	return r, d.editRoute(r, edit)
}

// Route is one of the API's routes.
func (d *Definition) Route(id string) (*Route, error) { return find(d.Routes, "Route", id) }

// DeleteRoute removes a route.
func (d *Definition) DeleteRoute(id string) error {
	if _, err := d.Route(id); err != nil {
		return err
	}
	d.touch()
	delete(d.Routes, id)
	return nil
}

func (d *Definition) editRoute(r *Route, edit func(*Route) error) error {
	d.touch()
	if err := edit(r); err != nil {
		return err
	}
	if r.AuthorizationType == "" {
		r.AuthorizationType = AuthNone
	}
	if r.AuthorizationType == AuthNone || r.AuthorizationType == AuthIAM {
		r.AuthorizerId = ""
	}
	return d.checkRoute(r)
}

func (d *Definition) checkRoute(r *Route) error {
	if err := d.checkKey(r.RouteKey); err != nil {
		return err
	}
	for _, o := range d.Routes {
		if o.RouteKey == r.RouteKey && o.RouteId != r.RouteId {
			return Conflict("Route with key %s already exists for this API", r.RouteKey)
		}
	}
	if r.Target != "" && d.Integrations[targetOf(r)] == nil {
		return BadRequest("Invalid target specified: %s. A target is integrations/ and the identifier of an integration of this API", r.Target)
	}
	if d.API.ProtocolType == HTTP {
		if err := webOnlyRoute(r); err != nil {
			return err
		}
	}
	return d.checkAuthorization(r)
}

// webOnlyRoute refuses what HTTP APIs do not know.
func webOnlyRoute(r *Route) error {
	switch {
	case r.ApiKeyRequired:
		return BadRequest("ApiKeyRequired is not currently supported for HTTP APIs")
	case len(r.RequestParameters) > 0:
		return BadRequest("RequestParameters is not currently supported for HTTP APIs")
	case len(r.RequestModels) > 0:
		return BadRequest("RequestModels is not currently supported for HTTP APIs")
	case r.ModelSelectionExpression != "":
		return BadRequest("ModelSelectionExpression is not currently supported for HTTP APIs")
	case r.RouteResponseSelectionExpression != "":
		return BadRequest("RouteResponseSelectionExpression is not currently supported for HTTP APIs")
	}
	return nil
}

func (d *Definition) checkAuthorization(r *Route) error {
	ws := d.API.ProtocolType == WebSocket
	switch {
	case ws && r.AuthorizationType != AuthNone && r.RouteKey != "$connect":
		return BadRequest("Currently, authorization is restricted to the $connect route only")
	case ws && r.AuthorizationType == AuthJWT:
		return BadRequest("Authorization type JWT is supported only for HTTP APIs")
	case len(r.AuthorizationScopes) > 0 && r.AuthorizationType != AuthJWT:
		return BadRequest("AuthorizationScopes are supported only for the authorization type JWT")
	case r.AuthorizationType != AuthJWT && r.AuthorizationType != AuthCustom:
		return nil
	}
	a := d.Authorizers[r.AuthorizerId]
	if a == nil {
		return BadRequest("Invalid authorizer ID specified. Setting the authorization type to CUSTOM or JWT requires a valid authorizer.")
	}
	if (a.AuthorizerType == AuthJWT) != (r.AuthorizationType == AuthJWT) {
		return BadRequest("Authorizer %s is of type %s, which does not go with the authorization type %s", a.AuthorizerId, a.AuthorizerType, r.AuthorizationType)
	}
	return nil
}

func (d *Definition) checkKey(key string) error {
	if d.API.ProtocolType == WebSocket {
		if key == "" || strings.HasPrefix(key, "$") && key != DefaultKey && key != "$connect" && key != "$disconnect" {
			return BadRequest("Invalid route key specified: %s", key)
		}
		return nil
	}
	if key == DefaultKey {
		return nil
	}
	method, path, _ := strings.Cut(key, " ")
	if !slices.Contains([]string{"ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}, method) || !goodPath(path) {
		return BadRequest(`The provided route key is not formatted properly for HTTP protocol. Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"`)
	}
	return nil
}

// goodPath says whether path is one of a route: its parameters are whole
// segments, each with its own name, and a greedy one is the last.
func goodPath(path string) bool {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " ?#") {
		return false
	}
	names := map[string]bool{}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		if !strings.ContainsAny(s, "{}") {
			continue
		}
		name, ok := strings.CutPrefix(s, "{")
		name, end := strings.CutSuffix(name, "}")
		name, greedy := strings.CutSuffix(name, "+")
		if !ok || !end || name == "" || strings.ContainsAny(name, "{}+") || names[name] || greedy && i < len(segments)-1 {
			return false
		}
		names[name] = true
	}
	return true
}

// AddRouteResponse adds an answer to a two-way route.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes-routeid-routeresponses.html
func (d *Definition) AddRouteResponse(route string, edit func(*RouteResponse) error) (*RouteResponse, error) {
	r, err := d.twoWay(route)
	if err != nil {
		return nil, err
	}
	made(&r.Responses)
	e := &RouteResponse{RouteResponseId: freshID(r.Responses, 6)}
	if err := editRouteResponse(r, e, edit); err != nil {
		return nil, err
	}
	r.Responses[e.RouteResponseId] = e
	return e, nil
}

// ChangeRouteResponse changes a route's answer by edit.
func (d *Definition) ChangeRouteResponse(route, id string, edit func(*RouteResponse) error) (*RouteResponse, error) {
	r, err := d.twoWay(route)
	if err != nil {
		return nil, err
	}
	e, err := r.Response(id)
	if err != nil {
		return nil, err
	}
	return e, editRouteResponse(r, e, edit)
}

// Response is one of a route's answers.
func (r *Route) Response(id string) (*RouteResponse, error) {
	return find(r.Responses, "RouteResponse", id)
}

// DeleteRouteResponse removes an answer of a route.
func (d *Definition) DeleteRouteResponse(route, id string) error {
	r, err := d.twoWay(route)
	if err != nil {
		return err
	}
	_, err = r.Response(id)
	delete(r.Responses, id)
	return err
}

// twoWay is a route whose answers are about to be changed.
func (d *Definition) twoWay(route string) (*Route, error) {
	if d.API.ProtocolType != WebSocket {
		return nil, BadRequest("Route responses are not currently supported for HTTP APIs")
	}
	d.touch()
	return d.Route(route)
}

func editRouteResponse(r *Route, e *RouteResponse, edit func(*RouteResponse) error) error {
	if err := edit(e); err != nil {
		return err
	}
	if e.RouteResponseKey != DefaultKey {
		return BadRequest("Invalid route response key specified: %s. Only $default is supported", e.RouteResponseKey)
	}
	for _, o := range r.Responses {
		if o != e && o.RouteResponseKey == e.RouteResponseKey {
			return Conflict("RouteResponse with key %s already exists for this route", e.RouteResponseKey)
		}
	}
	return nil
}
