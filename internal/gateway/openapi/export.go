package openapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
)

// An Export says how a document is written.
type Export struct {
	Endpoint   string // the API's address
	Version    string // of an API that has none
	Extensions bool   // with Amazon's, or for people alone
	YAML       bool
}

// An object of a document; its members are written by name.
type object = map[string]any

// Write makes a document of a snapshot of a.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-export.html
func (e Export) Write(a *api.API, s *api.Snapshot) ([]byte, error) {
	version := a.Version
	if version == "" {
		version = e.Version
	}
	info := object{"title": a.Name, "version": version}
	put(info, "description", a.Description)
	doc := object{
		"openapi": "3.0.1", "info": info, "paths": e.paths(s),
		"servers": []any{object{"url": e.Endpoint + "/{basePath}", "variables": object{"basePath": object{"default": ""}}}},
	}
	if schemes := e.schemes(s); len(schemes) > 0 {
		doc["components"] = object{"securitySchemes": schemes}
	}
	if e.Extensions {
		extend(doc, a, s)
	}
	if e.YAML {
		return yaml.Marshal(doc)
	}
	return json.MarshalIndent(doc, "", "  ")
}

// extend writes what of the API itself OpenAPI has no word for.
func extend(doc object, a *api.API, s *api.Snapshot) {
	doc["x-amazon-apigateway-importexport-version"] = "1.0"
	if a.DisableExecuteApiEndpoint {
		doc["x-amazon-apigateway-endpoint-configuration"] = object{"disableExecuteApiEndpoint": true}
	}
	var tags []any
	for _, k := range slices.Sorted(maps.Keys(a.Tags)) {
		tags = append(tags, object{"name": k, "x-amazon-apigateway-tag-value": a.Tags[k]})
	}
	if len(tags) > 0 {
		doc["tags"] = tags
	}
	c := s.CorsConfiguration
	if c == nil {
		return
	}
	cors := object{"allowCredentials": c.AllowCredentials}
	putList(cors, "allowHeaders", c.AllowHeaders)
	putList(cors, "allowMethods", c.AllowMethods)
	putList(cors, "allowOrigins", c.AllowOrigins)
	putList(cors, "exposeHeaders", c.ExposeHeaders)
	if c.MaxAge != nil {
		cors["maxAge"] = *c.MaxAge
	}
	doc["x-amazon-apigateway-cors"] = cors
}

func (e Export) paths(s *api.Snapshot) object {
	paths := object{}
	for _, id := range slices.Sorted(maps.Keys(s.Routes)) {
		r := s.Routes[id]
		path, item := place(r.RouteKey)
		if item == anyMethod && !e.Extensions {
			continue // OpenAPI has no word for any method
		}
		at, _ := paths[path].(object)
		if at == nil {
			at = object{}
			paths[path] = at
		}
		if parameters := parametersOf(path); len(parameters) > 0 {
			at["parameters"] = parameters
		}
		at[item] = e.operation(s, r)
	}
	return paths
}

// place is the path and the operation that a route's key is in a document.
func place(key string) (path, item string) {
	if key == api.DefaultKey {
		return "/" + api.DefaultKey, anyMethod
	}
	method, path, _ := strings.Cut(key, " ")
	for item, m := range methods() {
		if m == method {
			return path, item
		}
	}
	return path, anyMethod
}

func parametersOf(path string) []any {
	var list []any
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name = strings.TrimRight(name, "+}")
			list = append(list, object{"name": name, "in": "path", "required": true, "schema": object{"type": "string"}})
		}
	}
	return list
}

func (e Export) operation(s *api.Snapshot, r *api.Route) object {
	op := object{"responses": object{"default": object{"description": "Default response for " + r.RouteKey}}}
	put(op, "operationId", r.OperationName)
	switch a := s.Authorizers[r.AuthorizerId]; {
	case a != nil:
		scopes := r.AuthorizationScopes
		if scopes == nil {
			scopes = []string{}
		}
		op["security"] = []any{object{a.Name: scopes}}
	case r.AuthorizationType == api.AuthIAM && e.Extensions:
		op["x-amazon-apigateway-auth"] = object{"type": api.AuthIAM}
	}
	if !e.Extensions {
		return op
	}
	if r.RouteKey == api.DefaultKey {
		op["isDefaultRoute"] = true
	}
	if n := s.Integrations[strings.TrimPrefix(r.Target, "integrations/")]; n != nil {
		op["x-amazon-apigateway-integration"] = integrationObject(n)
	}
	return op
}

func integrationObject(n *api.Integration) object {
	o := object{"type": strings.ToLower(n.IntegrationType), "payloadFormatVersion": n.PayloadFormatVersion, "timeoutInMillis": n.TimeoutInMillis}
	put(o, "connectionType", n.ConnectionType)
	put(o, "uri", n.IntegrationUri)
	put(o, "httpMethod", n.IntegrationMethod)
	put(o, "credentials", n.CredentialsArn)
	put(o, "description", n.Description)
	if len(n.RequestParameters) > 0 {
		o["requestParameters"] = n.RequestParameters
	}
	if len(n.ResponseParameters) > 0 {
		o["responseParameters"] = n.ResponseParameters
	}
	return o
}

func (e Export) schemes(s *api.Snapshot) object {
	schemes := object{}
	for _, a := range s.Authorizers {
		scheme := object{"type": "oauth2", "flows": object{}}
		if a.AuthorizerType != api.AuthJWT {
			scheme = object{"type": "apiKey", "name": "Unused", "in": "header"}
			if _, name, ok := strings.Cut(strings.Join(a.IdentitySource, ","), "$request.header."); ok {
				scheme["name"], _, _ = strings.Cut(name, ",")
			}
		}
		if e.Extensions {
			scheme["x-amazon-apigateway-authorizer"] = authorizerObject(a)
		}
		schemes[a.Name] = scheme
	}
	return schemes
}

func authorizerObject(a *api.Authorizer) object {
	o := object{"type": strings.ToLower(a.AuthorizerType)}
	put(o, "identitySource", strings.Join(a.IdentitySource, ","))
	if j := a.JwtConfiguration; j != nil {
		o["jwtConfiguration"] = object{"audience": j.Audience, "issuer": j.Issuer}
		return o
	}
	put(o, "authorizerUri", a.AuthorizerUri)
	put(o, "authorizerCredentials", a.AuthorizerCredentialsArn)
	put(o, "authorizerPayloadFormatVersion", a.AuthorizerPayloadFormatVersion)
	put(o, "identityValidationExpression", a.IdentityValidationExpression)
	if a.AuthorizerResultTtlInSeconds != nil {
		o["authorizerResultTtlInSeconds"] = *a.AuthorizerResultTtlInSeconds
	}
	if a.EnableSimpleResponses {
		o["enableSimpleResponses"] = true
	}
	return o
}

func put(o object, name, value string) {
	if value != "" {
		o[name] = value
	}
}

func putList(o object, name string, list []string) {
	if len(list) > 0 {
		o[name] = list
	}
}
