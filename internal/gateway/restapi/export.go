package restapi

import (
	"context"
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// ExportOptions are what an export's query says.
type ExportOptions struct {
	OAS30        bool
	YAML         bool
	Integrations bool // with x-amazon-apigateway-integration
	Authorizers  bool // with x-amazon-apigateway-authorizer
}

// Export writes what a stage serves as OpenAPI 2 or 3.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-export-api.html
func (b *Book) Export(ctx context.Context, api, stage string, o ExportOptions) ([]byte, error) {
	def, err := read(ctx, b, func(tx store.Tx) (*Definition, error) {
		if _, err := b.api(tx, api); err != nil {
			return nil, err
		}
		s, err := load[Stage](tx, kindStage, api, stage, errNoStage())
		if err != nil {
			return nil, err
		}
		return b.snapshot(tx, api, s.DeploymentID)
	})
	if err != nil {
		return nil, err
	}
	e := exporter{def, o}
	doc := e.document(stage, api+".execute-api."+b.Region+"."+b.Suffix)
	if o.YAML {
		return yaml.Marshal(doc)
	}
	return json.MarshalIndent(doc, "", "  ")
}

type exporter struct {
	*Definition
	ExportOptions
}

func (e exporter) document(stage, host string) tree {
	doc := tree{"info": tree{"title": e.API.Name, "version": e.version(), "description": e.API.Description}, "paths": e.paths()}
	if e.OAS30 {
		doc["openapi"] = "3.0.1"
		doc["servers"] = []any{tree{"url": "http://" + host + "/{basePath}", "variables": tree{"basePath": tree{"default": stage}}}}
		doc["components"] = tree{"schemas": e.schemas(), "securitySchemes": e.security()}
	} else {
		doc["swagger"] = "2.0"
		doc["host"], doc["basePath"], doc["schemes"] = host, "/"+stage, []any{"http"}
		doc["definitions"], doc["securityDefinitions"] = e.schemas(), e.security()
	}
	if len(e.API.BinaryMediaTypes) > 0 {
		doc["x-amazon-apigateway-binary-media-types"] = e.API.BinaryMediaTypes
	}
	return doc
}

// version is the API's, or the day that it was made.
func (e exporter) version() string {
	if e.API.Version != "" {
		return e.API.Version
	}
	return dateOf(e.API.CreatedDate / 86400).Format("2006-01-02T15:04:05Z")
}

func (e exporter) schemas() tree {
	out := tree{}
	prefix := "#/definitions/"
	if e.OAS30 {
		prefix = "#/components/schemas/"
	}
	for _, m := range e.Models {
		var schema any
		text := strings.ReplaceAll(m.Schema, modelURL(""), prefix)
		if json.Unmarshal([]byte(text), &schema) == nil {
			if t := obj(schema); t != nil {
				delete(t, "$schema")
			}
			out[m.Name] = schema
		}
	}
	return out
}

func (e exporter) security() tree {
	out := tree{}
	for _, a := range e.Definition.Authorizers {
		header := strings.TrimPrefix(a.IdentitySource, "method.request.header.")
		s := tree{"type": "apiKey", "name": header, "in": "header", "x-amazon-apigateway-authtype": a.AuthType}
		if a.Type != "TOKEN" {
			s["name"] = "Unused"
		}
		if e.ExportOptions.Authorizers {
			ext := tree{"type": strings.ToLower(a.Type), "authorizerUri": a.URI, "identitySource": a.IdentitySource}
			if a.TTL != nil {
				ext["authorizerResultTtlInSeconds"] = *a.TTL
			}
			s["x-amazon-apigateway-authorizer"] = ext
		}
		out[a.Name] = s
	}
	for _, r := range e.Resources {
		for _, m := range r.Methods {
			if m.KeyRequired {
				out["api_key"] = tree{"type": "apiKey", "name": "x-api-key", "in": "header"}
			}
			if m.AuthorizationType == "AWS_IAM" {
				out["sigv4"] = tree{"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}
			}
		}
	}
	return out
}

func (e exporter) paths() tree {
	out := tree{}
	for _, r := range e.Resources {
		item := tree{}
		for _, m := range r.methodsOf() {
			name := strings.ToLower(m.HTTPMethod)
			if m.HTTPMethod == "ANY" {
				name = anyMethod
			}
			item[name] = e.operation(m)
		}
		if len(item) > 0 {
			out[r.Path] = item
		}
	}
	return out
}

func (e exporter) operation(m *Method) tree {
	op := tree{"responses": e.responsesOf(m)}
	if m.OperationName != "" {
		op["operationId"] = m.OperationName
	}
	if ps := e.parametersOf(m); len(ps) > 0 {
		op["parameters"] = ps
	}
	if need := e.needs(m); len(need) > 0 {
		op["security"] = []any{need}
	}
	if e.Integrations && m.Integration != nil {
		op["x-amazon-apigateway-integration"] = integrationTree(m.Integration)
	}
	return op
}

func (e exporter) responsesOf(m *Method) tree {
	out := tree{}
	for status, r := range m.Responses {
		one := tree{"description": status + " response"}
		headers := tree{}
		for name := range r.Parameters {
			h := tree{"type": "string"}
			if e.OAS30 {
				h = tree{"schema": tree{"type": "string"}}
			}
			headers[strings.TrimPrefix(name, "method.response.header.")] = h
		}
		if len(headers) > 0 {
			one["headers"] = headers
		}
		out[status] = one
	}
	return out
}

func (e exporter) parametersOf(m *Method) []any {
	var out []any
	for name, required := range m.RequestParameters {
		where, short, _ := strings.Cut(strings.TrimPrefix(name, "method.request."), ".")
		if where == "querystring" {
			where = "query"
		}
		p := tree{"name": short, "in": where, "required": required}
		if e.OAS30 {
			p["schema"] = tree{"type": "string"}
		} else {
			p["type"] = "string"
		}
		out = append(out, p)
	}
	return out
}

// needs is what a caller of a method must have.
func (e exporter) needs(m *Method) tree {
	need := tree{}
	if m.KeyRequired {
		need["api_key"] = []any{}
	}
	if m.AuthorizationType == "AWS_IAM" {
		need["sigv4"] = []any{}
	}
	for _, a := range e.Definition.Authorizers {
		if a.ID == m.AuthorizerID {
			need[a.Name] = []any{}
		}
	}
	return need
}

// integrationTree is an integration as documents write it.
func integrationTree(i *Integration) tree {
	doc, err := json.Marshal(i)
	if err != nil { // it came from JSON
		return nil
	}
	t := tree{}
	if json.Unmarshal(doc, &t) != nil {
		return nil
	}
	delete(t, "integrationResponses")
	delete(t, "cacheNamespace")
	t["type"] = strings.ToLower(i.Type)
	t["passthroughBehavior"] = strings.ToLower(i.Passthrough)
	responses := tree{}
	for _, r := range i.Responses {
		one := tree{"statusCode": r.StatusCode}
		if len(r.Parameters) > 0 {
			one["responseParameters"] = r.Parameters
		}
		if len(r.Templates) > 0 {
			one["responseTemplates"] = r.Templates
		}
		key := r.SelectionPattern
		if key == "" {
			key = "default"
		}
		responses[key] = one
	}
	t["responses"] = responses
	return t
}
