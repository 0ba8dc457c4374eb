package openapi

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// What SAM makes of a small template, with more of what documents have.
const shop = `
openapi: "3.0.1"
info: {title: shop, version: 1.0, description: All of it}
servers:
- url: https://x.execute-api.us-east-1.amazonaws.com/{basePath}
  variables: {basePath: {default: v1/shop}}
tags:
- name: httpapi:createdBy
  x-amazon-apigateway-tag-value: SAM
- name: untagged
paths:
  /pets/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: &get
      operationId: getPet
      security: [{tokens: [pets.read]}]
      responses: {200: {description: fine}}
      x-amazon-apigateway-integration:
        type: aws_proxy
        httpMethod: POST
        payloadFormatVersion: 2.0
        uri: arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations
    delete:
      <<: *get
      operationId: dropPet
      security: [{fn: []}]
  /a:
    x-amazon-apigateway-any-method:
      x-amazon-apigateway-integration: {$ref: "#/components/x-amazon-apigateway-integrations/site"}
  /b:
    post:
      x-amazon-apigateway-auth: {type: AWS_IAM}
      x-amazon-apigateway-integration: {$ref: "#/components/x-amazon-apigateway-integrations/site"}
    trace: {}
    put: {security: [{nobody: []}]}
  $default:
    x-amazon-apigateway-any-method:
      isDefaultRoute: true
      x-amazon-apigateway-integration: {type: http_proxy, httpMethod: ANY, uri: "https://example.com", payloadFormatVersion: "1.0", timeoutInMillis: 5000}
components:
  x-amazon-apigateway-integrations:
    site: {type: HTTP_PROXY, httpMethod: GET, uri: "http://site.example/", payloadFormatVersion: "1.0",
      requestParameters: {"append:header.x": 7}, responseParameters: {404: {"overwrite:statuscode": 403}}}
  securitySchemes:
    tokens:
      type: oauth2
      x-amazon-apigateway-authorizer:
        type: jwt
        jwtConfiguration: {issuer: "https://issuer.example", audience: [me]}
        identitySource: $request.header.Authorization
    fn:
      type: apiKey
      name: X
      in: header
      x-amazon-apigateway-authorizer:
        type: request
        identitySource: "$request.header.X, $request.querystring.y"
        authorizerUri: arn:aws:lambda:us-east-1:000000000000:function:a
        authorizerPayloadFormatVersion: 2.0
        authorizerResultTtlInSeconds: 60
        enableSimpleResponses: true
    nobody: {type: http, scheme: basic}
x-amazon-apigateway-cors: {allowOrigins: ["https://a.example"], allowCredentials: true, allowMethods: "GET", maxAge: 60}
x-amazon-apigateway-endpoint-configuration: {disableExecuteApiEndpoint: true}
`

// imported is the API that a document makes.
func imported(t testing.TB, body string, base Basepath) (*api.Definition, error) {
	t.Helper()
	doc, err := Parse(body, base)
	if err != nil {
		return nil, err
	}
	db, err := store.OpenSQLite(filepath.Join(t.TempDir(), "x.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b, err := api.Open(t.Context(), api.Config{DB: db, Account: "000000000000", Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	var d *api.Definition
	err = b.Create(context.Background(), doc.API(), func(made *api.Definition) error {
		d = made
		_, err := doc.Apply(made)
		return err
	})
	return d, err
}

// summary is what d has, without ids.
func summary(d *api.Definition) string {
	var lines []string
	for _, r := range d.Routes {
		n := d.Integrations[strings.TrimPrefix(r.Target, "integrations/")]
		by := ""
		if a := d.Authorizers[r.AuthorizerId]; a != nil {
			by = a.Name
		}
		lines = append(lines, fmt.Sprintf("%s %s %s%v %s: %s %s %s %s %d %v %v", r.RouteKey, r.OperationName, r.AuthorizationType, r.AuthorizationScopes, by,
			n.IntegrationType, n.IntegrationMethod, n.IntegrationUri, n.PayloadFormatVersion, n.TimeoutInMillis, n.RequestParameters, n.ResponseParameters))
	}
	for _, a := range d.Authorizers {
		ttl := int32(-1)
		if a.AuthorizerResultTtlInSeconds != nil {
			ttl = *a.AuthorizerResultTtlInSeconds
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s %d %v %v %v", a.Name, a.AuthorizerType, a.AuthorizerUri, a.AuthorizerPayloadFormatVersion, ttl, a.EnableSimpleResponses, a.IdentitySource, a.JwtConfiguration))
	}
	slices.Sort(lines)
	a := d.API
	cors := "none"
	if c := a.CorsConfiguration; c != nil {
		cors = fmt.Sprint(c.AllowCredentials, c.AllowHeaders, c.AllowMethods, c.AllowOrigins, c.ExposeHeaders)
		if c.MaxAge != nil {
			cors += fmt.Sprint(" ", *c.MaxAge)
		}
	}
	return fmt.Sprintf("%s %s %s %v %v cors %s\n%s", a.Name, a.Version, a.Description, a.DisableExecuteApiEndpoint, a.Tags, cors, strings.Join(lines, "\n"))
}

const wantShop = `shop 1.0 All of it true map[httpapi:createdBy:SAM] cors true [] [GET] [https://a.example] [] 60
$default  NONE[] : HTTP_PROXY ANY https://example.com 1.0 5000 map[] map[]
ANY /a  NONE[] : HTTP_PROXY GET http://site.example/ 1.0 30000 map[append:header.x:7] map[404:map[overwrite:statuscode:403]]
DELETE /pets/{id} dropPet CUSTOM[] fn: AWS_PROXY POST arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations 2.0 30000 map[] map[]
GET /pets/{id} getPet JWT[pets.read] tokens: AWS_PROXY POST arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations 2.0 30000 map[] map[]
POST /b  AWS_IAM[] : HTTP_PROXY GET http://site.example/ 1.0 30000 map[append:header.x:7] map[404:map[overwrite:statuscode:403]]
fn REQUEST arn:aws:lambda:us-east-1:000000000000:function:a 2.0 60 true [$request.header.X $request.querystring.y] <nil>
tokens JWT   -1 false [$request.header.Authorization] &{[me] https://issuer.example}`

func TestImport(t *testing.T) {
	d, err := imported(t, shop, Ignore)
	if err != nil {
		t.Fatal(err)
	}
	if got := summary(d); got != wantShop {
		t.Errorf("made\n%s\nwant\n%s", got, wantShop)
	}
	if len(d.Integrations) != 4 {
		t.Errorf("%d integrations: routes that refer to one share it", len(d.Integrations))
	}
	want := []string{"Ignoring route PUT /b: it has no x-amazon-apigateway-integration", "Ignoring trace of path /b: HTTP APIs do not support it"}
	if !slices.Equal(d.API.Warnings, want) {
		t.Errorf("warnings %q", d.API.Warnings)
	}
}

// TestRoundTrip: what is exported is imported as the same.
func TestRoundTrip(t *testing.T) {
	d, err := imported(t, shop, Ignore)
	if err != nil {
		t.Fatal(err)
	}
	for _, yaml := range []bool{false, true} {
		s := d.Snapshot()
		b, err := Export{Endpoint: "http://x", Extensions: true, YAML: yaml}.Write(&d.API, &s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := imported(t, string(b), Ignore)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		if got := summary(again); got != wantShop {
			t.Errorf("made\n%s\nof\n%s", got, b)
		}
	}
	s := d.Snapshot()
	b, err := Export{Endpoint: "http://x"}.Write(&d.API, &s)
	if err != nil || strings.Contains(string(b), "x-amazon") || !strings.Contains(string(b), `"/pets/{id}"`) {
		t.Errorf("without extensions: %v\n%s", err, b)
	}
}

func TestBasepath(t *testing.T) {
	for base, want := range map[Basepath]string{"": "ANY /a", Ignore: "ANY /a", Prepend: "ANY /v1/shop/a", Split: "ANY /shop/a"} {
		d, err := imported(t, shop, base)
		if err != nil {
			t.Fatal(err)
		}
		if got := summary(d); !strings.Contains(got, "\n"+want+" ") {
			t.Errorf("%s: no %s in\n%s", base, want, got)
		}
	}
}

func TestRefusedDocuments(t *testing.T) {
	const head = "openapi: 3.0.1\ninfo: {title: x, version: 1}\n"
	const site = "x-amazon-apigateway-integration: {type: http_proxy, httpMethod: GET, uri: 'http://x', payloadFormatVersion: '1.0'}"
	for body, want := range map[string]string{
		"":                             "Unable to parse the API definition",
		"{":                            "Unable to parse the API definition",
		"just words":                   "Unable to parse the API definition",
		"[1]":                          "Unable to parse the API definition",
		"? [a]\n: b":                   "Unable to parse the API definition",
		"a: &a [*a]":                   "Unable to parse the API definition",
		`{"swagger":"2.0"}`:            "Invalid OpenAPI input: OpenAPI 2.0",
		"openapi: 3.1.0":               "Invalid OpenAPI input: the document must say openapi: 3.0",
		"openapi: 3.0.1":               "Invalid OpenAPI input: info.title is missing",
		head + "paths: {/x: 7}":        "Unable to parse the API definition",
		head + "paths: {/x: {get: 7}}": "Unable to parse the API definition: GET /x",
		head + "paths: {x: {get: {" + site + "}}}":                                                                "The provided route key is not formatted properly",
		head + "paths: {'/{a}/{a}': {get: {" + site + "}}}":                                                       "The provided route key is not formatted properly",
		head + "paths: {/x: {get: {x-amazon-apigateway-integration: {$ref: '#/nope'}}}}":                          "Invalid OpenAPI input: route GET /x refers to #/nope",
		head + "paths: {/x: {get: {x-amazon-apigateway-integration: {type: mock, payloadFormatVersion: '1.0'}}}}": "Invalid integration type",
		head + "components: {securitySchemes: {a: {x-amazon-apigateway-authorizer: {type: nope}}}}":               "AuthorizerType is JWT or REQUEST",
		head + "x-amazon-apigateway-cors: {allowOrigins: ['*'], allowCredentials: true}":                          "AllowCredentials cannot be true",
		head + "x-amazon-apigateway-cors: {allowCredentials: maybe}":                                              "Unable to parse the API definition",
	} {
		_, err := imported(t, body, Ignore)
		e, _ := awserr.From(err, "Internal"), err
		if err == nil || e.Code != "BadRequestException" || !strings.HasPrefix(e.Message, want) {
			t.Errorf("%s\nanswered %v\nwant %s", body, err, want)
		}
	}
	if _, err := Parse(head, "sideways"); err == nil {
		t.Error("a basepath that there is not")
	}
}

// TestBomb: a few bytes that stand for very many are not followed.
func TestBomb(t *testing.T) {
	body := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 12 {
		body += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	if _, err := Parse(body, Ignore); err == nil {
		t.Error("a bomb was taken")
	}
}

// FuzzParse: any body is understood or refused, and what it makes can be written
// and read again.
func FuzzParse(f *testing.F) {
	f.Add(shop)
	f.Add(`{"openapi":"3.0.1","info":{"title":"x"},"paths":{"/x":{"get":null}}}`)
	f.Add("openapi: 3.0.1\ninfo: {title: x}\npaths: &p {/x: {get: *p}}")
	f.Fuzz(func(t *testing.T, body string) {
		doc, err := Parse(body, Prepend)
		if err != nil {
			return
		}
		def := api.New(doc.API())
		if _, err := doc.Apply(def); err != nil {
			return
		}
		s := def.Snapshot()
		b, err := Export{Endpoint: "http://x", Extensions: true}.Write(&def.API, &s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(string(b), Ignore)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		def2 := api.New(again.API())
		if _, err := again.Apply(def2); err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		if one, two := len(def.Routes), len(def2.Routes); one != two {
			t.Fatalf("%d routes became %d\n%s", one, two, b)
		}
	})
}
