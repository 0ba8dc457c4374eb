package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
)

// API is what the document says of the API itself, for a new one.
func (d *Document) API() api.API {
	a := api.API{ProtocolType: api.HTTP}
	d.describe(&a)
	return a
}

// describe sets what the document says of the API itself.
func (d *Document) describe(a *api.API) {
	r := &d.root
	a.Name, a.Description, a.Version = string(r.Info.Title), string(r.Info.Description), string(r.Info.Version)
	a.DisableExecuteApiEndpoint = bool(r.Endpoint.Disabled)
	a.CorsConfiguration = nil
	if c := r.Cors; c != nil {
		a.CorsConfiguration = &api.Cors{
			AllowCredentials: bool(c.Credentials), AllowHeaders: c.Headers, AllowMethods: c.Methods, AllowOrigins: c.Origins, ExposeHeaders: c.Expose, MaxAge: c.MaxAge,
		}
	}
	for _, t := range r.Tags {
		if t.Value != "" {
			if a.Tags == nil {
				a.Tags = map[string]string{}
			}
			a.Tags[string(t.Name)] = string(t.Value)
		}
	}
}

// Apply makes d what the document says: its routes, integrations and
// authorizers go, its stages and deployments stay. It answers what of the
// document has no effect.
func (d *Document) Apply(def *api.Definition) (warnings []string, err error) {
	if err := def.Change(func(a *api.API) error { d.describe(a); return nil }); err != nil {
		return nil, err
	}
	clear(def.Routes)
	clear(def.Integrations)
	clear(def.Authorizers)
	im := &importing{Document: d, def: def, authorizers: map[string]*api.Authorizer{}, shared: map[string]string{}}
	if err := im.schemes(); err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(d.root.Paths)) {
		if err := im.path(path, d.root.Paths[path]); err != nil {
			return nil, err
		}
	}
	def.API.Warnings = im.warnings
	return im.warnings, nil
}

// An importing is a document that is being applied.
type importing struct {
	*Document
	def         *api.Definition
	warnings    []string
	authorizers map[string]*api.Authorizer // by scheme
	shared      map[string]string          // integrations that several routes refer to, by reference
}

func (im *importing) schemes() error {
	schemes := im.root.Components.Schemes
	for _, name := range slices.Sorted(maps.Keys(schemes)) {
		s := schemes[name].Authorizer
		if s == nil {
			continue
		}
		a, err := im.def.AddAuthorizer(func(a *api.Authorizer) error { s.fill(a, name); return nil })
		if err != nil {
			return err
		}
		im.authorizers[name] = a
	}
	return nil
}

func (s *authorizer) fill(a *api.Authorizer, name string) {
	a.Name, a.AuthorizerType = name, strings.ToUpper(string(s.Type))
	a.AuthorizerUri, a.AuthorizerCredentialsArn = string(s.URI), string(s.Credentials)
	a.AuthorizerPayloadFormatVersion, a.AuthorizerResultTtlInSeconds = string(s.PayloadVersion), s.TTL
	a.EnableSimpleResponses, a.IdentityValidationExpression = bool(s.Simple), string(s.Validation)
	for source := range strings.SplitSeq(string(s.IdentitySource), ",") {
		if source = strings.TrimSpace(source); source != "" {
			a.IdentitySource = append(a.IdentitySource, source)
		}
	}
	if s.JWT != nil {
		a.JwtConfiguration = &api.JWTConfiguration{Audience: s.JWT.Audience, Issuer: string(s.JWT.Issuer)}
		if len(a.IdentitySource) == 0 {
			a.IdentitySource = []string{"$request.header.Authorization"}
		}
	}
}

const anyMethod = "x-amazon-apigateway-any-method"

// methods are a path's operations, and the methods of their routes.
func methods() map[string]string {
	return map[string]string{
		"get": "GET", "put": "PUT", "post": "POST", "delete": "DELETE", "patch": "PATCH", "head": "HEAD", "options": "OPTIONS", anyMethod: "ANY",
	}
}

func (im *importing) path(path string, items map[string]json.RawMessage) error {
	for _, item := range slices.Sorted(maps.Keys(items)) {
		method := methods()[item]
		if method == "" {
			if item == "trace" || item == "$ref" {
				im.warn("Ignoring %s of path %s: HTTP APIs do not support it", item, path)
			}
			continue
		}
		key := method + " " + im.base + path
		if strings.TrimPrefix(path, "/") == api.DefaultKey {
			key = api.DefaultKey
		}
		var op operation
		if err := json.Unmarshal(items[item], &op); err != nil {
			return api.BadRequest("Unable to parse the API definition: %s: %v", key, err)
		}
		if err := im.route(key, &op); err != nil {
			return err
		}
	}
	return nil
}

func (im *importing) warn(format string, args ...any) {
	im.warnings = append(im.warnings, fmt.Sprintf(format, args...))
}

func (im *importing) route(key string, op *operation) error {
	if op.Integration == nil {
		im.warn("Ignoring route %s: it has no x-amazon-apigateway-integration", key)
		return nil
	}
	target, err := im.integration(key, op.Integration)
	if err != nil {
		return err
	}
	_, err = im.def.AddRoute(func(r *api.Route) error {
		r.RouteKey, r.Target, r.OperationName = key, "integrations/"+target, string(op.ID)
		im.secure(r, op)
		return nil
	})
	return err
}

// secure sets who may call a route: what the operation says, or the document.
func (im *importing) secure(r *api.Route, op *operation) {
	if strings.EqualFold(string(op.Auth.Type), api.AuthIAM) {
		r.AuthorizationType = api.AuthIAM
		return
	}
	security := im.root.Security
	if op.Security != nil {
		security = *op.Security
	}
	for _, want := range security {
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if im.secureBy(r, name, want[name]) {
				return
			}
			im.warn("Ignoring security scheme %s of route %s: it has no x-amazon-apigateway-authorizer", name, r.RouteKey)
		}
	}
}

func (im *importing) secureBy(r *api.Route, name string, scopes []text) bool {
	if strings.EqualFold(string(im.root.Components.Schemes[name].AuthType), "awsSigv4") {
		r.AuthorizationType = api.AuthIAM
		return true
	}
	a := im.authorizers[name]
	if a == nil {
		return false
	}
	r.AuthorizerId, r.AuthorizationType = a.AuthorizerId, api.AuthCustom
	if a.AuthorizerType == api.AuthJWT {
		r.AuthorizationType = api.AuthJWT
		for _, s := range scopes {
			r.AuthorizationScopes = append(r.AuthorizationScopes, string(s))
		}
	}
	return true
}

// integration makes an operation's integration, or finds the one that it shares.
func (im *importing) integration(key string, n *integration) (string, error) {
	ref := string(n.Ref)
	if ref == "" {
		return im.addIntegration(n)
	}
	if id := im.shared[ref]; id != "" {
		return id, nil
	}
	name, ok := strings.CutPrefix(ref, "#/components/x-amazon-apigateway-integrations/")
	shared, found := im.root.Components.Integrations[name]
	if !ok || !found || shared.Ref != "" {
		return "", api.BadRequest("Invalid OpenAPI input: route %s refers to %s, which is no integration", key, ref)
	}
	id, err := im.addIntegration(&shared)
	im.shared[ref] = id
	return id, err
}

func (im *importing) addIntegration(n *integration) (string, error) {
	made, err := im.def.AddIntegration(func(to *api.Integration) error {
		to.IntegrationType, to.IntegrationSubtype = strings.ToUpper(string(n.Type)), string(n.Subtype)
		to.IntegrationUri, to.IntegrationMethod = string(n.URI), string(n.Method)
		to.PayloadFormatVersion, to.TimeoutInMillis = string(n.PayloadVersion), n.Timeout
		to.ConnectionType, to.ConnectionId = strings.ToUpper(string(n.ConnectionType)), string(n.ConnectionID)
		to.CredentialsArn, to.Description = string(n.Credentials), string(n.Description)
		to.RequestParameters = plainTexts(n.Request)
		for status, mappings := range n.Response {
			if to.ResponseParameters == nil {
				to.ResponseParameters = map[string]map[string]string{}
			}
			to.ResponseParameters[status] = plainTexts(mappings)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return made.IntegrationId, nil
}

func plainTexts(m map[string]text) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = string(v)
	}
	return out
}

// basePath is what stands before every path: of the first server's path all,
// or all but its first part.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api-basePath.html
func (d *Document) basePath(how Basepath) (string, error) {
	switch how {
	case Ignore, "":
		return "", nil
	case Prepend, Split:
	default:
		return "", api.BadRequest("Invalid basepath specified: it is ignore, prepend or split")
	}
	base := strings.Trim(d.serverPath(), "/")
	if how == Split {
		_, base, _ = strings.Cut(base, "/")
	}
	if base == "" {
		return "", nil
	}
	return "/" + base, nil
}

func (d *Document) serverPath() string {
	if len(d.root.Servers) == 0 {
		return ""
	}
	s := d.root.Servers[0]
	if v, ok := s.Variables["basePath"]; ok {
		return string(v.Default)
	}
	u, err := url.Parse(string(s.URL))
	if err != nil {
		return ""
	}
	return u.Path
}
