package runtimes

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// fakeInterpreter is the source of a program that answers as an interpreter
// does. It is a binary, since scripts are taken for shims, and counts its runs.
const fakeInterpreter = `package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	exe, _ := os.Executable()
	if f, err := os.OpenFile(exe+".runs", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err == nil {
		f.WriteString("x")
	}
	version, _ := os.ReadFile(exe + ".version")
	prefix := filepath.Dir(filepath.Dir(exe))
	fmt.Printf("noise of a start-up file\n{\"exe\":%q,\"version\":%q,\"prefix\":%q}\n", exe, version, prefix)
}
`

// A world is a host made for a test.
type world struct {
	host
	t    *testing.T
	dir  string
	fake []byte
	env  map[string]string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), fake: buildGo(t, fakeInterpreter), env: map[string]string{}}
	w.host = host{root: w.dir, home: filepath.Join(w.dir, "home"), getenv: func(name string) string { return w.env[name] }}
	return w
}

// install puts an interpreter at path in the world.
func (w *world) install(path, version string) string {
	w.t.Helper()
	path = filepath.Join(w.dir, path)
	writeTree(w.t, filepath.Dir(path), map[string]string{filepath.Base(path): string(w.fake), filepath.Base(path) + ".version": version})
	return path
}

// discover looks around in the world.
func (w *world) discover(near bool) *Set {
	w.t.Helper()
	o := Options{Dir: filepath.Join(w.dir, "state"), Near: near}
	dir, err := writeBootstraps(o.Dir)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := discover(w.t.Context(), o, dir, w.host)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (s *Set) status(runtime string) Status {
	i := slices.IndexFunc(s.list, func(st Status) bool { return st.Runtime == runtime })
	return s.list[i]
}

func TestDiscoverPlaces(t *testing.T) {
	w := newWorld(t)
	w.env["NVM_DIR"] = filepath.Join(w.dir, "nvm")
	for version, path := range map[string]string{
		"3.14.0": "home/.pyenv/versions/3.14.0/bin/python3.14",
		"3.10.7": "usr/bin/python3.10",
		"3.99.1": "home/.local/share/uv/python/cpython-3.99/bin/python3.99",
		"24.1.0": "home/.volta/tools/image/node/24.1.0/bin/node",
		"22.3.4": "nvm/versions/node/v22.3.4/bin/node",
		"18.1.1": "home/.asdf/installs/nodejs/18.1.1/bin/node",
	} {
		w.install(path, version)
	}
	w.install("nvm/versions/node/v22.3.10/bin/node", "22.3.10")
	writeTree(t, filepath.Join(w.dir, "shims"), map[string]string{"python3.14": "#!/bin/sh\necho a shim was asked >&2; exit 1\n"})
	w.env["PATH"] = filepath.Join(w.dir, "shims") + ":relative"
	s := w.discover(false)
	for runtime, want := range map[string]string{"python3.14": "3.14.0", "python3.10": "3.10.7", "nodejs24.x": "24.1.0", "nodejs22.x": "22.3.10", "nodejs18.x": "18.1.1"} {
		st := s.status(runtime)
		if !st.Available || st.Version != want {
			t.Errorf("%s: %+v, want %s", runtime, st, want)
		}
	}
}

func TestDiscoverOverride(t *testing.T) {
	w := newWorld(t)
	w.install("home/.pyenv/versions/3.14.1/bin/python3.14", "3.14.1")
	mine := w.install("mine/bin/anything", "3.14.7")
	w.env["MAYFLY_PYTHON314"] = mine
	if st := w.discover(false).status("python3.14"); st.Interpreter != mine || st.Version != "3.14.7" {
		t.Errorf("the override is not taken: %+v", st)
	}
	w.env["MAYFLY_PYTHON314"] = w.install("mine/bin/old", "3.13.0")
	st := w.discover(false).status("python3.14")
	if st.Available || !strings.Contains(st.Note, "is version 3.13.0") {
		t.Errorf("an override of another version: %+v", st)
	}
	w.env["MAYFLY_PYTHON314"] = "/no/such/file"
	s := w.discover(false)
	var m *Missing
	if _, err := s.Mounts("python3.14"); !errors.As(err, &m) || !strings.Contains(m.Advice, "/no/such/file does not answer") || !strings.Contains(m.Advice, "pyenv install 3.14") {
		t.Errorf("an override that is not there: %v", err)
	}
}

func TestDiscoverNear(t *testing.T) {
	w := newWorld(t)
	w.env["PATH"] = ""
	w.install("home/.nvm/versions/node/v26.0.0/bin/node", "26.0.0")
	if st := w.discover(false).status("nodejs24.x"); st.Available || st.Advice == "" {
		t.Errorf("a near version without leave: %+v", st)
	}
	s := w.discover(true)
	st := s.status("nodejs24.x")
	if !st.Available || st.Version != "26.0.0" || st.Note != "nodejs24.x runs on 26.0.0 (near)" {
		t.Errorf("a near version: %+v", st)
	}
	if _, env, err := s.Command(Launch{Runtime: "nodejs24.x"}); err != nil || env["AWS_EXECUTION_ENV"] != "AWS_Lambda_nodejs24.x" {
		t.Errorf("a near version is to be what it stands for: %v, %v", env, err)
	}
}

func TestDistance(t *testing.T) {
	sp := spec{version: "3.12"}
	versions := []string{"3.9.1", "2.7.18", "3.13.0", "3.11.4", "3.14.1", "3.12.9"}
	slices.SortFunc(versions, func(a, b string) int { return sp.distance(a) - sp.distance(b) })
	equal(t, "by nearness", strings.Join(versions, " "), "3.12.9 3.13.0 3.11.4 3.14.1 3.9.1 2.7.18")
	equal(t, "what is no version", line("nonsense") > 1000, true)
}

func TestDiscoverAsksOnce(t *testing.T) {
	w := newWorld(t)
	path := w.install("home/.pyenv/versions/3.14.1/bin/python3.14", "3.14.1")
	runs := func() int {
		data, err := os.ReadFile(path + ".runs")
		if err != nil {
			t.Fatal(err)
		}
		return len(data)
	}
	w.discover(false)
	w.discover(false)
	equal(t, "runs of an interpreter that stays the same", runs(), 1)
	if err := os.Chtimes(path, time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.discover(false)
	equal(t, "runs after it changed", runs(), 2)
	if err := os.WriteFile(filepath.Join(w.dir, "state", "interpreters.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.discover(false)
	equal(t, "runs after the memory was lost", runs(), 3)
}

func TestDiscoverTooWide(t *testing.T) {
	w := newWorld(t)
	w.env["MAYFLY_PYTHON314"] = w.install("home/bin/python3.14", "3.14.1")
	st := w.discover(false).status("python3.14")
	if st.Available || !strings.Contains(st.Note, "more than a function may see") {
		t.Errorf("a whole home would be shown: %+v", st)
	}
}

func TestMounts(t *testing.T) {
	w := newWorld(t)
	w.install("home/.pyenv/versions/3.14.1/bin/python3.14", "3.14.1")
	prefix := filepath.Join(w.dir, "home/.pyenv/versions/3.14.1")
	s := w.discover(false)
	own := slices.DeleteFunc(ownPlaces(answer{Exe: prefix + "/bin/python3.14", Prefix: prefix}), func(d string) bool { return d != prefix })
	got, err := s.Mounts("python3.14")
	if err != nil {
		t.Fatal(err)
	}
	want := []sandbox.Mount{{Source: s.dir + "/python", Target: "/var/runtime"}, {Source: prefix, Target: "/var/lang"}}
	for _, d := range own { // not below /tmp, which a sandbox has for itself
		want = append(want, sandbox.Mount{Source: d, Target: d})
	}
	if !slices.Equal(got, want) {
		t.Errorf("mounts %v, want %v", got, want)
	}
	if got, err := s.Mounts("provided.al2023"); err != nil || len(got) != 0 {
		t.Errorf("mounts of a custom runtime: %v, %v", got, err)
	}
	for _, runtime := range []string{"java21", "cobol74"} {
		var m *Missing
		if _, err := s.Mounts(runtime); !errors.As(err, &m) || m.Runtime != runtime || m.Advice == "" {
			t.Errorf("mounts of %s: %v", runtime, err)
		}
		if _, _, err := s.Command(Launch{Runtime: runtime}); !errors.As(err, &m) {
			t.Errorf("command of %s: %v", runtime, err)
		}
	}
}

func TestOwnPlaces(t *testing.T) {
	dir := t.TempDir()
	for prefix, want := range map[string]int{"/usr/local": 0, "/opt": 0, dir: 0, "/no/such/dir": 0, "/": 0, "/home": 1, "/root": 1} {
		if _, err := os.Stat(prefix); err != nil && want > 0 {
			continue
		}
		equal(t, prefix, len(ownPlaces(answer{Prefix: prefix})), want)
	}
}

func TestListIsSorted(t *testing.T) {
	list := discovered(t).List()
	var names []string
	for _, st := range list {
		names = append(names, st.Runtime)
		if st.Available == (st.Advice != "") {
			t.Errorf("%+v: advice is for what is missing", st)
		}
	}
	i, j := slices.Index(names, "python3.9"), slices.Index(names, "python3.14")
	if i < 0 || j != i+5 {
		t.Errorf("python3.9 to 3.14 are not in order: %v", names)
	}
	data, err := json.Marshal(list)
	if err != nil || !strings.Contains(string(data), `"runtime":"provided.al2023","available":true`) {
		t.Errorf("%s, %v", data, err)
	}
	list[0].Runtime = "changed"
	equal(t, "the list of a Set that a caller changed", discovered(t).List()[0].Runtime, names[0])
}

func TestBundleIsWrittenOnce(t *testing.T) {
	dir := t.TempDir()
	first, err := writeBootstraps(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"python/bootstrap.py", "python/mayfly_runtime/loop.py", "nodejs/index.mjs"} {
		if fi, err := os.Stat(filepath.Join(first, name)); err != nil || fi.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v, %v", name, fi, err)
		}
	}
	second, err := writeBootstraps(dir)
	if err != nil || second != first {
		t.Errorf("%s, then %s, %v", first, second, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".bundle-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestPythonSDK(t *testing.T) {
	w := newWorld(t)
	w.host = hostHere()
	writeTree(t, filepath.Join(w.dir, "state/python-sdk"), map[string]string{"boto3/__init__.py": "whose = 'bundled'"})
	s := w.discover(false)
	for _, st := range s.List() {
		if !st.Available || s.found[st.Runtime].spec.family != python {
			continue
		}
		if strings.Contains(st.Note, "boto3") {
			t.Errorf("%s has no boto3: %s", st.Runtime, st.Note)
		}
		f := py(st.Runtime, "import boto3, os\ndef h(e, c): return [boto3.whose, [k for k in os.environ if k.startswith('MAYFLY')]]")
		equal(t, st.Runtime, startOn(t, s, f).invoke("{}"), `["bundled", []]`)
		f.files["boto3.py"] = "whose = 'its own'"
		equal(t, st.Runtime, startOn(t, s, f).invoke("{}"), `["its own", []]`)
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(`{"exe":"/a","version":"3.12.1","prefix":"/usr"}`))
	f.Add([]byte("noise\n{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if a, err := parseAnswer(data); err == nil && (a.Version == "" || !filepath.IsAbs(a.Exe) || !filepath.IsAbs(a.Prefix)) {
			t.Errorf("%q was taken for %+v", data, a)
		}
	})
}
