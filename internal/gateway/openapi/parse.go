// Package openapi reads an HTTP API from an OpenAPI 3.0 document with Amazon's
// extensions, and writes one. It knows APIs and no requests.
package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
)

// A Document is an OpenAPI document that was understood.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
type Document struct {
	root root
	base string // what stands before every path
}

type root struct {
	OpenAPI    text                                  `json:"openapi"`
	Swagger    text                                  `json:"swagger"`
	Info       info                                  `json:"info"`
	Servers    []server                              `json:"servers"`
	Tags       []tag                                 `json:"tags"`
	Security   []map[string][]text                   `json:"security"`
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components components                            `json:"components"`
	Cors       *cors                                 `json:"x-amazon-apigateway-cors"`
	Endpoint   struct {
		Disabled flag `json:"disableExecuteApiEndpoint"`
	} `json:"x-amazon-apigateway-endpoint-configuration"`
}

type info struct {
	Title       text `json:"title"`
	Description text `json:"description"`
	Version     text `json:"version"`
}

type server struct {
	URL       text `json:"url"`
	Variables map[string]struct {
		Default text `json:"default"`
	} `json:"variables"`
}

type tag struct {
	Name  text `json:"name"`
	Value text `json:"x-amazon-apigateway-tag-value"`
}

type components struct {
	Schemes      map[string]scheme      `json:"securitySchemes"`
	Integrations map[string]integration `json:"x-amazon-apigateway-integrations"`
}

type scheme struct {
	AuthType   text        `json:"x-amazon-apigateway-authtype"`
	Authorizer *authorizer `json:"x-amazon-apigateway-authorizer"`
}

// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authorizer.html
type authorizer struct {
	Type           text   `json:"type"`
	URI            text   `json:"authorizerUri"`
	Credentials    text   `json:"authorizerCredentials"`
	PayloadVersion text   `json:"authorizerPayloadFormatVersion"`
	TTL            *int32 `json:"authorizerResultTtlInSeconds"`
	Simple         flag   `json:"enableSimpleResponses"`
	IdentitySource text   `json:"identitySource"`
	Validation     text   `json:"identityValidationExpression"`
	JWT            *struct {
		Issuer   text  `json:"issuer"`
		Audience texts `json:"audience"`
	} `json:"jwtConfiguration"`
}

// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-cors-configuration.html
type cors struct {
	Credentials flag   `json:"allowCredentials"`
	Headers     texts  `json:"allowHeaders"`
	Methods     texts  `json:"allowMethods"`
	Origins     texts  `json:"allowOrigins"`
	Expose      texts  `json:"exposeHeaders"`
	MaxAge      *int32 `json:"maxAge"`
}

type operation struct {
	ID       text                 `json:"operationId"`
	Security *[]map[string][]text `json:"security"`
	Auth     struct {
		Type text `json:"type"`
	} `json:"x-amazon-apigateway-auth"`
	Integration *integration `json:"x-amazon-apigateway-integration"`
}

// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html
type integration struct {
	Ref            text                       `json:"$ref"`
	Type           text                       `json:"type"`
	Subtype        text                       `json:"integrationSubtype"`
	URI            text                       `json:"uri"`
	Method         text                       `json:"httpMethod"`
	PayloadVersion text                       `json:"payloadFormatVersion"`
	Timeout        int32                      `json:"timeoutInMillis"`
	ConnectionType text                       `json:"connectionType"`
	ConnectionID   text                       `json:"connectionId"`
	Credentials    text                       `json:"credentials"`
	Description    text                       `json:"description"`
	Request        map[string]text            `json:"requestParameters"`
	Response       map[string]map[string]text `json:"responseParameters"`
}

// Basepath says what becomes of the path in a document's server.
type Basepath string

// What a Basepath may be.
const (
	Ignore  Basepath = "ignore"
	Prepend Basepath = "prepend"
	Split   Basepath = "split"
)

// Parse reads a document, JSON or YAML.
func Parse(body string, basepath Basepath) (*Document, error) {
	tree, err := treeOf(body)
	if err != nil {
		return nil, api.BadRequest("Unable to parse the API definition: %v", err)
	}
	b, err := json.Marshal(tree)
	if err != nil {
		return nil, api.BadRequest("Unable to parse the API definition: %v", err)
	}
	d := new(Document)
	if err := json.Unmarshal(b, &d.root); err != nil {
		return nil, api.BadRequest("Unable to parse the API definition: %v", strings.ReplaceAll(err.Error(), "Go ", ""))
	}
	switch {
	case d.root.Swagger != "":
		return nil, api.BadRequest("Invalid OpenAPI input: OpenAPI 2.0 (Swagger) is not supported for HTTP APIs. Use OpenAPI 3.0")
	case !strings.HasPrefix(string(d.root.OpenAPI), "3.0"):
		return nil, api.BadRequest("Invalid OpenAPI input: the document must say openapi: 3.0")
	case d.root.Info.Title == "":
		return nil, api.BadRequest("Invalid OpenAPI input: info.title is missing")
	}
	d.base, err = d.basePath(basepath)
	return d, err
}

// treeOf is a document as JSON would have it.
func treeOf(body string) (any, error) {
	if json.Valid([]byte(body)) {
		d := json.NewDecoder(strings.NewReader(body))
		d.UseNumber()
		var tree any
		return tree, d.Decode(&tree)
	}
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(body), &n); err != nil {
		return nil, err
	}
	if n.Kind == 0 {
		return nil, errors.New("it is empty")
	}
	left := maxNodes
	return plain(&n, &left, maxDepth)
}

// What a YAML document may have, with what its aliases stand for: few bytes
// can say a lot.
const (
	maxNodes = 500_000
	maxDepth = 100
)

// plain is a YAML node as JSON would have it. Numbers keep their text, so that
// a version of 1.0 stays that.
func plain(n *yaml.Node, left *int, depth int) (any, error) {
	if *left--; *left < 0 || depth < 0 {
		return nil, errors.New("it is too large or too deep")
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return plain(n.Content[0], left, depth-1)
	case yaml.AliasNode:
		return plain(n.Alias, left, depth-1)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, e := range n.Content {
			var err error
			if list[i], err = plain(e, left, depth-1); err != nil {
				return nil, err
			}
		}
		return list, nil
	case yaml.MappingNode:
		return plainMap(n, left, depth)
	}
	return scalar(n), nil
}

func plainMap(n *yaml.Node, left *int, depth int) (any, error) {
	m := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: a key is no text", k.Line)
		}
		e, err := plain(v, left, depth-1)
		if err != nil {
			return nil, err
		}
		if k.Tag == "!!merge" {
			from, _ := e.(map[string]any)
			for mk, mv := range from {
				if _, ok := m[mk]; !ok {
					m[mk] = mv
				}
			}
			continue
		}
		m[k.Value] = e
	}
	return m, nil
}

func scalar(n *yaml.Node) any {
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value)
		}
	}
	return n.Value
}

// A text is a string, or a number or truth value that was written without quotes.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("null")):
		return nil
	case b[0] == '"':
		return json.Unmarshal(b, (*string)(t))
	case b[0] == '{' || b[0] == '[':
		return fmt.Errorf("a text is wanted, not %.20s", b)
	}
	*t = text(b)
	return nil
}

// A flag is a truth value, or the text of one.
type flag bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *flag) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true", `"true"`:
		*f = true
	case "false", `"false"`, "null":
		*f = false
	default:
		return fmt.Errorf("true or false is wanted, not %.20s", b)
	}
	return nil
}

// texts are several texts, or one.
type texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(b []byte) error {
	var list []text
	if len(b) > 0 && b[0] == '[' {
		if err := json.Unmarshal(b, &list); err != nil {
			return err
		}
	} else {
		var one text
		if err := json.Unmarshal(b, &one); err != nil {
			return err
		}
		if one != "" {
			list = []text{one}
		}
	}
	for _, e := range list {
		*t = append(*t, string(e))
	}
	return nil
}
