package apigateway

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// What is refused, in AWS's words.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	place := a.put("GET", "/x", nil, proxyTo("echo"))
	a.at("/x/{id}")
	greedy := a.at("/all/{proxy+}")
	bare := a.put("PUT", "/x", nil, nil)
	api := in{"restapi_id": a.id}
	with := func(more in) in { return merged(merged(in{}, api), more) }
	there := func(more in) in { return merged(merged(in{}, place), more) }
	child := func(parent, part string) in { return with(in{"parent_id": parent, "pathPart": part}) }
	for _, tt := range []struct {
		op      string
		in      in
		status  int
		code    string
		message string
	}{
		{"GetRestApi", in{"restapi_id": "abc"}, 404, "NotFoundException", "Invalid API identifier specified 000000000000:abc"},
		{"GetResources", in{"restapi_id": "abc"}, 404, "NotFoundException", "Invalid API identifier specified 000000000000:abc"},
		{"CreateRestApi", in{"name": " "}, 400, "BadRequestException", "Name cannot be empty"},
		{"CreateRestApi", in{"name": "x", "policy": "{"}, 400, "BadRequestException", "Invalid policy document"},
		{"CreateRestApi", in{"name": "x", "endpointConfiguration": in{"types": []any{"MARS"}}}, 400, "BadRequestException", "1 validation error detected"},
		{"UpdateRestApi", with(in{"patchOperations": patchOps("replace", "/nonsense", "x")}), 400, "BadRequestException", "Invalid patch path '/nonsense' specified for op 'replace'. Must be one of: [/name, /description"},
		{"UpdateRestApi", with(in{"patchOperations": patchOps("replace", "/minimumCompressionSize", "x")}), 400, "BadRequestException", "Invalid integer value 'x'"},
		{"UpdateRestApi", with(in{"patchOperations": patchOps("test", "/name", "x")}), 400, "BadRequestException", "Invalid patch operation specified. Operation 'test' is not supported"},
		{"GetResource", with(in{"resource_id": "nope"}), 404, "NotFoundException", "Invalid Resource identifier specified"},
		{"CreateResource", child("nope", "x"), 404, "NotFoundException", "Invalid Resource identifier specified"},
		{"CreateResource", child(a.root, "x"), 409, "ConflictException", "Another resource with the same parent already has this name: x"},
		{"CreateResource", child(a.root, "a/b"), 400, "BadRequestException", "Resource's path part only allow"},
		{"CreateResource", child(a.root, "{a"), 400, "BadRequestException", "Resource's path part only allow"},
		{"CreateResource", child(a.at("/x"), "{other}"), 400, "BadRequestException", "A sibling ({id}) of this resource already has a variable path part -- only one is allowed"},
		{"CreateResource", child(greedy, "x"), 400, "BadRequestException", "Cannot create a child of a resource with a greedy path variable: {proxy+}"},
		{"DeleteResource", with(in{"resource_id": a.root}), 400, "BadRequestException", "Root resource cannot be deleted"},
		{"GetMethod", there(in{"http_method": "POST"}), 404, "NotFoundException", "Invalid Method identifier specified"},
		{"PutMethod", there(in{"authorizationType": "NONE"}), 409, "ConflictException", "Method already exists for this resource"},
		{"PutMethod", there(in{"http_method": "TRACE", "authorizationType": "NONE"}), 400, "BadRequestException", "Invalid HttpMethod specified"},
		{"PutMethod", there(in{"http_method": "POST", "authorizationType": "CUSTOM", "authorizerId": "x"}), 400, "BadRequestException", "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer."},
		{"PutMethod", there(in{"http_method": "POST", "authorizationType": "NONE", "requestModels": in{"a": "Nope"}}), 400, "BadRequestException", "Invalid model identifier specified: Nope"},
		{"GetMethodResponse", there(in{"status_code": "200"}), 404, "NotFoundException", "Invalid Response status code specified"},
		{"PutMethodResponse", there(in{"status_code": "9"}), 400, "BadRequestException", "1 validation error detected: Value '9' at 'statusCode'"},
		{"GetIntegration", bare, 404, "NotFoundException", "Invalid Integration identifier specified"},
		{"PutIntegration", merged(in{"type": "AWS_PROXY", "uri": uri("f")}, bare), 400, "BadRequestException", "Enumeration value for HttpMethod must be non-empty"},
		{"PutIntegration", merged(in{"type": "AWS_PROXY", "httpMethod": "POST", "uri": lambda + "f"}, bare), 400, "BadRequestException", "AWS ARN for integration must contain path or action"},
		{"PutIntegration", merged(in{"type": "AWS", "httpMethod": "POST", "uri": "arn:aws:apigateway:us-east-1:sqs:path/0/q"}, bare), 400, "BadRequestException", "Mayfly does not serve the AWS integration"},
		{"PutIntegration", merged(in{"type": "HTTP_PROXY", "httpMethod": "GET", "uri": "ftp://x"}, bare), 400, "BadRequestException", "Invalid HTTP endpoint specified for URI"},
		{"PutIntegration", merged(in{"type": "HTTP_PROXY", "httpMethod": "GET", "uri": "http://x", "connectionType": "VPC_LINK"}, bare), 400, "BadRequestException", "Mayfly does not serve VPC links yet"},
		{"PutIntegration", merged(in{"type": "MOCK", "requestTemplates": in{"application/json": "#if(1)"}}, bare), 400, "BadRequestException", "Mayfly cannot run the template for application/json: line 1: "},
		{"PutIntegration", merged(merged(in{"timeoutInMillis": 1}, proxyTo("f")), bare), 400, "BadRequestException", "Timeout should be between 50 ms"},
		{"PutIntegration", merged(merged(in{"responseTransferMode": "STREAM"}, proxyTo("f")), bare), 400, "BadRequestException", "The response transfer mode STREAM needs"},
		{"PutIntegrationResponse", there(in{"status_code": "200"}), 404, "NotFoundException", "Invalid Response status code specified"},
		{"CreateDeployment", api, 400, "BadRequestException", "No integration defined for method"},
		{"CreateDeployment", with(in{"canarySettings": in{}}), 400, "BadRequestException", "Mayfly does not serve canary releases yet."},
		{"CreateStage", with(in{"stageName": "s", "deploymentId": "x"}), 400, "BadRequestException", "Deployment id does not exist"},
		{"GetStage", with(in{"stage_name": "s"}), 404, "NotFoundException", "Invalid stage identifier specified"},
		{"GetDeployment", with(in{"deployment_id": "s"}), 404, "NotFoundException", "Invalid Deployment identifier specified"},
		{"CreateAuthorizer", with(in{"name": "c", "type": "COGNITO_USER_POOLS", "providerARNs": []any{"arn:aws:cognito-idp:us-east-1:000000000000:userpool/x"}}), 400, "BadRequestException", "Mayfly has no Cognito user pools"},
		{"CreateAuthorizer", with(in{"name": "c", "type": "TOKEN", "authorizerUri": uri("f")}), 400, "BadRequestException", "Invalid Identity Source"},
		{"CreateAuthorizer", with(in{"name": "c", "type": "TOKEN", "authorizerUri": "x", "identitySource": "method.request.header.A"}), 400, "BadRequestException", "Invalid Authorizer URI"},
		{"GetAuthorizer", with(in{"authorizer_id": "s"}), 404, "NotFoundException", "Invalid Authorizer identifier specified"},
		{"CreateModel", with(in{"name": "M", "contentType": "application/json", "schema": "{"}), 400, "BadRequestException", "Invalid model specified"},
		{"CreateModel", with(in{"name": "Empty", "contentType": "application/json"}), 409, "ConflictException", "Model name already exists for this REST API"},
		{"GetModel", with(in{"model_name": "Nope"}), 404, "NotFoundException", "Invalid model name specified: Nope"},
		{"CreateApiKey", in{"value": "short"}, 400, "BadRequestException", "API Key value should be at least 20 characters"},
		{"GetApiKey", in{"api_Key": "x"}, 404, "NotFoundException", "Invalid API Key identifier specified"},
		{"CreateUsagePlan", in{"name": "p", "apiStages": []any{in{"apiId": a.id, "stage": "nope"}}}, 404, "NotFoundException", "API Stage not found: " + a.id + ":nope"},
		{"CreateUsagePlan", in{"name": "p", "quota": in{"limit": 1, "period": "WEEK", "offset": 7}}, 400, "BadRequestException", "Usage Plan quota offset must be between 0 and 6 in the WEEK period"},
		{"GetUsagePlan", in{"usageplanId": "x"}, 404, "NotFoundException", "Invalid Usage Plan ID specified"},
		{"CreateDomainName", in{"domainName": "no domain"}, 400, "BadRequestException", "Invalid domain name specified"},
		{"GetDomainName", in{"domain_name": "x.y"}, 404, "NotFoundException", "Invalid domain name identifier specified"},
		{"GetTags", in{"resource_arn": "arn:aws:apigateway:us-east-1::/nonsense/x"}, 400, "BadRequestException", "Invalid ARN specified in the request"},
		{"GetVpcLinks", in{}, 400, "UnsupportedOperationException", "Mayfly does not serve apigateway:GetVpcLinks yet."},
	} {
		w.refused(tt.op, tt.in, tt.status, tt.code, tt.message)
	}
}

// Moving a resource moves all below it.
func TestMove(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	leaf := a.at("/a/b/c")
	b, z := a.at("/a/b"), a.at("/z")
	w.patch("UpdateResource", in{"restapi_id": a.id, "resource_id": b}, "replace", "/parentId", z, "replace", "/pathPart", "{n}")
	var r Resource
	w.ok("GetResource", in{"restapi_id": a.id, "resource_id": leaf}, &r)
	if *r.Path != "/z/{n}/c" {
		t.Errorf("%s", *r.Path)
	}
	w.refused("UpdateResource", in{"restapi_id": a.id, "resource_id": z, "patchOperations": patchOps("replace", "/parentId", leaf)}, 400, "BadRequestException", "A resource cannot be moved below itself")
	w.ok("DeleteResource", in{"restapi_id": a.id, "resource_id": z}, nil)
	w.refused("GetResource", in{"restapi_id": a.id, "resource_id": leaf}, 404, "NotFoundException", "Invalid Resource identifier")
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.ok("CreateApiKey", in{"name": fmt.Sprintf("key%d", i), "enabled": true}, nil)
	}
	seen := map[string]bool{}
	query := in{"limit": 3}
	for pages := 0; pages < 4; pages++ {
		var ks ApiKeys
		w.ok("GetApiKeys", query, &ks)
		for _, k := range ks.Items {
			if k.Value != nil {
				t.Error("a key's value was not asked for")
			}
			seen[*k.Name] = true
		}
		if ks.Position == nil {
			break
		}
		query["position"] = *ks.Position
	}
	if len(seen) != 7 {
		t.Errorf("%v", seen)
	}
	var ks ApiKeys
	w.ok("GetApiKeys", in{"name": "key3", "includeValues": true}, &ks)
	if len(ks.Items) != 1 || len(*ks.Items[0].Value) != 40 {
		t.Errorf("%+v", ks)
	}
	w.refused("GetApiKeys", in{"limit": 0}, 400, "BadRequestException", "Invalid limit specified: 0")
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(in{"tags": in{"a": "1"}})
	arn := "arn:aws:apigateway:us-east-1::/restapis/" + a.id
	w.ok("TagResource", in{"resource_arn": arn, "tags": in{"b": "2"}}, nil)
	w.ok("UntagResource", in{"resource_arn": arn, "tagKeys": []any{"a"}}, nil)
	var got Tags
	w.ok("GetTags", in{"resource_arn": arn}, &got)
	if fmt.Sprint(got.Tags) != "map[b:2]" {
		t.Errorf("%v", got.Tags)
	}
}

func TestImportKeys(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	a.put("GET", "/x", in{"apiKeyRequired": true}, proxyTo("echo"))
	a.deploy("s", nil)
	var plan UsagePlan
	w.ok("CreateUsagePlan", in{"name": "p", "apiStages": []any{in{"apiId": a.id, "stage": "s"}}}, &plan)
	var ids ApiKeyIds
	table := "Name,key,description,Enabled,usageplanIds\nMine,abcdef1234ghijklmnop8901234567,An imported key,TRUE,\"" + *plan.Id + "\"\nShort,abc,,true,\n"
	w.ok("ImportApiKeys", in{"format": "csv", "body": table}, &ids)
	if len(ids.Ids) != 1 || len(ids.Warnings) != 1 || !strings.HasPrefix(ids.Warnings[0], "Short: ") {
		t.Fatalf("%+v", ids)
	}
	if r := w.call("GET "+a.id+"/s/x", "x-api-key", "abcdef1234ghijklmnop8901234567"); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
	w.refused("ImportApiKeys", in{"format": "csv", "body": "a,b\n1,2", "failonwarnings": true}, 400, "BadRequestException", "Failed to parse the file")
}

const yamlBody = `
openapi: 3.0.1
info: {title: pets, version: "2"}
servers:
  - url: https://x/{basePath}
    variables: {basePath: {default: /v2}}
x-amazon-apigateway-request-validators:
  all: {validateRequestBody: true, validateRequestParameters: true}
x-amazon-apigateway-request-validator: all
x-amazon-apigateway-binary-media-types: [image/png]
x-amazon-apigateway-gateway-responses:
  BAD_REQUEST_BODY: {statusCode: 422, responseTemplates: {application/json: '{"bad":true}'}}
components:
  schemas:
    Pet: {type: object, required: [name], properties: {name: {$ref: '#/components/schemas/Name'}}}
    Name: {type: string}
  securitySchemes:
    api_key: {type: apiKey, name: x-api-key, in: header}
    sigv4: {type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authtype: awsSigv4}
paths:
  /pets:
    post:
      operationId: addPet
      parameters: [{name: dry, in: query, required: false, schema: {type: boolean}}]
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}
      responses: {200: {description: ok, content: {application/json: {schema: {type: array}}}}, default: {description: bad}}
      x-amazon-apigateway-integration: {type: aws_proxy, httpMethod: POST, uri: URI, timeoutInMillis: 1000}
    get:
      security: [{api_key: []}, {sigv4: []}]
      x-amazon-apigateway-integration: {type: aws_proxy, httpMethod: POST, uri: URI}
`

func TestImportOpenAPI3(t *testing.T) {
	w := newWorld(t)
	r, err := http.NewRequest("POST", w.URL()+"/restapis?mode=import&basepath=prepend&endpointConfigurationTypes=REGIONAL&failonwarnings=true", strings.NewReader(strings.ReplaceAll(yamlBody, "URI", uri("echo"))))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20261123/us-east-1/apigateway/aws4_request, SignedHeaders=host, Signature=00")
	got := w.Send(r)
	if got.Status != 201 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	a := decoded(t, string(got.Body))
	id := a["id"].(string)
	if a["name"] != "pets" || a["version"] != "2" || a["endpointConfiguration"].(in)["types"].([]any)[0] != "REGIONAL" {
		t.Errorf("%s", got.Body)
	}
	var rs Resources
	body := w.ok("GetResources", in{"restapi_id": id, "embed": "methods"}, &rs)
	for _, want := range []string{`"path":"/v2/pets"`, `"operationName":"addPet"`, `"method.request.querystring.dry":false`, `"application/json":"Pet"`, `"apiKeyRequired":true`, `"authorizationType":"AWS_IAM"`, `"timeoutInMillis":1000`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	w.ok("CreateDeployment", in{"restapi_id": id, "stageName": "s"}, nil)
	w.want(w.call("POST "+id+"/s/v2/pets", "body", `{"name":3}`), 422, `{"bad":true}`)
	if r := w.call("POST "+id+"/s/v2/pets", "body", `{"name":"x"}`); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
	// An export is a document that can be imported.
	for _, kind := range []string{"swagger", "oas30"} {
		doc := w.ok("GetExport", in{"restapi_id": id, "stage_name": "s", "export_type": kind, "accepts": "application/json"}, nil)
		if !strings.Contains(doc, `"operationId": "addPet"`) || strings.Contains(doc, "x-amazon-apigateway-integration") {
			t.Errorf("%s: %s", kind, doc)
		}
		if a := w.Do("ImportRestApi", in{"body": doc}, nil); a.Status != 201 {
			t.Errorf("%s: %d %s\n%s", kind, a.Status, a.Message, doc)
		}
	}
}

// PutRestApi with merge keeps what the document does not name.
func TestMerge(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	a.put("GET", "/old", nil, proxyTo("echo"))
	body := func(path string) string {
		return `{"swagger":"2.0","info":{"title":"m"},"paths":{"` + path + `":{"get":{"x-amazon-apigateway-integration":{"type":"mock"}}}}}`
	}
	w.ok("PutRestApi", in{"restapi_id": a.id, "mode": "merge", "body": body("/new")}, nil)
	if got := w.ok("GetResources", in{"restapi_id": a.id}, nil); !strings.Contains(got, `"/old"`) || !strings.Contains(got, `"/new"`) {
		t.Errorf("%s", got)
	}
	w.ok("PutRestApi", in{"restapi_id": a.id, "mode": "overwrite", "body": body("/only")}, nil)
	if got := w.ok("GetResources", in{"restapi_id": a.id}, nil); strings.Contains(got, `"/old"`) || !strings.Contains(got, `"/only"`) {
		t.Errorf("%s", got)
	}
	for text, want := range map[string]string{
		`{`:                 "Unable to parse API definition",
		`[1]`:               "Invalid OpenAPI input",
		`{"swagger":"3.0"}`: "Invalid OpenAPI input",
		body("/a{b}"):       "Errors found during import:\n\tUnable to create resource at path '/a{b}'",
		`{"swagger":"2.0","paths":{"/x":{"get":{"security":[{"nope":[]}]}}}}`:                                                                                                                "Errors found during import:\n\tUnable to put method 'GET' on resource at path '/x': Invalid security definition",
		`{"swagger":"2.0","paths":{"/x":{"get":{"x-amazon-apigateway-integration":{"type":"aws_proxy","uri":"x"}}}}}`:                                                                        "Errors found during import:\n\tUnable to put integration on 'GET' for resource at path '/x'",
		`{"swagger":"2.0","securityDefinitions":{"c":{"type":"apiKey","x-amazon-apigateway-authtype":"cognito_user_pools","x-amazon-apigateway-authorizer":{"type":"cognito_user_pools"}}}}`: "Errors found during import:\n\tUnable to create authorizer 'c': Mayfly has no Cognito user pools",
	} {
		w.refused("PutRestApi", in{"restapi_id": a.id, "mode": "overwrite", "body": text}, 400, "BadRequestException", want)
	}
	if got := w.ok("GetResources", in{"restapi_id": a.id}, nil); !strings.Contains(got, `"/only"`) {
		t.Errorf("an import that was refused changed the API: %s", got)
	}
}

func TestTrial(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	place := a.put("POST", "/x/{id}", in{"apiKeyRequired": true, "authorizationType": "AWS_IAM"}, proxyTo("echo"))
	var out TestInvokeMethodResponse
	w.ok("TestInvokeMethod", merged(in{"pathWithQueryString": "/x/7?q=1", "body": "hello", "headers": in{"X-A": "1"}, "stageVariables": in{"v": "2"}}, place), &out)
	e := decoded(t, *out.Body)
	if *out.Status != 200 || e["body"] != "hello" || e["pathParameters"].(in)["id"] != "7" || e["headers"].(in)["X-A"] != "1" || e["stageVariables"].(in)["v"] != "2" {
		t.Errorf("%d %s", *out.Status, *out.Body)
	}
	if !regexp.MustCompile(`(?s)Starting execution.*Method completed with status: 200`).MatchString(*out.Log) {
		t.Errorf("%s", *out.Log)
	}
}

// A copy has the parts of its origin, and a life of its own.
func TestClone(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	a.put("GET", "/x", nil, proxyTo("echo"))
	b := w.newAPI(in{"cloneFrom": a.id})
	w.ok("DeleteRestApi", in{"restapi_id": a.id}, nil)
	b.deploy("s", nil)
	if r := w.call("GET " + b.id + "/s/x"); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
	w.refused("CreateRestApi", in{"name": "c", "cloneFrom": a.id}, 404, "NotFoundException", "Invalid API identifier")
}

// What is changed after a deployment is not served before the next, and what a
// stage is told is served at once.
func TestSnapshots(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	place := a.put("GET", "/x", nil, proxyTo("one"))
	w.fs.codes["one"], w.fs.codes["two"] = answers(`{"statusCode":200,"body":"1"}`), answers(`{"statusCode":200,"body":"2"}`)
	first := a.deploy("s", nil)
	w.want(w.call("GET "+a.id+"/s/x"), 200, "1")
	w.patch("UpdateIntegration", place, "replace", "/uri", uri("${stageVariables.fn}"))
	w.want(w.call("GET "+a.id+"/s/x"), 200, "1")
	a.deploy("s", in{"variables": in{"fn": "two"}})
	w.want(w.call("GET "+a.id+"/s/x"), 200, "2")
	w.patch("UpdateStage", in{"restapi_id": a.id, "stage_name": "s"}, "replace", "/variables/fn", "one")
	w.want(w.call("GET "+a.id+"/s/x"), 200, "1")
	w.refused("DeleteDeployment", in{"restapi_id": a.id, "deployment_id": "x"}, 404, "NotFoundException", "Invalid Deployment identifier specified")
	w.patch("UpdateStage", in{"restapi_id": a.id, "stage_name": "s"}, "replace", "/deploymentId", first)
	w.refused("DeleteDeployment", in{"restapi_id": a.id, "deployment_id": first}, 400, "BadRequestException", "Active stages pointing to this deployment must be moved or deleted")
	var d Deployment
	w.ok("GetDeployment", in{"restapi_id": a.id, "deployment_id": first, "embed": "apisummary"}, &d)
	if *d.ApiSummary["/x"]["GET"].AuthorizationType != "NONE" {
		t.Errorf("%+v", d)
	}
}
