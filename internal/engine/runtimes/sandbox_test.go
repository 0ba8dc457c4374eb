package runtimes

import (
	"bytes"
	"errors"
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
	sandboxRuby = `
require "one"
require "rbconfig"
def h(event:, context:) = [RbConfig.ruby, Dir.pwd, X, IO.popen(%w[ruby -e puts(1)], &:read).strip == "1"].join(" ")
`
)

func runIn(t *testing.T, s *Set, tier sandbox.Tier, runtime string, own bool) {
	task, opt := filepath.Join(t.TempDir(), "task"), filepath.Join(t.TempDir(), "opt")
	version := strings.TrimPrefix(runtime, "python")
	writeTree(t, task, map[string]string{"app.py": fmt.Sprintf(sandboxPython, version), "app.js": sandboxNode, "app.rb": sandboxRuby})
	writeTree(t, opt, map[string]string{"python/one.py": "x = 1", "ruby/lib/one.rb": "X = 1", "nodejs/node_modules/one/index.js": "module.exports = 1"})
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
	exe := langRoot + "/bin/" + s.found[runtime].spec.binary()
	if strings.HasPrefix(runtime, "ruby") { // which says where it was installed
		answer = *bytes.NewBuffer(bytes.Replace(answer.Bytes(), []byte(s.found[runtime].Exe), []byte(places(box.Path)(exe)), 1))
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

// TestBlankInSandbox makes a function of a blank in a late sandbox, as the engine
// does: executed, and forked where the tier can.
func TestBlankInSandbox(t *testing.T) {
	s := discovered(t)
	for tierName, tier := range tiers(t) {
		for _, st := range s.List() {
			b, ok := s.Blank(Launch{Runtime: st.Runtime, MemoryMB: 128})
			if !ok {
				continue
			}
			t.Run(tierName+"/"+st.Runtime+"/executed", func(t *testing.T) { assignIn(t, s, tier, st.Runtime, b, nil) })
			nursery, ok := tier.(sandbox.Nursery)
			if !ok || b.Zygote == nil {
				continue
			}
			t.Run(tierName+"/"+st.Runtime+"/forked", func(t *testing.T) {
				var out bytes.Buffer
				cmd := *b.Zygote
				cmd.Stdout, cmd.Stderr = &out, &out
				z, err := nursery.Zygote(t.Context(), b.Mounts, cmd)
				if errors.Is(err, errors.ErrUnsupported) {
					t.Skip(err)
				}
				if err != nil {
					t.Fatal(err, out.String())
				}
				assignIn(t, s, tier, st.Runtime, b, z)
				if err := z.Close(); err != nil || out.Len() > 0 {
					t.Errorf("%v, the zygote says %s", err, out.String())
				}
			})
		}
	}
}

const (
	blankPython = `
import ctypes, os, one
def h(event, context):
    ctypes.CDLL("libinlayer.so")
    return "%s %s" % (os.getcwd(), one.x)
`
	blankRuby = `
require "one"
def h(event:, context:) = "#{Dir.pwd} #{X}"
`
	blankNode = `exports.h = async () => process.cwd() + ' ' + require('one')`
)

// assignIn runs a function in a blank, which is a fork of z unless that is nil.
func assignIn(t *testing.T, s *Set, tier sandbox.Tier, runtime string, b Blank, z sandbox.Zygote) {
	task, opt := filepath.Join(t.TempDir(), "task"), filepath.Join(t.TempDir(), "opt")
	writeTree(t, task, map[string]string{"app.py": blankPython, "app.js": blankNode, "app.rb": blankRuby})
	writeTree(t, opt, map[string]string{"python/one.py": "x = 1", "ruby/lib/one.rb": "X = 1", "nodejs/node_modules/one/index.js": "module.exports = 1",
		"lib/libinlayer.so": library(t)})
	box, err := tier.Open(t.Context(), sandbox.Spec{ID: strings.ReplaceAll(runtime, ".", "-"), Mounts: b.Mounts, TmpMB: 64, Late: true})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	l := &lab{t: t, set: s, api: runtimeapi.New()}
	defer l.api.Close()
	l.api.Reset()
	link := l.link()
	defer link.Close()
	var out bytes.Buffer
	own := Launch{Runtime: runtime, Handler: "app.h", MemoryMB: 128, Path: box.Path}
	if z == nil {
		b, _ = s.Blank(own)
	}
	cmd := sandbox.Command{Args: b.Args, Env: b.Env, Dir: b.Dir, Files: []*os.File{link}, From: z, Stdout: &out, Stderr: &out}
	p, err := box.Start(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	ended := func(c <-chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-p.Done():
			t.Fatalf("it ended: %+v\n%s", p.Exit(), out.String())
		case <-time.After(patience):
			t.Fatal("nothing happens")
		}
	}
	ended(l.api.Waiting())
	err = box.Furnish(t.Context(), sandbox.Furnishing{MemoryMB: 128, CPUs: 0.07, PIDs: 64,
		Mounts: []sandbox.Mount{{Source: task, Target: taskRoot}, {Source: opt, Target: optRoot}}})
	if err != nil {
		t.Fatal(err)
	}
	_, env, err := s.Command(own)
	if err != nil {
		t.Fatal(err)
	}
	env["AWS_LAMBDA_RUNTIME_API"], env["_HANDLER"] = "127.0.0.1:9001", "app.h"
	if err := l.api.Assign(env); err != nil {
		t.Fatal(err)
	}
	ended(l.api.Started())
	if f := l.api.InitFailure(); f != nil {
		t.Fatalf("%s", f.Payload)
	}
	var answer bytes.Buffer
	ended(l.api.Begin(&runtimeapi.Call{ID: "1", Payload: []byte("{}"), Deadline: time.Now().Add(patience), Answer: &answer}))
	if r := l.api.End(); r.Failure != nil && box.Path(taskRoot) == taskRoot {
		t.Fatalf("%s", r.Failure.Payload)
	} else if r.Failure == nil {
		equal(t, "answer", answer.String(), fmt.Sprintf(`"%s 1"`, box.Path(taskRoot)))
	} else if !strings.Contains(string(r.Failure.Payload), "libinlayer") { // a tier without a root of its own cannot know where layers will be
		t.Fatalf("%s", r.Failure.Payload)
	}
}

// library is a shared library of this machine.
func library(t *testing.T) string {
	t.Helper()
	for _, pattern := range []string{"/lib/*-linux-gnu/libz.so.1", "/usr/lib/*-linux-gnu/libz.so.1", "/lib64/libz.so.1", "/usr/lib64/libz.so.1"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			data, err := os.ReadFile(found[0])
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
	}
	t.Skip("no shared library to try with")
	return ""
}
