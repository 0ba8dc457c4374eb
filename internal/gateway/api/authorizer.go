package api

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// AddAuthorizer adds an authorizer that edit fills.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-authorizers.html
func (d *Definition) AddAuthorizer(edit func(*Authorizer) error) (*Authorizer, error) {
	a := &Authorizer{AuthorizerId: freshID(d.Authorizers, 6)}
	if err := d.editAuthorizer(a, edit); err != nil {
		return nil, err
	}
	d.Authorizers[a.AuthorizerId] = a
	return a, nil
}

// ChangeAuthorizer changes an authorizer by edit.
func (d *Definition) ChangeAuthorizer(id string, edit func(*Authorizer) error) (*Authorizer, error) {
	a, err := d.Authorizer(id)
	if err != nil {
		return nil, err
	}
	return a, d.editAuthorizer(a, edit)
}

// Authorizer is one of the API's authorizers.
func (d *Definition) Authorizer(id string) (*Authorizer, error) {
	return find(d.Authorizers, "Authorizer", id)
}

// DeleteAuthorizer removes an authorizer that no route asks.
func (d *Definition) DeleteAuthorizer(id string) error {
	a, err := d.Authorizer(id)
	if err != nil {
		return err
	}
	var users []string
	for _, r := range d.Routes {
		if r.AuthorizerId == id {
			users = append(users, r.RouteKey)
		}
	}
	if len(users) > 0 {
		return Conflict("Cannot delete authorizer '%s', is referenced in route: %s", a.Name, slices.Min(users))
	}
	d.touch()
	delete(d.Authorizers, id)
	return nil
}

func (d *Definition) editAuthorizer(a *Authorizer, edit func(*Authorizer) error) error {
	d.touch()
	was := a.AuthorizerType
	if err := edit(a); err != nil {
		return err
	}
	if was != "" && was != a.AuthorizerType {
		for _, r := range d.Routes {
			if r.AuthorizerId == a.AuthorizerId {
				return BadRequest("The type of authorizer %s cannot be changed while the route %s asks it", a.AuthorizerId, r.RouteKey)
			}
		}
	}
	for _, o := range d.Authorizers {
		if o.Name == a.Name && o.AuthorizerId != a.AuthorizerId {
			return BadRequest("Authorizer name must be unique. Authorizer %s already exists in this RestApi.", a.Name)
		}
	}
	switch {
	case a.Name == "":
		return BadRequest("Authorizer name must not be empty")
	case a.AuthorizerType == AuthJWT:
		return d.checkJWT(a)
	}
	return d.checkLambda(a)
}

func (d *Definition) checkJWT(a *Authorizer) error {
	j := a.JwtConfiguration
	switch {
	case d.API.ProtocolType != HTTP:
		return BadRequest("Authorizer type JWT is supported only for HTTP APIs")
	case len(a.IdentitySource) != 1 || !webSource(a.IdentitySource[0], "header", "querystring"):
		return BadRequest("A JWT authorizer has one identity source, $request.header.name or $request.querystring.name")
	case j == nil || j.Issuer == "":
		return BadRequest("A JWT authorizer needs a JwtConfiguration with an Issuer")
	case len(j.Audience) == 0:
		return BadRequest("A JWT authorizer needs a JwtConfiguration with an Audience")
	case a.AuthorizerUri != "":
		return BadRequest("AuthorizerUri is supported only for REQUEST authorizers")
	}
	u, err := url.Parse(j.Issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		// AWS asks for https; an issuer beside us may have no certificate.
		return BadRequest("Invalid issuer: %s. It must be a URL", j.Issuer)
	}
	return nil
}

func (d *Definition) checkLambda(a *Authorizer) error {
	switch {
	case a.AuthorizerType != "REQUEST":
		return BadRequest("AuthorizerType is JWT or REQUEST")
	case a.JwtConfiguration != nil:
		return BadRequest("JwtConfiguration is supported only for JWT authorizers")
	case a.AuthorizerUri == "":
		return BadRequest("AuthorizerUri is a required parameter for REQUEST authorizers")
	}
	if err := checkFunctionURI(a.AuthorizerUri); err != nil {
		return err
	}
	if d.API.ProtocolType == WebSocket {
		return checkSources(a, func(s string) bool {
			return strings.HasPrefix(s, "route.request.") || strings.HasPrefix(s, "context.") || strings.HasPrefix(s, "stageVariables.")
		})
	}
	switch {
	case a.AuthorizerPayloadFormatVersion == "":
		return BadRequest("AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizers of HTTP APIs")
	case a.AuthorizerPayloadFormatVersion != "1.0" && a.AuthorizerPayloadFormatVersion != "2.0":
		return BadRequest("AuthorizerPayloadFormatVersion is 1.0 or 2.0")
	case a.EnableSimpleResponses && a.AuthorizerPayloadFormatVersion == "1.0":
		return BadRequest("EnableSimpleResponses is not supported with AuthorizerPayloadFormatVersion 1.0")
	}
	ttl := int32(0)
	if len(a.IdentitySource) > 0 {
		ttl = 300
	}
	a.AuthorizerResultTtlInSeconds = cmp.Or(a.AuthorizerResultTtlInSeconds, &ttl)
	if *a.AuthorizerResultTtlInSeconds > 0 && len(a.IdentitySource) == 0 {
		return BadRequest("Caching of an authorizer's results needs at least one identity source")
	}
	return checkSources(a, func(s string) bool {
		return webSource(s, "header", "querystring") || strings.HasPrefix(s, "$context.") || strings.HasPrefix(s, "$stageVariables.")
	})
}

func checkSources(a *Authorizer, good func(string) bool) error {
	for _, s := range a.IdentitySource {
		if !good(s) {
			return BadRequest("Invalid identity source specified: %s", s)
		}
	}
	return nil
}

// webSource says whether s is a part of an HTTP API's request.
func webSource(s string, places ...string) bool {
	rest, ok := strings.CutPrefix(s, "$request.")
	place, name, _ := strings.Cut(rest, ".")
	return ok && name != "" && slices.Contains(places, place)
}
