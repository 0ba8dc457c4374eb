package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// The layer that AWS publishes for its web adapter has two files: the extension, and
// a script that AWS_LAMBDA_EXEC_WRAPPER names, which makes the handler, a program of
// the package, the runtime. MAYFLY_LWA=/path/to/lambda-adapter has these tests use
// AWS's own program in the place of ours (cargo install lambda_web_adapter).
const wrapper = "#!/bin/bash\n\nexec -- \"${LAMBDA_TASK_ROOT}/${_HANDLER}\"\n"

// adapterLayer publishes the layer.
func adapterLayer(t *testing.T, c *lambda.Client) string {
	t.Helper()
	var program []byte
	var err error
	if name := os.Getenv("MAYFLY_LWA"); name != "" {
		program, err = os.ReadFile(name)
	} else {
		program, err = os.ReadFile(compiled(t, "adapter"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return layer(t, c, "web-adapter", map[string]string{"+extensions/lambda-adapter": string(program), "+bootstrap": wrapper})
}

// layer publishes files as a layer.
func layer(t *testing.T, c *lambda.Client, name string, files map[string]string) string {
	t.Helper()
	out, err := c.PublishLayerVersion(t.Context(), &lambda.PublishLayerVersionInput{
		LayerName: &name, Content: &types.LayerVersionContentInput{ZipFile: zipped(t, files)}})
	if err != nil {
		t.Fatal(err)
	}
	return *out.LayerVersionArn
}

// adapted makes a function of a web server behind the adapter: run is what run.sh
// says.
func adapted(layer string, env map[string]string) func(*lambda.CreateFunctionInput) {
	all := map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap", "PORT": "8080", "AWS_LWA_PORT": "8080"}
	for k, v := range env {
		all[k] = v
	}
	return func(in *lambda.CreateFunctionInput) {
		in.Layers, in.Environment, in.MemorySize = []string{layer}, &types.Environment{Variables: all}, aws.Int32(512)
	}
}

// TestWebAdapter: plain web servers, unmodified, behind a web adapter as a layer.
func TestWebAdapter(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config())
	arn := adapterLayer(t, c)
	for _, tt := range []struct{ name, runtime, file, run string }{
		{"python", s.pythonRuntime(), "server.py", "exec python3 server.py\n"},
		{"node", s.nodeRuntime(), "server.mjs", "exec node server.mjs\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, err := os.ReadFile(filepath.Join("testdata/adapter", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			zip := zipped(t, map[string]string{tt.file: string(code), "+run.sh": "#!/bin/bash\n" + tt.run})
			create(t, c, tt.name, tt.runtime, "run.sh", zip, adapted(arn, nil))
			base := strings.TrimSuffix(urlDoor(t, s, tt.name), "/")
			first := getJSON(t, s, base+"/a/b?x=1&y=2")
			if first["method"] != "GET" || first["path"] != "/a/b?x=1&y=2" || first["agent"] != "me" {
				t.Errorf("GET: %v", first)
			}
			if again := getJSON(t, s, base+"/"); again["pid"] != first["pid"] {
				t.Errorf("process %v, then %v: the server was started anew", first["pid"], again["pid"])
			}
			if _, _, body := s.web(t, "POST", base+"/p", "héllo", http.Header{}); !strings.Contains(body, `POST`) {
				t.Errorf("POST: %s", body)
			}
			await(t, "the extension's line", func() bool {
				return strings.Contains(s.sh(s.Data, "mayfly logs "+tt.name), "EXTENSION\tName: lambda-adapter\tState: Ready\tEvents: []")
			})
		})
	}
}

// getJSON gets a document.
func getJSON(t *testing.T, s *server, url string) (doc map[string]any) {
	t.Helper()
	status, _, body := s.web(t, "GET", url, "", http.Header{"X-Agent": {"me"}})
	if err := json.Unmarshal([]byte(body), &doc); err != nil || status != 200 {
		t.Fatalf("GET %s: %d %q, %v", url, status, body, err)
	}
	return doc
}

// TestWebAdapterFrameworks: the applications of TestFrameworks, served by their own
// servers instead of by adapters in the program.
func TestWebAdapterFrameworks(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config())
	arn := adapterLayer(t, c)
	for name, run := range map[string]string{
		"flask":   "exec python3 -m flask --app app run --port $PORT\n",
		"fastapi": "exec python3 -m uvicorn app:app --port $PORT --log-level warning\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir, rt := framework(t, name), s.pythonRuntime()
			s.sh(dir, python(t)+" -m pip install -q --target . --only-binary=:all: --python-version "+strings.TrimPrefix(rt, "python")+
				" --implementation cp -r requirements.txt uvicorn")
			if err := os.WriteFile(filepath.Join(dir, "run.sh"), []byte("#!/bin/bash\n"+run), 0o755); err != nil {
				t.Fatal(err)
			}
			env := " --env AWS_LAMBDA_EXEC_WRAPPER=/opt/bootstrap --env PORT=8080 --env AWS_LWA_PORT=8080 --env PYTHONPATH=/var/task"
			s.sh(dir, "mayfly deploy . --name "+name+" --runtime "+rt+" --handler run.sh"+env)
			if _, err := c.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: &name, Layers: []string{arn}}); err != nil {
				t.Fatal(err)
			}
			active(t, c, name)
			visit(t, s, urlDoor(t, s, name))
		})
	}
}
