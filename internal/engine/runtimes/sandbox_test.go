package runtimes

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/runtimeapi"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/namespace"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/process"
)

// tiers are those that this machine has.
func tiers(t *testing.T) map[string]sandbox.Tier {
	t.Helper()
	all := map[string]sandbox.Tier{}
	if n, err := namespace.New(namespace.Config{StateDir: filepath.Join(t.TempDir(), "namespace")}); err == nil {
		all["namespace"] = n
	} else {
		t.Log(err)
	}
	p, err := process.New(process.Config{StateDir: filepath.Join(t.TempDir(), "process")})
	if err != nil {
		t.Fatal(err)
	}
	all["process"] = p
	for _, tier := range all {
		t.Cleanup(func() { tier.Close() })
	}
	return all
}

// TestInSandbox starts every runtime in a sandbox of every tier, as the engine does.
func TestInSandbox(t *testing.T) {
	s := discovered(t)
	for tierName, tier := range tiers(t) {
		for _, st := range s.List() {
			if !st.Available || s.found[st.Runtime].spec.family == provided {
				continue
			}
			t.Run(tierName+"/"+st.Runtime, func(t *testing.T) { runIn(t, s, tier, st.Runtime, tierName == "namespace") })
		}
	}
}

const (
	sandboxPython = `
import json, os, shutil, ssl, sqlite3, subprocess, sys, one
def h(event, context):
    child = subprocess.run(["` + "python%s" + `", "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True)
    return "%%s %%s %%s %%s" %% (sys.executable, os.getcwd(), one.x, child.stdout.strip() == sys.prefix or child.stderr)
`
	sandboxNode = `
const { execFileSync } = require('node:child_process');
exports.h = async () => [process.argv0, process.cwd(), require('one'), execFileSync('node', ['-p', '1']).toString().trim() === '1' || 'no child'].join(' ');
`
)

func runIn(t *testing.T, s *Set, tier sandbox.Tier, runtime string, own bool) {
	task, opt := filepath.Join(t.TempDir(), "task"), filepath.Join(t.TempDir(), "opt")
	version := strings.TrimPrefix(runtime, "python")
	writeTree(t, task, map[string]string{"app.py": fmt.Sprintf(sandboxPython, version), "app.js": sandboxNode})
	writeTree(t, opt, map[string]string{"python/one.py": "x = 1", "nodejs/node_modules/one/index.js": "module.exports = 1"})
	mounts, err := s.Mounts(runtime)
	if err != nil {
		t.Fatal(err)
	}
	mounts = append(mounts, sandbox.Mount{Source: task, Target: taskRoot}, sandbox.Mount{Source: opt, Target: optRoot})
	box, err := tier.Open(t.Context(), sandbox.Spec{ID: strings.ReplaceAll(runtime, ".", "-"), Mounts: mounts, TmpMB: 64, MemoryMB: 128, CPUs: 0.07, PIDs: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	l, err := box.Listen(9001)
	if err != nil {
		t.Fatal(err)
	}
	api := runtimeapi.New()
	defer api.Close()
	api.Reset()
	api.Serve(l)
	args, env, err := s.Command(Launch{Runtime: runtime, Handler: "app.h", MemoryMB: 128, Path: box.Path})
	if err != nil {
		t.Fatal(err)
	}
	env["AWS_LAMBDA_RUNTIME_API"], env["_HANDLER"] = l.Addr().String(), "app.h"
	cmd := sandbox.Command{Args: args, Dir: box.Path(taskRoot)}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := box.Start(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	var answer bytes.Buffer
	ended := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		case <-p.Done():
			t.Errorf("it ended: %+v\n%s", p.Exit(), out.String())
		case <-time.After(patience):
			t.Error("nothing happens")
		}
		return false
	}
	if !ended(api.Started()) || !ended(api.Begin(&runtimeapi.Call{ID: "1", Payload: []byte("{}"), Deadline: time.Now().Add(patience), Answer: &answer})) {
		return
	}
	if r := api.End(); r.Failure != nil {
		t.Fatalf("%s", r.Failure.Payload)
	}
	exe := langRoot + "/bin/" + runtime
	if strings.HasPrefix(runtime, "nodejs") {
		exe = langRoot + "/bin/node"
	}
	want := fmt.Sprintf(`"%s %s 1 True"`, exe, taskRoot)
	if !own {
		want = fmt.Sprintf(`"%s %s 1 True"`, places(box.Path)(exe), task)
	}
	if got := answer.String(); !strings.EqualFold(got, want) {
		t.Errorf("answer %s, want %s", got, want)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "python")); err != nil {
		t.Error(err)
	}
}
