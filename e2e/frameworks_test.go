package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	v2types "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// A door is a way from the web to a function: it answers the address below which
// the function's paths are.
type door func(t *testing.T, s *server, function string) string

var doors = map[string]door{"url": urlDoor, "http": httpDoor, "payload1": payload1Door, "rest": restDoor}

// TestFrameworks: each framework's own application, unmodified behind its own
// adapter, does the same behind every door.
func TestFrameworks(t *testing.T) {
	s := start(t)
	for _, f := range []struct {
		name  string
		build func(t *testing.T, s *server, name, door string)
		doors []string
	}{
		{"express", deployNode, []string{"url", "http", "payload1", "rest"}},
		{"fastify", deployNode, []string{"http", "rest"}},
		{"hono", deployNode, []string{"url", "http", "stream"}},
		{"fastapi", deployPython, []string{"http", "payload1"}},
		{"flask", deployPython, []string{"url", "rest"}},
		{"web", deployGo, []string{"url", "rest", "stream"}},
	} {
		t.Run(f.name, func(t *testing.T) {
			for _, d := range f.doors {
				f.build(t, s, f.name, d)
				open := doors[d]
				if d == "stream" {
					open = streamDoor
				}
				t.Run(d, func(t *testing.T) { visit(t, s, open(t, s, f.name)) })
			}
		})
	}
}

// visit does to an application what each of them answers in the same way.
func visit(t *testing.T, s *server, base string) {
	base = strings.TrimSuffix(base, "/")
	for _, c := range []struct {
		method, path, kind, body string
		status                   int
		want                     string // text, or JSON when it begins with a brace; "" is anything
		header                   http.Header
	}{
		{method: "GET", path: "/", status: 200, want: "Hello World!"},
		{method: "GET", path: "/users/a-b?x=1&y=%26+%C3%A9", status: 200, want: `{"id":"a-b","q":{"x":"1","y":"& é"},"agent":"me"}`},
		{method: "POST", path: "/users", kind: "application/json", body: `{"name":"Zoë"}`, status: 201, want: `{"id":7,"name":"Zoë"}`, header: http.Header{"Location": {"/users/7"}}},
		{method: "POST", path: "/bytes", kind: "application/octet-stream", body: "\x00\xff\xfe\x80abc", status: 200, want: "cba\x80\xfe\xff\x00"},
		{method: "GET", path: "/login", status: 302, header: http.Header{"Location": {"/"}}},
		{method: "GET", path: "/nowhere", status: 404},
		// The last: after it uvicorn closes its connection, and an adapter that would
		// use it again may meet that.
		{method: "GET", path: "/broken", status: 500},
	} {
		status, header, body := s.web(t, c.method, base+c.path, c.body, http.Header{"Content-Type": {c.kind}, "X-Agent": {"me"}})
		if status != c.status {
			t.Errorf("%s %s: status %d, want %d: %.300s", c.method, c.path, status, c.status, body)
		} else if !alike(body, c.want) {
			t.Errorf("%s %s: %q, want %q", c.method, c.path, body, c.want)
		}
		for k, v := range c.header {
			if !slices.Equal(header[k], v) {
				t.Errorf("%s %s: %s is %q, want %q", c.method, c.path, k, header[k], v)
			}
		}
		if c.path == "/login" {
			if set := header.Values("Set-Cookie"); len(set) != 2 || !strings.HasPrefix(set[0], "a=1") || !strings.HasPrefix(set[1], "b=2") || !strings.Contains(set[1], "HttpOnly") {
				t.Errorf("cookies are %q", set)
			}
		}
	}
}

// alike compares JSON by what it says.
func alike(got, want string) bool {
	if !strings.HasPrefix(want, "{") {
		return want == "" || got == want
	}
	var a, b any
	return json.Unmarshal([]byte(got), &a) == nil && json.Unmarshal([]byte(want), &b) == nil && reflect.DeepEqual(a, b)
}

// web makes a request to a web address of the server, whatever its host name
// resolves to here, and follows no redirection.
func (s *server) web(t *testing.T, method, url, body string, header http.Header) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		if v[0] != "" {
			r.Header[k] = v
		}
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.addr)
	}}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// framework copies a framework's folder, to be deployed from.
func framework(t *testing.T, name string) string {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("frameworks", name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// redeploy tells a function that is there which door it is behind; it reports
// whether there is one.
func redeploy(t *testing.T, s *server, name, door string) bool {
	c := lambda.NewFromConfig(s.config())
	env := map[string]string{"DOOR": door}
	if door == "stream" {
		env["STREAM"] = "1"
	}
	_, err := c.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: &name, Environment: &types.Environment{Variables: env}})
	if err == nil {
		active(t, c, name)
	}
	return err == nil
}

func deployNode(t *testing.T, s *server, name, door string) {
	if redeploy(t, s, name, door) {
		return
	}
	dir := framework(t, name)
	s.sh(dir, "npm install --no-audit --no-fund --silent --omit=dev >/dev/null 2>&1; test -d node_modules")
	s.sh(dir, "mayfly deploy . --name "+name+" --runtime "+s.nodeRuntime()+" --handler index.handler --env DOOR="+door)
}

func deployPython(t *testing.T, s *server, name, door string) {
	if redeploy(t, s, name, door) {
		return
	}
	dir, rt := framework(t, name), s.pythonRuntime()
	s.sh(dir, python(t)+" -m pip install -q --target . --only-binary=:all: --python-version "+strings.TrimPrefix(rt, "python")+" --implementation cp -r requirements.txt")
	s.sh(dir, "mayfly deploy . --name "+name+" --runtime "+rt+" --handler app.handler --env DOOR="+door)
}

func deployGo(t *testing.T, s *server, name, door string) {
	if redeploy(t, s, name, door) {
		return
	}
	create(t, lambda.NewFromConfig(s.config()), name, "provided.al2023", "bootstrap", bootstrap(t, name), func(in *lambda.CreateFunctionInput) {
		in.Environment = &types.Environment{Variables: map[string]string{"DOOR": door}}
	})
}

func urlDoor(t *testing.T, s *server, name string) string {
	return openURL(t, s, name, types.InvokeModeBuffered)
}

func streamDoor(t *testing.T, s *server, name string) string {
	return openURL(t, s, name, types.InvokeModeResponseStream)
}

// openURL gives a function an address that is open to everybody.
func openURL(t *testing.T, s *server, name string, mode types.InvokeMode) string {
	t.Helper()
	c := lambda.NewFromConfig(s.config())
	if out, err := c.UpdateFunctionUrlConfig(t.Context(), &lambda.UpdateFunctionUrlConfigInput{FunctionName: &name, InvokeMode: mode}); err == nil {
		return *out.FunctionUrl
	}
	out, err := c.CreateFunctionUrlConfig(t.Context(), &lambda.CreateFunctionUrlConfigInput{FunctionName: &name, AuthType: types.FunctionUrlAuthTypeNone, InvokeMode: mode})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*lambda.AddPermissionInput{
		{StatementId: aws.String("url"), Action: aws.String("lambda:InvokeFunctionUrl"), FunctionUrlAuthType: types.FunctionUrlAuthTypeNone},
		{StatementId: aws.String("invoke"), Action: aws.String("lambda:InvokeFunction"), InvokedViaFunctionUrl: aws.Bool(true)},
	} {
		p.FunctionName, p.Principal = &name, aws.String("*")
		if _, err := c.AddPermission(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	return *out.FunctionUrl
}

// permit lets API Gateway invoke a function.
func permit(t *testing.T, s *server, name, api string) {
	t.Helper()
	if _, err := lambda.NewFromConfig(s.config()).AddPermission(t.Context(), &lambda.AddPermissionInput{FunctionName: &name, StatementId: &api, Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("apigateway.amazonaws.com"), SourceArn: aws.String(resource("execute-api", api+"/*"))}); err != nil {
		t.Fatal(err)
	}
}

// httpDoor is an HTTP API as `create-api --target` makes it.
func httpDoor(t *testing.T, s *server, name string) string {
	c := apigatewayv2.NewFromConfig(s.config())
	out, err := c.CreateApi(t.Context(), &apigatewayv2.CreateApiInput{Name: &name, ProtocolType: v2types.ProtocolTypeHttp, Target: aws.String(resource("lambda", "function:"+name))})
	if err != nil {
		t.Fatal(err)
	}
	permit(t, s, name, *out.ApiId)
	return *out.ApiEndpoint
}

// payload1Door is an HTTP API with the payload of version 1.0.
func payload1Door(t *testing.T, s *server, name string) string {
	c, ctx := apigatewayv2.NewFromConfig(s.config()), t.Context()
	api, err := c.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: &name, ProtocolType: v2types.ProtocolTypeHttp})
	if err != nil {
		t.Fatal(err)
	}
	to, err := c.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{ApiId: api.ApiId, IntegrationType: v2types.IntegrationTypeAwsProxy,
		IntegrationUri: aws.String(resource("lambda", "function:"+name)), PayloadFormatVersion: aws.String("1.0")})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"ANY /", "ANY /{proxy+}"} {
		if _, err := c.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: api.ApiId, RouteKey: &key, Target: aws.String("integrations/" + *to.IntegrationId)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: api.ApiId, StageName: aws.String("$default"), AutoDeploy: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	permit(t, s, name, *api.ApiId)
	return *api.ApiEndpoint
}

// restDoor is a REST API, resource by resource.
func restDoor(t *testing.T, s *server, name string) string {
	c, ctx := apigateway.NewFromConfig(s.config()), t.Context()
	api, err := c.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: &name, BinaryMediaTypes: []string{"*/*"}})
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := c.CreateResource(ctx, &apigateway.CreateResourceInput{RestApiId: api.Id, ParentId: api.RootResourceId, PathPart: aws.String("{proxy+}")})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []*string{api.RootResourceId, proxy.Id} {
		if _, err := c.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api.Id, ResourceId: at, HttpMethod: aws.String("ANY"), AuthorizationType: aws.String("NONE")}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: api.Id, ResourceId: at, HttpMethod: aws.String("ANY"), Type: "AWS_PROXY", IntegrationHttpMethod: aws.String("POST"),
			Uri: aws.String("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/" + resource("lambda", "function:"+name) + "/invocations")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: aws.String("prod")}); err != nil {
		t.Fatal(err)
	}
	permit(t, s, name, *api.Id)
	_, port, _ := net.SplitHostPort(s.addr)
	return "http://" + *api.Id + ".execute-api.us-east-1.localhost:" + port + "/prod"
}

// TestHonoStreams: the lines of a streamed answer.
func TestHonoStreams(t *testing.T) {
	s := start(t)
	deployNode(t, s, "hono", "url")
	redeploy(t, s, "hono", "stream")
	base := streamDoor(t, s, "hono")
	_, header, body := s.web(t, "GET", base+"lines", "", nil)
	if body != "line 1\nline 2\nline 3\n" || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
		t.Errorf("%q, %q", body, header)
	}
	if bytes.ContainsRune([]byte(body), 0) {
		t.Error("the prelude reached the client")
	}
}
