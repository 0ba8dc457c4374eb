package apigatewayv2

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

const function = "arn:aws:lambda:us-east-1:000000000000:function:f"

// A client calls the service as clients do.
type client struct {
	*wiretest.Client
	t    testing.TB
	book *api.Book
}

type in = map[string]any

func newClient(t testing.TB) *client {
	t.Helper()
	db, err := store.OpenSQLite(filepath.Join(t.TempDir(), "x.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b, err := api.Open(t.Context(), api.Config{
		DB: db, Account: "000000000000", Region: "us-east-1", Now: func() time.Time { return time.UnixMilli(1700000000000) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return &client{wiretest.New(t, Service(b)), t, b}
}

// ok calls op, wants success and answers the body.
func (c *client) ok(op string, in in, out any) string {
	c.t.Helper()
	a := c.Do(op, wireNames(in), out)
	if a.Status >= 300 {
		c.t.Fatalf("%s: %d %s: %s", op, a.Status, a.Code, a.Message)
	}
	return string(a.Body)
}

// refused calls op and wants an error whose message begins with message.
func (c *client) refused(op string, in in, status int, code, message string) {
	c.t.Helper()
	a := c.Do(op, wireNames(in), nil)
	if a.Status != status || a.Code != code || !strings.HasPrefix(a.Message, message) {
		c.t.Errorf("%s %v: %d %s: %s\nwant %d %s: %s", op, in, a.Status, a.Code, a.Message, status, code, message)
	}
}

// wireNames are a request's members as the wire has them: "ApiId" is "apiId".
func wireNames(v any) any {
	switch v := v.(type) {
	case in:
		m := in{}
		for k, e := range v {
			switch {
			case k == "ResourceArn":
				k = "resource-arn"
			case member.MatchString(k):
				k = strings.ToLower(k[:1]) + k[1:]
			}
			m[k] = wireNames(e)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			l[i] = wireNames(e)
		}
		return l
	}
	return v
}

var member = regexp.MustCompile(`^[A-Z][a-z]`)

// create makes an API and answers its id.
func (c *client) create(more in) string {
	c.t.Helper()
	r := in{"Name": "shop", "ProtocolType": "HTTP"}
	for k, v := range more {
		r[k] = v
	}
	var a Api
	c.ok("CreateApi", r, &a)
	return *a.ApiId
}

func (c *client) lambda(id string) string {
	c.t.Helper()
	var n Integration
	c.ok("CreateIntegration", in{"ApiId": id, "IntegrationType": "AWS_PROXY", "IntegrationUri": function, "PayloadFormatVersion": "2.0"}, &n)
	return *n.IntegrationId
}

func (c *client) route(id, key, integration string) string {
	c.t.Helper()
	var r Route
	c.ok("CreateRoute", in{"ApiId": id, "RouteKey": key, "Target": "integrations/" + integration}, &r)
	return *r.RouteId
}

// same wants body to be want, where ids that are made are written <id>.
func same(t testing.TB, body, want string) {
	t.Helper()
	body = regexp.MustCompile(`Id":"[a-z0-9]{6,10}"`).ReplaceAllString(body, `Id":"<id>"`)
	body = regexp.MustCompile(`//[a-z0-9]{10}\.`).ReplaceAllString(body, `//<id>.`)
	body = regexp.MustCompile(`localhost:\d+`).ReplaceAllString(body, `localhost:1`)
	if body != want {
		t.Errorf("answered\n%s\nwant\n%s", body, want)
	}
}

// What AWS shows of parts that say as little as they may.
func TestDefaults(t *testing.T) {
	c := newClient(t)
	same(t, c.ok("CreateApi", in{"Name": "n", "ProtocolType": "HTTP"}, nil),
		`{"apiEndpoint":"http://<id>.execute-api.us-east-1.localhost:1","apiId":"<id>","apiKeySelectionExpression":"$request.header.x-api-key",`+
			`"createdDate":"2023-11-14T22:13:20Z","disableExecuteApiEndpoint":false,"ipAddressType":"ipv4","name":"n","protocolType":"HTTP",`+
			`"routeSelectionExpression":"$request.method $request.path","tags":{}}`)
	same(t, c.ok("CreateApi", in{"Name": "n", "ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action", "Tags": in{"a": "b"}}, nil),
		`{"apiEndpoint":"ws://<id>.execute-api.us-east-1.localhost:1","apiId":"<id>","apiKeySelectionExpression":"$request.header.x-api-key",`+
			`"createdDate":"2023-11-14T22:13:20Z","disableExecuteApiEndpoint":false,"ipAddressType":"ipv4","name":"n","protocolType":"WEBSOCKET",`+
			`"routeSelectionExpression":"$request.body.action","tags":{"a":"b"}}`)
	id := c.create(nil)
	same(t, c.ok("CreateIntegration", in{"ApiId": id, "IntegrationType": "AWS_PROXY", "IntegrationUri": function, "PayloadFormatVersion": "1.0"}, nil),
		`{"connectionType":"INTERNET","integrationId":"<id>","integrationType":"AWS_PROXY",`+
			`"integrationUri":"`+function+`","payloadFormatVersion":"1.0","timeoutInMillis":30000}`)
	same(t, c.ok("CreateRoute", in{"ApiId": id, "RouteKey": "GET /pets/{id}"}, nil),
		`{"apiKeyRequired":false,"authorizationType":"NONE","routeId":"<id>","routeKey":"GET /pets/{id}"}`)
	same(t, c.ok("CreateStage", in{"ApiId": id, "StageName": "dev"}, nil),
		`{"createdDate":"2023-11-14T22:13:20Z","defaultRouteSettings":{"detailedMetricsEnabled":false},"lastUpdatedDate":"2023-11-14T22:13:20Z",`+
			`"routeSettings":{},"stageName":"dev","stageVariables":{},"tags":{}}`)
	same(t, c.ok("CreateDeployment", in{"ApiId": id}, nil),
		`{"autoDeployed":false,"createdDate":"2023-11-14T22:13:20Z","deploymentId":"<id>","deploymentStatus":"DEPLOYED"}`)
	same(t, c.ok("CreateAuthorizer", in{
		"ApiId": id, "Name": "fn", "AuthorizerType": "REQUEST", "AuthorizerPayloadFormatVersion": "2.0", "IdentitySource": []any{"$request.header.X"},
		"AuthorizerUri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/" + function + "/invocations",
	}, nil), `{"authorizerId":"<id>","authorizerPayloadFormatVersion":"2.0","authorizerResultTtlInSeconds":300,"authorizerType":"REQUEST",`+
		`"authorizerUri":"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/`+function+`/invocations","identitySource":["$request.header.X"],"name":"fn"}`)
	ws := c.create(in{"ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action"})
	same(t, c.ok("CreateIntegration", in{"ApiId": ws, "IntegrationType": "MOCK"}, nil),
		`{"connectionType":"INTERNET","integrationId":"<id>","integrationResponseSelectionExpression":"${integration.response.statuscode}",`+
			`"integrationType":"MOCK","passthroughBehavior":"WHEN_NO_MATCH","payloadFormatVersion":"1.0","timeoutInMillis":29000}`)
}

func TestQuickCreate(t *testing.T) {
	c := newClient(t)
	id := c.create(in{"Target": function})
	same(t, c.ok("GetIntegrations", in{"ApiId": id}, nil),
		`{"items":[{"apiGatewayManaged":true,"connectionType":"INTERNET","integrationId":"<id>","integrationMethod":"POST","integrationType":"AWS_PROXY",`+
			`"integrationUri":"`+function+`","payloadFormatVersion":"2.0","timeoutInMillis":30000}]}`)
	var routes GetRoutesResponse
	c.ok("GetRoutes", in{"ApiId": id}, &routes)
	if r := routes.Items[0]; len(routes.Items) != 1 || *r.RouteKey != "$default" || !*r.ApiGatewayManaged {
		t.Errorf("routes %+v", routes.Items[0])
	}
	var stage Stage
	c.ok("GetStage", in{"ApiId": id, "StageName": "$default"}, &stage)
	if !*stage.AutoDeploy || !*stage.ApiGatewayManaged || stage.DeploymentId == nil ||
		*stage.LastDeploymentStatusMessage != "Successfully deployed stage with deployment ID '"+*stage.DeploymentId+"'" {
		t.Errorf("stage %+v", stage)
	}
	c.ok("UpdateApi", in{"ApiId": id, "Target": "https://example.com/x", "RouteKey": "GET /"}, nil)
	d, err := c.book.Deployed(t.Context(), id, "$default")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range d.Routes {
		n := d.Snapshot.Integrations[strings.TrimPrefix(r.Target, "integrations/")]
		if r.RouteKey != "GET /" || n.IntegrationType != "HTTP_PROXY" || n.IntegrationMethod != "ANY" || n.PayloadFormatVersion != "1.0" {
			t.Errorf("after the update %+v %+v", r, n)
		}
	}
	c.refused("CreateApi", in{"Name": "x", "ProtocolType": "HTTP", "RouteKey": "GET /"}, 400, "BadRequestException", "Target is a required")
	c.refused("UpdateApi", in{"ApiId": c.create(nil), "Target": function}, 400, "BadRequestException", "Target, RouteKey and CredentialsArn can be updated only")
}

func TestUpdatesMergeAndRemove(t *testing.T) {
	c := newClient(t)
	id := c.create(in{"Description": "d", "CorsConfiguration": in{"AllowOrigins": []any{"*"}, "MaxAge": 5}})
	body := c.ok("UpdateApi", in{"ApiId": id, "Description": "", "CorsConfiguration": in{"AllowMethods": []any{"GET"}}}, nil)
	if strings.Contains(body, "description") || !strings.Contains(body, `"corsConfiguration":{"allowCredentials":false,"allowMethods":["GET"]}`) {
		t.Error(body)
	}
	c.ok("DeleteCorsConfiguration", in{"ApiId": id}, nil)
	if body := c.ok("GetApi", in{"ApiId": id}, nil); strings.Contains(body, "cors") {
		t.Error(body)
	}
	n := c.lambda(id)
	c.ok("UpdateIntegration", in{"ApiId": id, "IntegrationId": n, "RequestParameters": in{"append:header.a": "1", "append:header.b": "2"}, "TimeoutInMillis": 50}, nil)
	body = c.ok("UpdateIntegration", in{"ApiId": id, "IntegrationId": n, "RequestParameters": in{"append:header.a": ""}}, nil)
	if !strings.Contains(body, `"requestParameters":{"append:header.b":"2"}`) || !strings.Contains(body, `"timeoutInMillis":50`) {
		t.Error(body)
	}
	c.route(id, "GET /", n)
	c.ok("CreateStage", in{"ApiId": id, "StageName": "s", "StageVariables": in{"a": "1", "b": "2"},
		"DefaultRouteSettings": in{"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 1.5}}, nil)
	body = c.ok("UpdateStage", in{"ApiId": id, "StageName": "s", "StageVariables": in{"a": "", "c": "3"},
		"RouteSettings": in{"GET /": in{"ThrottlingBurstLimit": 7}}, "DefaultRouteSettings": in{"ThrottlingBurstLimit": 6}}, nil)
	for _, want := range []string{
		`"stageVariables":{"b":"2","c":"3"}`, `"routeSettings":{"GET /":{"throttlingBurstLimit":7}}`,
		`"defaultRouteSettings":{"detailedMetricsEnabled":false,"throttlingBurstLimit":6,"throttlingRateLimit":1.5}`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	c.ok("DeleteRouteSettings", in{"ApiId": id, "StageName": "s", "RouteKey": "GET /"}, nil)
	c.refused("DeleteRouteSettings", in{"ApiId": id, "StageName": "s", "RouteKey": "GET /"}, 404, "NotFoundException", "Unable to find Route by key GET /")
	logs := in{"DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:web", "Format": "$context.requestId"}
	c.ok("UpdateStage", in{"ApiId": id, "StageName": "s", "AccessLogSettings": logs}, nil)
	c.ok("DeleteAccessLogSettings", in{"ApiId": id, "StageName": "s"}, nil)
	c.ok("ResetAuthorizersCache", in{"ApiId": id, "StageName": "s"}, nil)
	d, err := c.book.Deployed(t.Context(), id, "s")
	if err != nil || d.Stage.AccessLogSettings != nil || d.Stage.AuthorizersReset != 1 || d.Settings("GET /").ThrottlingRateLimit == nil {
		t.Errorf("%+v %v", d, err)
	}
}

func TestTags(t *testing.T) {
	c := newClient(t)
	id := c.create(in{"Tags": in{"a": "1"}})
	c.ok("CreateStage", in{"ApiId": id, "StageName": "s"}, nil)
	c.ok("CreateDomainName", in{"DomainName": "Shop.Example.com", "DomainNameConfigurations": []any{in{"CertificateArn": "arn:aws:acm:us-east-1:0:certificate/x"}}}, nil)
	for _, arn := range []string{"/apis/" + id, "/apis/" + id + "/stages/s", "/domainnames/shop.example.com"} {
		arn = "arn:aws:apigateway:us-east-1::" + arn
		c.ok("TagResource", in{"ResourceArn": arn, "Tags": in{"b": "2", "c": "3"}}, nil)
		c.ok("UntagResource", in{"ResourceArn": arn, "TagKeys": []any{"a", "c"}}, nil)
		same(t, c.ok("GetTags", in{"ResourceArn": arn}, nil), `{"tags":{"b":"2"}}`)
		c.refused("TagResource", in{"ResourceArn": arn, "Tags": in{"aws:x": "2"}}, 400, "BadRequestException", "Invalid tag")
	}
	c.refused("GetTags", in{"ResourceArn": "arn:aws:apigateway:us-east-1::/apis/nope"}, 404, "NotFoundException", "Invalid API identifier specified 000000000000:nope")
	c.refused("GetTags", in{"ResourceArn": "arn:aws:s3:::b"}, 400, "BadRequestException", "Invalid resource ARN")
}

func TestPages(t *testing.T) {
	c := newClient(t)
	id := c.create(nil)
	want := map[string]bool{}
	for _, k := range []string{"GET /a", "GET /b", "GET /c", "GET /d", "GET /e"} {
		c.ok("CreateRoute", in{"ApiId": id, "RouteKey": k}, nil)
		want[k] = true
	}
	r, pages := in{"ApiId": id, "MaxResults": "2"}, 0
	for {
		var out GetRoutesResponse
		c.ok("GetRoutes", r, &out)
		pages++
		for _, i := range out.Items {
			delete(want, *i.RouteKey)
		}
		if out.NextToken == nil {
			break
		}
		r["NextToken"] = *out.NextToken
	}
	if pages != 3 || len(want) != 0 {
		t.Errorf("%d pages, without %v", pages, want)
	}
	c.refused("GetRoutes", in{"ApiId": id, "NextToken": "!"}, 400, "BadRequestException", "Invalid NextToken")
	c.refused("GetRoutes", in{"ApiId": id, "MaxResults": "0"}, 400, "BadRequestException", "Invalid value for MaxResults")
	for range 3 {
		c.create(nil)
	}
	var apis GetApisResponse
	c.ok("GetApis", in{"MaxResults": "3"}, &apis)
	if len(apis.Items) != 3 || apis.NextToken == nil || !strings.HasPrefix(*apis.Items[0].ApiEndpoint, "http://"+*apis.Items[0].ApiId+".execute-api.") {
		t.Errorf("%+v", apis)
	}
}

func TestDomains(t *testing.T) {
	c := newClient(t)
	id := c.create(in{"Target": function})
	body := c.ok("CreateDomainName", in{"DomainName": "api.example.com", "DomainNameConfigurations": []any{in{"CertificateArn": "arn:aws:acm:us-east-1:0:certificate/x", "EndpointType": "REGIONAL"}}}, nil)
	for _, want := range []string{`"domainName":"api.example.com"`, `"domainNameStatus":"AVAILABLE"`, `"apiMappingSelectionExpression":"$request.basepath"`, `.execute-api.us-east-1.localhost"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	var root, v1 ApiMapping
	c.ok("CreateApiMapping", in{"DomainName": "api.example.com", "ApiId": id, "Stage": "$default"}, &root)
	c.ok("CreateApiMapping", in{"DomainName": "api.example.com", "ApiId": id, "Stage": "$default", "ApiMappingKey": "orders/v1"}, &v1)
	d, err := c.book.Domain(t.Context(), "api.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][2]string{
		"/orders/v1/x": {"orders/v1", "/x"}, "/orders/v1": {"orders/v1", "/"}, "/orders/v10/x": {"", "/orders/v10/x"}, "/": {"", "/"},
	} {
		if m, rest := d.Resolve(path); m.ApiMappingKey != want[0] || rest != want[1] {
			t.Errorf("%s: %q %q, want %q", path, m.ApiMappingKey, rest, want)
		}
	}
	refuse := func(r in, status int, code, message string) {
		t.Helper()
		r["DomainName"] = "api.example.com"
		c.refused("CreateApiMapping", r, status, code, message)
	}
	refuse(in{"ApiId": id, "Stage": "$default"}, 409, "ConflictException", "ApiMapping key already exists")
	refuse(in{"ApiId": id, "Stage": "nope", "ApiMappingKey": "x"}, 400, "BadRequestException", "Invalid stage identifier")
	refuse(in{"ApiId": "nope", "Stage": "$default", "ApiMappingKey": "x"}, 404, "NotFoundException", "Invalid API identifier")
	refuse(in{"ApiId": id, "Stage": "$default", "ApiMappingKey": "/x"}, 400, "BadRequestException", "API mapping key")
	c.refused("DeleteApi", in{"ApiId": id}, 400, "BadRequestException", "Please remove all API mappings")
	c.refused("DeleteStage", in{"ApiId": id, "StageName": "$default"}, 400, "BadRequestException", "Please remove all API mappings")
	same(t, c.ok("UpdateApiMapping", in{"DomainName": "api.example.com", "ApiMappingId": *v1.ApiMappingId, "ApiId": id, "ApiMappingKey": "v2"}, nil),
		`{"apiId":"<id>","apiMappingId":"<id>","apiMappingKey":"v2","stage":"$default"}`)
	c.ok("DeleteApiMapping", in{"DomainName": "api.example.com", "ApiMappingId": *root.ApiMappingId}, nil)
	var left GetApiMappingsResponse
	c.ok("GetApiMappings", in{"DomainName": "api.example.com"}, &left)
	if len(left.Items) != 1 || *left.Items[0].ApiMappingKey != "v2" {
		t.Errorf("%+v", left.Items)
	}
	c.ok("DeleteDomainName", in{"DomainName": "api.example.com"}, nil)
	c.refused("GetDomainName", in{"DomainName": "api.example.com"}, 404, "NotFoundException", "Invalid domain name identifier specified")
	c.ok("DeleteApi", in{"ApiId": id}, nil)
}
