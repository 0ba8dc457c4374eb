package apigateway

import (
	"net/http"
	"strings"
	"testing"
)

// samBody is what SAM's transform makes of AWS::Serverless::Api with Cors, an
// authorizer and two events.
const samBody = `{
  "swagger": "2.0",
  "info": {"version": "1.0", "title": "sam-app"},
  "paths": {
    "/hello": {
      "get": {
        "x-amazon-apigateway-integration": {
          "httpMethod": "POST", "type": "aws_proxy",
          "uri": "URI"
        },
        "responses": {}
      },
      "options": {
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "x-amazon-apigateway-integration": {
          "type": "mock",
          "requestTemplates": {"application/json": "{\n  \"statusCode\" : 200\n}\n"},
          "responses": {"default": {
            "statusCode": "200",
            "responseParameters": {
              "method.response.header.Access-Control-Allow-Origin": "'*'",
              "method.response.header.Access-Control-Allow-Headers": "'Content-Type,Authorization'",
              "method.response.header.Access-Control-Allow-Methods": "'GET,OPTIONS'"
            },
            "responseTemplates": {"application/json": "{}\n"}
          }}
        },
        "summary": "CORS support",
        "responses": {"200": {
          "description": "Default response for CORS method",
          "headers": {
            "Access-Control-Allow-Origin": {"type": "string"},
            "Access-Control-Allow-Headers": {"type": "string"},
            "Access-Control-Allow-Methods": {"type": "string"}
          }
        }}
      }
    },
    "/items/{id+}": {
      "x-amazon-apigateway-any-method": {
        "x-amazon-apigateway-integration": {"httpMethod": "POST", "type": "aws_proxy", "uri": "URI"},
        "security": [{"MyAuth": []}],
        "responses": {}
      }
    }
  },
  "securityDefinitions": {
    "MyAuth": {
      "type": "apiKey", "name": "Authorization", "in": "header",
      "x-amazon-apigateway-authtype": "custom",
      "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": "AUTH"}
    }
  }
}`

func sam() string {
	return strings.NewReplacer("URI", uri("echo"), "AUTH", uri("auth")).Replace(samBody)
}

// As CloudFormation makes what SAM transformed: an API with a body, a
// deployment, a stage.
func TestSAM(t *testing.T) {
	w := newWorld(t)
	w.fs.codes["auth"] = answers(`{"principalId":"me","policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"*"}]},"context":{"n":1}}`)
	var a RestApi
	w.ok("CreateRestApi", in{"name": "sam-app"}, &a)
	w.ok("PutRestApi", in{"restapi_id": *a.Id, "mode": "overwrite", "failonwarnings": true, "body": sam()}, nil)
	var d Deployment
	w.ok("CreateDeployment", in{"restapi_id": *a.Id, "description": "RestApi deployment id: abc", "stageName": "Stage"}, &d)
	w.ok("CreateStage", in{"restapi_id": *a.Id, "stageName": "Prod", "deploymentId": *d.Id, "variables": in{"v": "1"}}, nil)

	r := w.call("GET " + *a.Id + "/Prod/hello?x=1&x=2")
	e := decoded(t, r.body)
	if r.status != 200 || e["resource"] != "/hello" || e["path"] != "/hello" || e["stageVariables"].(in)["v"] != "1" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if ctx := e["requestContext"].(in); ctx["path"] != "/_mayfly/api/"+*a.Id+"/Prod/hello" && ctx["path"] != "/Prod/hello" {
		t.Errorf("path %v", ctx["path"])
	}
	r = w.call("OPTIONS " + *a.Id + "/Prod/hello")
	if r.status != 200 || r.header.Get("Access-Control-Allow-Origin") != "*" || r.header.Get("Access-Control-Allow-Methods") != "GET,OPTIONS" {
		t.Errorf("preflight: %d %v %s", r.status, r.header, r.body)
	}
	w.want(w.call("GET "+*a.Id+"/Prod/items/a/b"), 401, `{"message":"Unauthorized"}`)
	r = w.call("PUT "+*a.Id+"/Prod/items/a/b", "Authorization", "token")
	e = decoded(t, r.body)
	auth := e["requestContext"].(in)["authorizer"].(in)
	if r.status != 200 || e["pathParameters"].(in)["id"] != "a/b" || auth["principalId"] != "me" || auth["n"] != "1" {
		t.Errorf("%d %s", r.status, r.body)
	}

	// A second deploy of the template: ids of what stays do not change.
	var before, after Resources
	w.ok("GetResources", in{"restapi_id": *a.Id}, &before)
	w.ok("PutRestApi", in{"restapi_id": *a.Id, "mode": "overwrite", "body": sam()}, nil)
	w.ok("GetResources", in{"restapi_id": *a.Id, "embed": "methods"}, &after)
	if len(before.Items) != 4 || len(after.Items) != 4 || *before.Items[0].Id != *after.Items[0].Id {
		t.Errorf("%d, then %d resources", len(before.Items), len(after.Items))
	}
	if r := w.call("GET " + *a.Id + "/Prod/hello"); r.status != 200 {
		t.Errorf("an import changed what is deployed: %d", r.status)
	}
}

// As Terraform's provider makes an API: resource by resource, and patches.
func TestTerraform(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(in{"endpointConfiguration": in{"types": []any{"EDGE"}}})
	w.patch("UpdateRestApi", in{"restapi_id": a.id},
		"replace", "/name", "tf", "replace", "/description", "d", "replace", "/endpointConfiguration/types/0", "REGIONAL",
		"add", "/binaryMediaTypes/image~1png", "", "replace", "/minimumCompressionSize", "10")
	var got RestApi
	w.ok("GetRestApi", in{"restapi_id": a.id}, &got)
	if *got.Name != "tf" || got.EndpointConfiguration.Types[0] != "REGIONAL" || len(got.EndpointConfiguration.Types) != 1 || got.BinaryMediaTypes[0] != "image/png" || *got.MinimumCompressionSize != 10 {
		t.Errorf("%+v", got)
	}
	w.patch("UpdateRestApi", in{"restapi_id": a.id}, "remove", "/binaryMediaTypes/image~1png", "", "remove", "/minimumCompressionSize", "")

	place := a.put("GET", "/pets/{id}", in{"requestParameters": in{"method.request.path.id": true}}, proxyTo("echo"))
	w.ok("PutMethodResponse", merged(in{"status_code": "200"}, place), nil)
	w.patch("UpdateMethod", place, "replace", "/apiKeyRequired", "true", "replace", "/requestParameters/method.request.querystring.q", "false")
	w.patch("UpdateIntegration", place, "replace", "/timeoutInMillis", "5000", "replace", "/uri", uri("echo"))
	d := a.deploy("", in{"stageName": nil, "description": "first"})
	w.ok("CreateStage", in{"restapi_id": a.id, "stageName": "prod", "deploymentId": d}, nil)
	w.patch("UpdateStage", in{"restapi_id": a.id, "stage_name": "prod"},
		"replace", "/variables/color", "blue", "replace", "/description", "live",
		"replace", "/*/*/logging/loglevel", "INFO", "replace", "/*/*/throttling/rateLimit", "100", "replace", "/*/*/throttling/burstLimit", "50",
		"replace", "/~1pets~1{id}/GET/metrics/enabled", "true",
		"replace", "/accessLogSettings/destinationArn", "arn:aws:logs:us-east-1:000000000000:log-group:/api", "replace", "/accessLogSettings/format", "$context.status $context.identity.apiKeyId")
	var s Stage
	w.ok("GetStage", in{"restapi_id": a.id, "stage_name": "prod"}, &s)
	if m := s.MethodSettings["*/*"]; m == nil || *m.LoggingLevel != "INFO" || *m.ThrottlingRateLimit != 100 || *m.ThrottlingBurstLimit != 50 || s.Variables["color"] != "blue" {
		t.Errorf("%+v", s)
	}
	if m := s.MethodSettings["pets~1{id}/GET"]; m == nil || !*m.MetricsEnabled {
		t.Errorf("%v", s.MethodSettings)
	}

	var key ApiKey
	w.ok("CreateApiKey", in{"name": "k", "enabled": true}, &key)
	var plan UsagePlan
	w.ok("CreateUsagePlan", in{"name": "p", "quota": in{"limit": 2, "period": "DAY"}}, &plan)
	where := in{"usageplanId": *plan.Id}
	w.patch("UpdateUsagePlan", where, "add", "/apiStages", a.id+":prod", "replace", "/throttle/rateLimit", "10", "replace", "/throttle/burstLimit", "5",
		"replace", "/apiStages/"+a.id+":prod/throttle/~1pets~1{id}~1GET/rateLimit", "7", "replace", "/apiStages/"+a.id+":prod/throttle/~1pets~1{id}~1GET/burstLimit", "3")
	w.ok("CreateUsagePlanKey", merged(in{"keyId": *key.Id, "keyType": "API_KEY"}, where), nil)
	w.want(w.call("GET "+a.id+"/prod/pets/1"), 403, `{"message":"Forbidden"}`)
	for range 2 {
		if r := w.call("GET "+a.id+"/prod/pets/1", "x-api-key", *key.Value); r.status != 200 {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	w.want(w.call("GET "+a.id+"/prod/pets/1", "x-api-key", *key.Value), 429, `{"message":"Limit Exceeded"}`)
	w.access.Flush()
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	if got := strings.Join(w.sink.lines["/api"], "|"); got != "403 -|200 "+*key.Id+"|200 "+*key.Id+"|429 "+*key.Id {
		t.Errorf("access log: %s", got)
	}
	if got := strings.Join(w.sink.lines["API-Gateway-Execution-Logs_"+a.id+"/prod"], "\n"); !strings.Contains(got, "Method completed with status: 200") {
		t.Errorf("execution log: %s", got)
	}

	w.patch("UpdateUsagePlan", where, "remove", "/apiStages", a.id+":prod")
	w.ok("DeleteUsagePlanKey", merged(in{"keyId": *key.Id}, where), nil)
	w.ok("DeleteUsagePlan", where, nil)
	w.ok("DeleteApiKey", in{"api_Key": *key.Id}, nil)
	w.ok("DeleteStage", in{"restapi_id": a.id, "stage_name": "prod"}, nil)
	w.ok("DeleteDeployment", in{"restapi_id": a.id, "deployment_id": d}, nil)
	w.ok("DeleteIntegration", place, nil)
	w.ok("DeleteMethodResponse", merged(in{"status_code": "200"}, place), nil)
	w.ok("DeleteMethod", place, nil)
	w.ok("DeleteResource", in{"restapi_id": a.id, "resource_id": a.at("/pets")}, nil)
	w.ok("DeleteRestApi", in{"restapi_id": a.id}, nil)
	w.refused("GetRestApi", in{"restapi_id": a.id}, 404, "NotFoundException", "Invalid API identifier specified 000000000000:"+a.id)
}

// As CDK's LambdaRestApi with CORS makes an API: ANY at the root and at
// {proxy+}, and OPTIONS of a mock whose template is no JSON.
func TestCDK(t *testing.T) {
	w := newWorld(t)
	a := w.newAPI(nil)
	a.put("ANY", "/", nil, proxyTo("echo"))
	a.put("ANY", "/{proxy+}", nil, proxyTo("echo"))
	for _, path := range []string{"/", "/{proxy+}"} {
		place := a.put("OPTIONS", path, nil, in{"type": "MOCK", "requestTemplates": in{"application/json": "{ statusCode: 200 }"}})
		names := in{"method.response.header.Access-Control-Allow-Origin": true, "method.response.header.Vary": true, "method.response.header.Access-Control-Allow-Methods": true}
		w.ok("PutMethodResponse", merged(in{"status_code": "204", "responseParameters": names}, place), nil)
		w.ok("PutIntegrationResponse", merged(in{
			"status_code": "204",
			"responseParameters": in{
				"method.response.header.Access-Control-Allow-Origin":  "'https://a.example'",
				"method.response.header.Vary":                         "'Origin'",
				"method.response.header.Access-Control-Allow-Methods": "'OPTIONS,GET,PUT'",
			},
			"responseTemplates": in{"application/json": "#set($origin = $input.params(\"Origin\"))\n#if($origin == \"\") #set($origin = $input.params(\"origin\")) #end\n#if($origin == \"https://b.example\")\n  #set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)\n#end"},
		}, place), nil)
	}
	w.ok("UpdateAccount", in{"patchOperations": patchOps("replace", "/cloudwatchRoleArn", "arn:aws:iam::000000000000:role/logs")}, nil)
	a.deploy("prod", nil)
	for _, tt := range []struct{ origin, want string }{{"https://c.example", "https://a.example"}, {"https://b.example", "https://b.example"}} {
		r := w.call("OPTIONS "+a.id+"/prod/deep/er", "Origin", tt.origin)
		if r.status != http.StatusNoContent || r.header.Get("Access-Control-Allow-Origin") != tt.want || r.header.Get("Vary") != "Origin" {
			t.Errorf("%s: %d %v %s", tt.origin, r.status, r.header, r.body)
		}
	}
	for path, want := range map[string]string{"": "/", "/": "/", "/x/y%20z": "/{proxy+}"} {
		r := w.call("DELETE " + a.id + "/prod" + path)
		if e := decoded(t, r.body); r.status != 200 || e["resource"] != want {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}
