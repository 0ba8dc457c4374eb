package runtimes

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// goBootstrap is a function on AWS's own library for Go, and what go.mod says
// of it.
const goBootstrap = `package main

import (
	"context"
	"errors"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

func main() {
	lambda.Start(func(ctx context.Context, in map[string]string) (map[string]string, error) {
		if in["fail"] != "" {
			return nil, errors.New(in["fail"])
		}
		if in["panic"] != "" {
			panic(in["panic"])
		}
		c, _ := lambdacontext.FromContext(ctx)
		return map[string]string{"id": c.AwsRequestID, "arn": c.InvokedFunctionArn, "handler": os.Getenv("_HANDLER"), "x": in["x"]}, nil
	})
}
`

// buildGo builds a program in this module, which has the library.
func buildGo(t *testing.T, source string) []byte {
	t.Helper()
	dir := t.TempDir()
	file, out := filepath.Join(dir, "main.go"), filepath.Join(dir, "bootstrap")
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", out, file)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAWSLambdaGo(t *testing.T) {
	binary := string(buildGo(t, goBootstrap))
	for name, f := range map[string]function{
		"in the package": {runtime: "provided.al2023", handler: "anything", files: map[string]string{"bootstrap": binary}},
		"in a layer":     {runtime: "provided.al2", handler: "anything", layer: map[string]string{"bootstrap": binary}},
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t, f)
			equal(t, "answer", l.invoke(`{"x":"1"}`),
				`{"arn":"arn:aws:lambda:us-east-1:000000000000:function:fn:live","handler":"anything","id":"id-1","x":"1"}`)
			got := l.fail(`{"fail":"no"}`)
			equal(t, "error", got.Type+": "+got.Message, "errorString: no")
			if got = l.fail(`{"panic":"help"}`); got.Message != "help" {
				t.Errorf("a panic: %+v", got)
			}
			equal(t, "exit status", l.exit(), 1)
		})
	}
}

func TestProvidedBootstrap(t *testing.T) {
	shell := func(f function) (string, int) {
		l := launch(t, f)
		return l.out.String(), l.exit()
	}
	f := function{runtime: "provided.al2023", files: map[string]string{"bootstrap": "#!/bin/sh\nexit 3\n"},
		layer: map[string]string{"bootstrap": "#!/bin/sh\nexit 4\n"}}
	if _, status := shell(f); status != 3 {
		t.Errorf("the package's bootstrap comes first: exit status %d", status)
	}
	f.env = map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/none"}
	if _, status := shell(f); status != 3 {
		t.Errorf("a wrapper is not for custom runtimes: exit status %d", status)
	}
	f = function{runtime: "provided.al2023", files: map[string]string{"other": ""}}
	l := launch(t, f)
	equal(t, "exit status of none", l.exit(), 127)
	if !strings.HasPrefix(l.out.String(), "Couldn't find valid bootstrap(s): [") {
		t.Errorf("output %q", l.out)
	}
}

func TestProvidedWithoutShell(t *testing.T) {
	s, dir, layers := discovered(t), t.TempDir(), t.TempDir()
	args := func() string {
		args, env, err := s.Command(Launch{Runtime: "provided.al2023", Code: dir, Opt: layers})
		if err != nil || env["AWS_EXECUTION_ENV"] != "" {
			t.Fatalf("%v, %v", env, err)
		}
		return args[0]
	}
	equal(t, "without a bootstrap", args(), "/bin/sh")
	writeTree(t, layers, map[string]string{"bootstrap": "x"})
	equal(t, "with one in a layer", args(), "/opt/bootstrap")
	writeTree(t, dir, map[string]string{"bootstrap": "x"})
	equal(t, "with a bootstrap", args(), "/var/task/bootstrap")
}
