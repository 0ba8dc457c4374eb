package e2e

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const pyEcho = `import json, os
def handler(event, context):
    print("got", json.dumps(event, sort_keys=True))
    return {"event": event, "version": context.function_version, "greeting": os.environ.get("GREETING", "")}
`

// put writes files below dir.
func put(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// object decodes what a client printed.
func object(t testing.TB, out string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		t.Fatalf("not a JSON object: %v\n%s", err, out)
	}
	return m
}

// TestAWSCLI is the story of the AWS CLI's user, in the order in which one
// meets the commands.
func TestAWSCLI(t *testing.T) {
	s := start(t)
	dir, rt := t.TempDir(), s.pythonRuntime()
	os.WriteFile(filepath.Join(dir, "one.zip"), zipped(t, map[string]string{"app.py": pyEcho}), 0o644)
	os.WriteFile(filepath.Join(dir, "two.zip"), zipped(t, map[string]string{"app.py": strings.ReplaceAll(pyEcho, "got", "two got")}), 0o644)
	role := "arn:aws:iam::000000000000:role/cli"

	fn := object(t, s.sh(dir, "aws lambda create-function --function-name cli --runtime "+rt+" --role "+role+
		" --handler app.handler --zip-file fileb://one.zip --environment Variables={GREETING=hi} --tags team=a"))
	if fn["State"] != "Pending" || fn["FunctionArn"] != "arn:aws:lambda:us-east-1:000000000000:function:cli" {
		t.Errorf("create-function = %v", fn)
	}
	s.sh(dir, "aws lambda wait function-active-v2 --function-name cli")

	out := object(t, s.sh(dir, `aws lambda invoke --function-name cli --payload '{"n": 1}' --log-type Tail out.json`))
	if out["StatusCode"] != 200.0 || out["ExecutedVersion"] != "$LATEST" || out["FunctionError"] != nil {
		t.Errorf("invoke = %v", out)
	}
	tail, _ := base64.StdEncoding.DecodeString(out["LogResult"].(string))
	for _, want := range []string{"START RequestId: ", `got {"n": 1}`, "END RequestId: ", "REPORT RequestId: ", "\tBilled Duration: ", "\tInit Duration: "} {
		if !strings.Contains(string(tail), want) {
			t.Errorf("log tail has no %q:\n%s", want, tail)
		}
	}
	got, _ := os.ReadFile(filepath.Join(dir, "out.json"))
	if !strings.Contains(string(got), `"greeting": "hi"`) {
		t.Errorf("payload = %s", got)
	}

	code := object(t, s.sh(dir, "aws lambda update-function-code --function-name cli --zip-file fileb://two.zip"))
	if code["CodeSha256"] == fn["CodeSha256"] || code["LastUpdateStatus"] != "InProgress" {
		t.Errorf("update-function-code = %v", code)
	}
	s.sh(dir, "aws lambda wait function-updated-v2 --function-name cli")
	if v := object(t, s.sh(dir, "aws lambda publish-version --function-name cli --description first")); v["Version"] != "1" {
		t.Errorf("publish-version = %v", v)
	}
	s.sh(dir, "aws lambda update-function-configuration --function-name cli --environment Variables={GREETING=ho} && aws lambda wait function-updated-v2 --function-name cli")
	s.sh(dir, "aws lambda publish-version --function-name cli")
	a := object(t, s.sh(dir, "aws lambda create-alias --function-name cli --name live --function-version 1 --routing-config AdditionalVersionWeights={2=0.5}"))
	if a["AliasArn"] != fn["FunctionArn"].(string)+":live" {
		t.Errorf("create-alias = %v", a)
	}
	seen := map[string]bool{}
	for range 40 {
		seen[object(t, s.sh(dir, "aws lambda invoke --function-name cli:live out.json"))["ExecutedVersion"].(string)] = true
		if seen["1"] && seen["2"] {
			break
		}
	}
	if !seen["1"] || !seen["2"] {
		t.Errorf("half of 40 invocations of the alias should run each version: %v", seen)
	}
	t.Run("layers", func(t *testing.T) { cliLayers(t, s, dir) })
	t.Run("permissions", func(t *testing.T) { cliPermissions(t, s, dir) })
	t.Run("paging", func(t *testing.T) { cliPaging(t, s, dir, rt) })
	t.Run("code download", func(t *testing.T) {
		url := strings.TrimSpace(s.sh(dir, "aws lambda get-function --function-name cli --query Code.Location --output text"))
		s.sh(dir, "curl -fsS -o got.zip '"+url+"' && cmp got.zip two.zip")
	})
	t.Run("logs tail", func(t *testing.T) { cliLogsTail(t, s, dir) })
	s.sh(dir, "aws lambda delete-function --function-name cli")
	if out, err := s.try(dir, "aws lambda get-function --function-name cli"); err == nil ||
		!strings.Contains(out, "ResourceNotFoundException") || !strings.Contains(out, "Function not found: "+fn["FunctionArn"].(string)) {
		t.Errorf("get-function after delete: %v %s", err, out)
	}
}

func cliLayers(t *testing.T, s *server, dir string) {
	os.WriteFile(filepath.Join(dir, "layer.zip"), zipped(t, map[string]string{"python/shared.py": "word = 'from the layer'\n"}), 0o644)
	os.WriteFile(filepath.Join(dir, "uses.zip"), zipped(t, map[string]string{"app.py": "import shared\ndef handler(e, c): return shared.word\n"}), 0o644)
	arn := strings.TrimSpace(s.sh(dir, "aws lambda publish-layer-version --layer-name shared --zip-file fileb://layer.zip --query LayerVersionArn --output text"))
	if arn != "arn:aws:lambda:us-east-1:000000000000:layer:shared:1" {
		t.Errorf("layer version ARN = %s", arn)
	}
	s.sh(dir, "aws lambda create-function --function-name uses --runtime "+s.pythonRuntime()+" --role arn:aws:iam::000000000000:role/cli --handler app.handler --zip-file fileb://uses.zip --layers "+arn+
		" && aws lambda wait function-active-v2 --function-name uses && aws lambda invoke --function-name uses layer.json")
	if got, _ := os.ReadFile(filepath.Join(dir, "layer.json")); string(got) != `"from the layer"` {
		t.Errorf("with the layer the function says %s", got)
	}
}

func cliPermissions(t *testing.T, s *server, dir string) {
	s.sh(dir, "aws lambda add-permission --function-name cli --statement-id s3 --action lambda:InvokeFunction --principal s3.amazonaws.com --source-arn arn:aws:s3:::bucket")
	p := s.sh(dir, "aws lambda get-policy --function-name cli --query Policy --output text")
	if !strings.Contains(p, `"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::bucket"}`) {
		t.Errorf("policy = %s", p)
	}
	s.sh(dir, "aws lambda remove-permission --function-name cli --statement-id s3")
	if out, err := s.try(dir, "aws lambda get-policy --function-name cli"); err == nil || !strings.Contains(out, "ResourceNotFoundException") {
		t.Errorf("get-policy of none: %s", out)
	}
}

func cliPaging(t *testing.T, s *server, dir, rt string) {
	for _, n := range []string{"p1", "p2", "p3", "p4", "p5"} {
		s.sh(dir, "aws lambda create-function --function-name "+n+" --runtime "+rt+" --role arn:aws:iam::000000000000:role/cli --handler app.handler --zip-file fileb://one.zip")
	}
	names := strings.Fields(s.sh(dir, "aws lambda list-functions --page-size 2 --query 'Functions[].FunctionName' --output text"))
	if want := "cli p1 p2 p3 p4 p5 uses"; strings.Join(names, " ") != want {
		t.Errorf("list-functions in pages of 2 = %v, want %s", names, want)
	}
	page := object(t, s.sh(dir, "aws lambda list-functions --no-paginate --max-items 3"))
	if page["NextMarker"] == nil && page["NextToken"] == nil && len(page["Functions"].([]any)) < 7 {
		t.Errorf("a short page without a marker: %v", page)
	}
}

// cli2 is the AWS CLI version 2, which alone has `aws logs tail`. Debian's is
// older than AWS_ENDPOINT_URL, so it is told the endpoint.
func cli2(t testing.TB, s *server) []string {
	t.Helper()
	const debian = "/usr/bin/aws"
	if out, err := exec.Command(debian, "--version").Output(); err != nil || !strings.HasPrefix(string(out), "aws-cli/2") {
		t.Fatal("no AWS CLI version 2: run e2e/setup.sh")
	}
	return []string{debian, "--endpoint-url", s.URL}
}

// cliLogsTail follows a log group while the function runs.
func cliLogsTail(t *testing.T, s *server, dir string) {
	args := append(cli2(t, s), "logs", "tail", "/aws/lambda/cli", "--follow", "--since", "1h")
	follow := exec.Command(args[0], args[1:]...)
	follow.Env = append(s.env(), "PYTHONUNBUFFERED=1")
	var out syncBuffer
	follow.Stdout, follow.Stderr = &out, &out
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { follow.Process.Signal(syscall.SIGINT); follow.Wait() }()
	await(t, "the first lines of aws logs tail", func() bool { return strings.Contains(out.tail(1<<20), "REPORT RequestId") })
	s.sh(dir, `aws lambda invoke --function-name cli --payload '{"say": "followed"}' out.json`)
	began := time.Now()
	await(t, "the new line in aws logs tail --follow", func() bool { return strings.Contains(out.tail(1<<20), `got {"say": "followed"}`) })
	t.Logf("the line was there %v after the invocation (the CLI asks every 5 s)", time.Since(began).Round(time.Millisecond))
}

// TestAWSCLI2 is the short of the story with version 2, which encodes payloads
// in its own way.
func TestAWSCLI2(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "one.zip"), zipped(t, map[string]string{"app.py": pyEcho}), 0o644)
	aws := strings.Join(cli2(t, s), " ")
	s.sh(dir, aws+" lambda create-function --function-name two --runtime "+s.pythonRuntime()+" --role arn:aws:iam::000000000000:role/cli --handler app.handler --zip-file fileb://one.zip")
	s.sh(dir, aws+" lambda wait function-active-v2 --function-name two")
	s.sh(dir, aws+` lambda invoke --function-name two --cli-binary-format raw-in-base64-out --payload '{"n": 2}' out.json`)
	if got, _ := os.ReadFile(filepath.Join(dir, "out.json")); !strings.Contains(string(got), `"event": {"n": 2}`) {
		t.Errorf("payload = %s", got)
	}
	if who := object(t, s.sh(dir, aws+" sts get-caller-identity")); who["Account"] != "000000000000" {
		t.Errorf("get-caller-identity = %v", who)
	}
	groups := s.sh(dir, aws+" logs describe-log-groups --query 'logGroups[].logGroupName' --output text")
	if strings.TrimSpace(groups) != "/aws/lambda/two" {
		t.Errorf("log groups = %q", groups)
	}
}
