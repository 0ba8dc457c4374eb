package apigateway

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/function"
)

// tokenAuth lets "allow" in, refuses "deny", does not know anybody else.
func tokenAuth(_ context.Context, event []byte, in function.Invocation) (string, error) {
	var e struct{ AuthorizationToken, MethodArn, Type string }
	if err := json.Unmarshal(event, &e); err != nil {
		return "", err
	}
	effect := map[string]string{"allow": "Allow", "deny": "Deny"}[e.AuthorizationToken]
	if effect == "" {
		return `{"errorMessage":"Unauthorized"}`, nil
	}
	fmt.Fprintf(in.Answer, `{"principalId":"u","policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":%q,"Action":"execute-api:Invoke","Resource":%q}]},"context":{"b":true},"usageIdentifierKey":"usage-identifier-key"}`, effect, e.MethodArn)
	return "", nil
}

func TestAuthorizers(t *testing.T) {
	w := newWorld(t)
	w.fs.codes["auth"] = tokenAuth
	w.fs.codes["byrequest"] = func(_ context.Context, event []byte, in function.Invocation) (string, error) {
		var e struct {
			Type, MethodArn       string
			QueryStringParameters map[string]string
			Body                  *string
		}
		if err := json.Unmarshal(event, &e); err != nil || e.Type != "REQUEST" || e.Body != nil {
			return `{"errorMessage":"bad event"}`, nil
		}
		return tokenAuth(t.Context(), []byte(`{"authorizationToken":"`+e.QueryStringParameters["who"]+`","methodArn":"`+e.MethodArn+`"}`), in)
	}
	a := w.newAPI(nil)
	var token, request Authorizer
	w.ok("CreateAuthorizer", in{"restapi_id": a.id, "name": "t", "type": "TOKEN", "authorizerUri": uri("auth"), "identitySource": "method.request.header.Auth", "identityValidationExpression": "[a-z]+"}, &token)
	w.ok("CreateAuthorizer", in{"restapi_id": a.id, "name": "r", "type": "REQUEST", "authorizerUri": uri("byrequest"), "identitySource": "method.request.querystring.who,context.identity.sourceIp"}, &request)
	a.put("GET", "/t", in{"authorizationType": "CUSTOM", "authorizerId": *token.Id}, proxyTo("echo"))
	a.put("POST", "/r", in{"authorizationType": "CUSTOM", "authorizerId": *request.Id}, proxyTo("echo"))
	a.deploy("s", nil)
	refused := `{"Message":"User is not authorized to access this resource"}`
	for _, tt := range []struct {
		what   string
		header string
		status int
		body   string
	}{
		{"GET t", "", 401, `{"message":"Unauthorized"}`},
		{"GET t", "1", 401, `{"message":"Unauthorized"}`}, // the expression
		{"GET t", "who", 401, `{"message":"Unauthorized"}`},
		{"GET t", "deny", 403, refused},
		{"GET t", "allow", 200, ""},
		{"POST r", "", 401, `{"message":"Unauthorized"}`},
		{"POST r?who=deny", "", 403, refused},
		{"POST r?who=allow", "", 200, ""},
	} {
		method, path, _ := strings.Cut(tt.what, " ")
		var headers []string
		if tt.header != "" {
			headers = []string{"Auth", tt.header}
		}
		r := w.call(method+" "+a.id+"/s/"+path, headers...)
		if r.status != tt.status || tt.body != "" && r.body != tt.body {
			t.Errorf("%s %s: %d %s", tt.what, tt.header, r.status, r.body)
		}
	}
	e := decoded(t, w.call("GET "+a.id+"/s/t", "Auth", "allow").body)
	if auth := e["requestContext"].(in)["authorizer"].(in); auth["principalId"] != "u" || auth["b"] != "true" {
		t.Errorf("%v", auth)
	}
	n := w.fs.count("auth")
	w.call("GET "+a.id+"/s/t", "Auth", "allow")
	if w.fs.count("auth") != n {
		t.Error("an answer was not remembered")
	}
	w.ok("FlushStageAuthorizersCache", in{"restapi_id": a.id, "stage_name": "s"}, nil)
	w.call("GET "+a.id+"/s/t", "Auth", "allow")
	if w.fs.count("auth") != n+1 {
		t.Error("an answer was remembered that had been flushed")
	}
	w.fs.codes["auth"] = answers(`{"nonsense":1}`)
	w.want(w.call("GET "+a.id+"/s/t", "Auth", "other"), 500, `{"message":"Internal server error"}`)
	w.refused("DeleteAuthorizer", in{"restapi_id": a.id, "authorizer_id": *token.Id}, 409, "ConflictException", "Cannot delete authorizer")

	var out TestInvokeAuthorizerResponse
	w.fs.codes["auth"] = tokenAuth
	w.ok("TestInvokeAuthorizer", in{"restapi_id": a.id, "authorizer_id": *token.Id, "headers": in{"Auth": "allow"}}, &out)
	if *out.ClientStatus != 200 || *out.PrincipalId != "u" {
		t.Errorf("%+v", out)
	}
	w.ok("TestInvokeAuthorizer", in{"restapi_id": a.id, "authorizer_id": *token.Id}, &out)
	if *out.ClientStatus != 401 {
		t.Errorf("%+v", out)
	}
}

// An API whose keys come from its authorizer.
func TestKeyOfAuthorizer(t *testing.T) {
	w := newWorld(t)
	w.fs.codes["auth"] = tokenAuth
	a := w.newAPI(in{"apiKeySource": "AUTHORIZER"})
	var auth Authorizer
	w.ok("CreateAuthorizer", in{"restapi_id": a.id, "name": "t", "type": "TOKEN", "authorizerUri": uri("auth"), "identitySource": "method.request.header.Auth"}, &auth)
	a.put("GET", "/t", in{"authorizationType": "CUSTOM", "authorizerId": *auth.Id, "apiKeyRequired": true}, proxyTo("echo"))
	a.deploy("s", nil)
	w.want(w.call("GET "+a.id+"/s/t", "Auth", "allow", "x-api-key", "usage-identifier-key"), 403, `{"message":"Forbidden"}`)
	var key ApiKey
	w.ok("CreateApiKey", in{"name": "k", "enabled": true, "value": "usage-identifier-key"}, &key)
	var plan UsagePlan
	w.ok("CreateUsagePlan", in{"name": "p", "apiStages": []any{in{"apiId": a.id, "stage": "s"}}}, &plan)
	w.ok("CreateUsagePlanKey", in{"usageplanId": *plan.Id, "keyId": *key.Id, "keyType": "API_KEY"}, nil)
	if r := w.call("GET "+a.id+"/s/t", "Auth", "allow"); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
	w.patch("UpdateApiKey", in{"api_Key": *key.Id}, "replace", "/enabled", "false")
	w.want(w.call("GET "+a.id+"/s/t", "Auth", "allow"), 403, `{"message":"Forbidden"}`)
}

// Signatures, and what the caller's policies and the API's say.
func TestIAMAndPolicy(t *testing.T) {
	w := newWorld(t)
	statement := func(effect, who, path string) string {
		return fmt.Sprintf(`{"Effect":%q,"Principal":{"AWS":%q},"Action":"execute-api:Invoke","Resource":"execute-api:/s/GET/%s"}`, effect, who, path)
	}
	user := "arn:aws:iam::000000000000:user/"
	doc := `{"Version":"2012-10-17","Statement":[` + strings.Join([]string{
		statement("Allow", user+"bob", "iam"), statement("Deny", user+"alice", "secret"), statement("Allow", "*", "open"),
	}, ",") + `]}`
	a := w.newAPI(in{"policy": doc})
	for path, kind := range map[string]string{"/iam": "AWS_IAM", "/secret": "AWS_IAM", "/open": "NONE", "/shut": "NONE"} {
		a.put("GET", path, in{"authorizationType": kind}, proxyTo("echo"))
	}
	a.deploy("s", nil)
	for _, tt := range []struct {
		path, auth string
		status     int
		body       string
	}{
		{"iam", "", 403, `{"message":"Missing Authentication Token"}`},
		{"iam", "forged", 403, `{"message":"The request signature we calculated`},
		{"iam", "signed alice", 200, ""}, // her own policies
		{"iam", "signed bob", 200, ""},   // the API's
		{"iam", "signed eve", 403, `{"Message":"User: arn:aws:iam::000000000000:user/eve is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********0000:` + a.id + `/s/GET/iam"}`},
		{"secret", "signed alice", 403, `{"Message":"User: arn:aws:iam::000000000000:user/alice is not authorized`},
		{"open", "", 200, ""},
		{"shut", "", 403, `{"Message":"User: anonymous is not authorized to perform: execute-api:Invoke on resource: `},
	} {
		var headers []string
		if tt.auth != "" {
			headers = []string{"Authorization", tt.auth}
		}
		r := w.call("GET "+a.id+"/s/"+tt.path, headers...)
		if r.status != tt.status || !strings.HasPrefix(r.body, tt.body) {
			t.Errorf("%s %s: %d %s", tt.path, tt.auth, r.status, r.body)
		}
	}
	e := decoded(t, w.call("GET "+a.id+"/s/iam", "Authorization", "signed alice").body)
	if id := e["requestContext"].(in)["identity"].(in); id["userArn"] != user+"alice" || id["accountId"] != account {
		t.Errorf("%v", id)
	}
	w.refused("UpdateRestApi", in{"restapi_id": a.id, "patchOperations": patchOps("replace", "/policy", `{"Statement":[]}`)}, 400, "BadRequestException", "Invalid policy document")
	w.patch("UpdateRestApi", in{"restapi_id": a.id}, "remove", "/policy", "")
	if r := w.call("GET " + a.id + "/s/shut"); r.status != 403 {
		t.Error("a policy is as it was deployed")
	}
	a.deploy("s", nil)
	if r := w.call("GET " + a.id + "/s/shut"); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// Quotas by day, week and month, what is granted, and what survives a restart.
func TestUsage(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	a.put("GET", "/x", in{"apiKeyRequired": true}, proxyTo("echo"))
	a.deploy("s", nil)
	var key ApiKey
	w.ok("CreateApiKey", in{"enabled": true, "value": "12345678901234567890"}, &key)
	var plan UsagePlan
	w.ok("CreateUsagePlan", in{"name": "p", "apiStages": []any{in{"apiId": a.id, "stage": "s"}}, "quota": in{"limit": 2, "period": "WEEK", "offset": 1}}, &plan)
	where := in{"usageplanId": *plan.Id}
	w.ok("CreateUsagePlanKey", merged(in{"keyId": *key.Id, "keyType": "API_KEY"}, where), nil)
	try := func(want ...int) {
		t.Helper()
		for i, status := range want {
			if r := w.call("GET "+a.id+"/s/x", "x-api-key", *key.Value); r.status != status {
				t.Errorf("request %d: %d %s", i, r.status, r.body)
			}
		}
	}
	try(200) // Tuesday 24 November 2026
	w.later(24 * time.Hour)
	try(200, 429)
	w.later(4 * 24 * time.Hour) // Sunday: the week begins on Monday
	try(429)
	w.later(24 * time.Hour)
	try(200)
	var u Usage
	w.ok("GetUsage", merged(in{"startDate": "2026-11-24", "endDate": "2026-11-30"}, where), &u)
	if got := fmt.Sprint(u.Items[*key.Id]); got != "[[1 1] [1 0] [0 0] [0 0] [0 0] [0 0] [1 1]]" {
		t.Errorf("usage %s", got)
	}
	w.patch("UpdateUsage", merged(in{"keyId": *key.Id}, where), "replace", "/remaining", "3")
	try(200, 200, 200, 429)
	w.refused("UpdateUsage", merged(in{"keyId": *key.Id, "patchOperations": patchOps("replace", "/x", "3")}, where), 400, "BadRequestException", "Invalid patch path '/x'")
	w.refused("GetUsage", merged(in{"startDate": "2026-11-24", "endDate": "yesterday"}, where), 400, "BadRequestException", "Invalid Usage Date")
	w.refused("DeleteUsagePlan", where, 400, "BadRequestException", "Cannot delete Usage Plan")
}

// A validator that says so holds requests to what methods declare.
func TestValidators(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	w.ok("CreateModel", in{"restapi_id": a.id, "name": "Pet", "contentType": "application/json", "schema": `{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"owner":{"$ref":"https://apigateway.amazonaws.com/restapis/` + a.id + `/models/Owner"}}}`}, nil)
	w.ok("CreateModel", in{"restapi_id": a.id, "name": "Owner", "contentType": "application/json", "schema": `{"type":"object","properties":{"age":{"type":"integer"}}}`}, nil)
	var v RequestValidator
	w.ok("CreateRequestValidator", in{"restapi_id": a.id, "name": "all", "validateRequestBody": true, "validateRequestParameters": true}, &v)
	a.put("POST", "/p", in{
		"requestValidatorId": *v.Id, "requestModels": in{"application/json": "Pet"},
		"requestParameters": in{"method.request.querystring.q": true, "method.request.header.X-Must": true, "method.request.header.X-May": false},
	}, proxyTo("echo"))
	w.ok("PutGatewayResponse", in{"restapi_id": a.id, "response_type": "BAD_REQUEST_BODY", "responseTemplates": in{"application/json": `{"why":"$context.error.validationErrorString"}`}}, nil)
	a.deploy("s", nil)
	post := func(query, body string, headers ...string) reply {
		return w.call("POST "+a.id+"/s/p"+query, append(headers, "body", body)...)
	}
	w.want(post("", `{}`), 400, `{"message":"Missing required request parameters: [X-Must, q]"}`)
	w.want(post("?q=1", `{}`), 400, `{"message":"Missing required request parameters: [X-Must]"}`)
	for body, why := range map[string]string{
		`{`: "Malformed JSON", `{}`: "name", `{"name":"a","owner":{"age":"old"}}`: "want integer", `[]`: "want object",
	} {
		if r := post("?q=1", body, "X-Must", "1"); r.status != 400 || !strings.Contains(r.body, why) {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	if r := post("?q=1", `{"name":"a","owner":{"age":4}}`, "X-Must", "1"); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
	w.refused("DeleteModel", in{"restapi_id": a.id, "model_name": "Pet"}, 409, "ConflictException", "Cannot delete model 'Pet'")
	w.refused("DeleteRequestValidator", in{"restapi_id": a.id, "requestvalidator_id": *v.Id}, 409, "ConflictException", "Cannot delete validator")
	w.ok("DeleteModel", in{"restapi_id": a.id, "model_name": "Owner"}, nil)
	w.refused("CreateDeployment", in{"restapi_id": a.id}, 400, "BadRequestException", "POST /p: ")
}

// What was acknowledged is there after a restart, quotas too.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	a.put("GET", "/x", in{"apiKeyRequired": true}, proxyTo("echo"))
	a.deploy("s", nil)
	var key ApiKey
	w.ok("CreateApiKey", in{"enabled": true}, &key)
	var plan UsagePlan
	w.ok("CreateUsagePlan", in{"name": "p", "apiStages": []any{in{"apiId": a.id, "stage": "s"}}, "quota": in{"limit": 1, "period": "MONTH"}}, &plan)
	w.ok("CreateUsagePlanKey", in{"usageplanId": *plan.Id, "keyId": *key.Id, "keyType": "API_KEY"}, nil)
	if r := w.call("GET "+a.id+"/s/x", "x-api-key", *key.Value); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	w.reopen()
	w.want(w.call("GET "+a.id+"/s/x", "x-api-key", *key.Value), 429, `{"message":"Limit Exceeded"}`)
}
