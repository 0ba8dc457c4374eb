package engine_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/process"
)

// selfRuntime runs the test binary as every function's code.
type selfRuntime struct{ exe string }

func (selfRuntime) Mounts(string) ([]sandbox.Mount, error) { return nil, nil }

func (s selfRuntime) Command(runtimes.Launch) ([]string, map[string]string, error) {
	return []string{s.exe}, map[string]string{"ENGINE_TEST_CODE": "1"}, nil
}

// newProcessEngine is an engine over real processes, and a unit for it.
func newProcessEngine(t testing.TB, c engine.Config) (*engine.Engine, *engine.Unit) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tier, err := process.New(process.Config{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	c.Tier, c.Runtimes = tier, selfRuntime{exe}
	e := engine.New(c)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return e, newUnit(t, "f")
}

func newUnit(t testing.TB, name string) *engine.Unit {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &engine.Unit{
		Key: name + "1", Function: name, Version: "$LATEST", ARN: "arn:aws:lambda:us-east-1:000000000000:function:" + name,
		Account: "000000000000", Region: "us-east-1", Runtime: "provided.al2023", Arch: "x86_64", Handler: "h",
		MemoryMB: 256, TmpMB: 512, Timeout: 30 * time.Second, Code: dir, Log: engine.Logging{Group: "/aws/lambda/" + name},
	}
}

func invoke(t testing.TB, e *engine.Engine, u *engine.Unit, order string) (*engine.Outcome, string) {
	t.Helper()
	var answer bytes.Buffer
	o, err := e.Invoke(t.Context(), u, engine.Call{
		RequestID: "r-1", Payload: []byte(`"` + order + `"`), InvokedARN: u.ARN, Tail: true, Answer: &answer, Limit: 6<<20 + 100,
	})
	if err != nil {
		t.Fatalf("invoke %s: %v", order, err)
	}
	return o, answer.String()
}

func TestProcess(t *testing.T) {
	e, u := newProcessEngine(t, engine.Config{})
	o, answer := invoke(t, e, u, "say hi")
	if answer != `"ok"` || o.Failure != nil || !o.Report.Cold || o.Report.Init == 0 {
		t.Errorf("first: answer %s, outcome %+v", answer, o)
	}
	tail := string(o.Tail)
	for _, want := range []string{"INIT_START Runtime Version: provided:al2023.v1\t", "\nhello from init\nSTART RequestId: r-1 Version: $LATEST\nhi\nEND RequestId: r-1\nREPORT RequestId: r-1\tDuration: ", "\tInit Duration: "} {
		if !strings.Contains(tail, want) {
			t.Errorf("tail lacks %q:\n%s", want, tail)
		}
	}
	o, answer = invoke(t, e, u, "getenv AWS_LAMBDA_LOG_GROUP_NAME")
	if answer != `"/aws/lambda/f"` || o.Report.Cold || o.Report.Init != 0 {
		t.Errorf("second: answer %s, outcome %+v", answer, o)
	}
	if !strings.HasPrefix(string(o.Tail), "START ") {
		t.Errorf("second tail:\n%s", o.Tail)
	}
}
