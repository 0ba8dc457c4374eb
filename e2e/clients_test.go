package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// client runs one of the programs in clients/ with args against s.
func (s *server) client(t *testing.T, program string, args ...string) {
	t.Helper()
	c := exec.Command(program, args...)
	c.Env = append(s.env(), "SDK_HOME="+filepath.Join(root(t), ".cache", "node"), "AWS_MAX_ATTEMPTS=1")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(args[0]), err, out)
	}
	t.Logf("%s", out)
}

func TestBoto3(t *testing.T) {
	s := start(t)
	s.client(t, python(t), "clients/boto.py", s.pythonRuntime())
}

func TestJSSDK(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	one, two := filepath.Join(dir, "1.zip"), filepath.Join(dir, "2.zip")
	os.WriteFile(one, zipped(t, map[string]string{"index.mjs": `export const handler = async (event) => {
  if (event.fail) throw new Error(event.fail)
  return { got: event, who: process.env.WHO }
}`}), 0o644)
	os.WriteFile(two, zipped(t, map[string]string{"index.js": "exports.handler = async () => 'second'"}), 0o644)
	s.client(t, node(t), "clients/js.mjs", s.nodeRuntime(), one, two)
}

// TestEvents is every source of events as a user of boto3 meets it.
func TestEvents(t *testing.T) {
	s := start(t)
	s.client(t, python(t), "clients/events.py", s.pythonRuntime())
}

func TestModelConformance(t *testing.T) {
	s := start(t)
	s.client(t, python(t), "clients/conformance.py")
}

// TestNodeWithDependency runs a function with an npm package in its archive.
func TestNodeWithDependency(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	s.sh(dir, `npm init -y >/dev/null 2>&1 && npm install --no-audit --no-fund --silent fast-xml-parser@4 >/dev/null 2>&1; test -d node_modules/fast-xml-parser`)
	put(t, dir, map[string]string{"index.mjs": `import { XMLParser } from 'fast-xml-parser'
export const handler = async ({ xml }) => {
  const { order } = new XMLParser().parse(xml)
  return { id: order.id, total: order.item.map((i) => i.price * i.n).reduce((a, b) => a + b, 0) }
}`})
	s.sh(dir, "mayfly deploy . --name xml --runtime "+s.nodeRuntime()+" --handler index.handler")
	got := invoke(t, lambda.NewFromConfig(s.config()), "xml",
		`{"xml":"<order><id>7</id><item><price>2</price><n>3</n></item><item><price>5</price><n>1</n></item></order>"}`)
	if got != `{"id":7,"total":11}` {
		t.Errorf("the function says %s", got)
	}
}

// TestPythonWithNativeWheel runs a function whose archive holds a compiled
// extension, built for the very interpreter that the runtime uses.
func TestPythonWithNativeWheel(t *testing.T) {
	s := start(t)
	rt := s.pythonRuntime()
	dir := t.TempDir()
	version := strings.TrimPrefix(rt, "python")
	s.sh(dir, python(t)+" -m pip install -q --target . --only-binary=:all: --python-version "+version+" --implementation cp orjson==3.11.4 || "+
		python(t)+" -m pip install -q --target . --only-binary=:all: --python-version "+version+" --implementation cp orjson")
	put(t, dir, map[string]string{"app.py": `import orjson
def handler(event, context):
    rows = orjson.loads(event["doc"])
    return {"native": orjson.__file__ is not None, "keys": sorted(rows), "back": orjson.dumps(rows, option=orjson.OPT_SORT_KEYS).decode()}
`})
	s.sh(dir, "mayfly deploy . --name wheel --runtime "+rt+" --handler app.handler")
	got := invoke(t, lambda.NewFromConfig(s.config()), "wheel", `{"doc":"{\"b\":1,\"a\":[2.5]}"}`)
	if got != `{"native": true, "keys": ["a", "b"], "back": "{\"a\":[2.5],\"b\":1}"}` {
		t.Errorf("the function says %s", got)
	}
}

// TestGoCallsBack runs a Go binary that calls the platform with its role's
// credentials.
func TestGoCallsBack(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config())
	create(t, c, "callback", "provided.al2023", "bootstrap", bootstrap(t, "callback"), func(in *lambda.CreateFunctionInput) {
		in.MemorySize = aws.Int32(256)
		if runtime.GOARCH == "arm64" {
			in.Architectures = append(in.Architectures, "arm64")
		}
	})
	var a struct {
		Caller, RequestID, Host string
		Functions               []string
		Words                   int
	}
	if err := json.Unmarshal([]byte(invoke(t, c, "callback", `{"Text":["a","b"]}`)), &a); err != nil {
		t.Fatal(err)
	}
	if a.Caller != "arn:aws:sts::000000000000:assumed-role/e2e/callback" || a.Words != 2 || len(a.Functions) != 1 || a.Functions[0] != "callback" || a.RequestID == "" {
		t.Errorf("the function says %+v", a)
	}
	if host, _ := os.Hostname(); a.Host == host && os.Geteuid() == 0 {
		t.Errorf("the function sees the host's name %q", host)
	}
}
