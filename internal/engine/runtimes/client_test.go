package runtimes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// installed returns the folder in which install has put a public client of
// AWS's, kept between test runs. The test is skipped when it cannot be had.
func installed(t *testing.T, name string, install func(dir string) *exec.Cmd) string {
	t.Helper()
	if testing.Short() {
		t.Skip("fetches a package")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	dir := filepath.Join(cache, "mayfly-test", name)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Skip(err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".new-")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(temp)
	if out, err := install(temp).CombinedOutput(); err != nil {
		t.Skipf("%s cannot be installed: %v\n%s", name, err, out)
	}
	if err := os.Rename(temp, dir); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	return dir
}

// awslambdaric makes f a function on a custom runtime: AWS's client for Python.
func awslambdaric(t *testing.T, f function) function {
	t.Helper()
	exe := discovered(t).found[f.runtime].Exe
	ric := installed(t, "awslambdaric-"+f.runtime, func(dir string) *exec.Cmd {
		return exec.Command(exe, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--target", dir, "awslambdaric")
	})
	files := map[string]string{"bootstrap": fmt.Sprintf("#!/bin/sh\nexport PYTHONPATH=%s\nexec %s -m awslambdaric \"$_HANDLER\"\n", ric, exe)}
	for name, text := range f.files {
		files[name] = text
	}
	// What it does depends on the runtime it believes to be.
	return function{runtime: "provided.al2023", handler: f.handler, files: files, env: f.env,
		as: map[string]string{"AWS_EXECUTION_ENV": "AWS_Lambda_" + f.runtime}}
}

// A scene is a function, and events for it.
type scene struct {
	f      function
	events []string
}

// play runs a scene and writes down all that can be seen of it, but for what
// differs from one run to the next.
func play(t *testing.T, s scene) string {
	t.Helper()
	var b strings.Builder
	l := launch(t, s.f)
	l.wait(l.api.Started())
	if f := l.api.InitFailure(); f != nil {
		fmt.Fprintf(&b, "init failed: %s\nexit %d\n", f.Payload, l.exit())
		s.events = nil
	}
	for _, e := range s.events {
		answer, failed := l.try(l.call(e))
		fmt.Fprintf(&b, "%s: answer %s, failure %s\n", e, answer, failed)
	}
	fmt.Fprintf(&b, "%s", l.out)
	text := strings.ReplaceAll(b.String(), l.root, "ROOT")
	for _, r := range []struct{ pattern, with string }{
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`, "TIME"},
		{` at 0x[0-9a-f]+`, " at ADDRESS"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	return text
}

// same plays a scene with our bootstrap and with AWS's client, and compares.
func sameAs(t *testing.T, other func(*testing.T, function) function, s scene, clean func(string) string) {
	t.Helper()
	got, want := clean(play(t, s)), clean(playOther(t, other, s))
	ours, aws := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(ours), len(aws)) {
		if lineAt(ours, i) != lineAt(aws, i) {
			t.Errorf("line %d:\nours  %s\nAWS's %s", i, lineAt(ours, i), lineAt(aws, i))
		}
	}
}

// playOther plays s with AWS's client, once for all of our ways.
func playOther(t *testing.T, other func(*testing.T, function) function, s scene) string {
	t.Helper()
	name := strings.Replace(t.Name(), string(wayOf(t)), "", 1)
	once, _ := played.LoadOrStore(name, &struct {
		sync.Mutex
		text string
	}{})
	p := once.(*struct {
		sync.Mutex
		text string
	})
	p.Lock()
	defer p.Unlock()
	if p.text == "" {
		s.f = other(t, s.f)
		p.text = play(t, s)
	}
	return p.text
}

// played is what AWS's clients did, by the test's name.
var played sync.Map

func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(none)"
}

// TestPythonIsAsAWS compares our bootstrap with AWS's own on functions of all sorts.
func TestPythonIsAsAWS(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		code := map[string]string{
			"results": `
import decimal, collections, enum, datetime
P = collections.namedtuple("P", "x y")
class E(enum.IntEnum): A = 1
class S(str): pass
class D(dict): pass
def h(event, context): return eval(event)
`,
			"errors": `
class Base(Exception):
    def __str__(self): return "of its own"
def deep(n):
    if n == 0: raise ValueError("line one\n  line two")
    deep(n - 1)
def h(event, context):
    if event == "deep": deep(3)
    if event == "base": raise Base()
    if event == "empty": raise Exception()
    if event == "key": return {}["missing"]
    if event == "cause":
        try: 1 / 0
        except ZeroDivisionError as e: raise RuntimeError("caused") from e
    if event == "unicode": raise Exception("grüße \u2028 \U0001f41d")
    if event == "set": return {1}
    if event == "bytes": return b"\xff"
    if event == "eval": eval("1 +")
`,
			"context": `
def h(event, c):
    print(c)
    return [sorted(n for n in dir(c) if not n.startswith("_")), type(c).__name__, c.memory_limit_in_mb, c.client_context, repr(c.identity)]
`,
			"stdout": `
import sys
print("at init")
def h(event, context):
    print("one", end=""); print("two"); sys.stdout.write("three\n"); sys.stderr.write("four\n"); sys.stdout.writelines(["five", "six\n"])
    print("grüße"); context.log("seven\n")
`,
			"levels": `
import logging
def h(event, context):
    for n in (5, 10, 15, 20, 25, 30, 35, 40, 50, 60): logging.log(n, "level %d", n)
    logging.getLogger().setLevel("INFO"); logging.getLogger("a.b").info("set")
    logging.getLogger("a.b").info("extra", extra={"k": 1})
    return [h.__class__.__name__ for h in logging.getLogger().handlers] and logging.getLogger().level
`,
			"init error":  "import json\ndef f(): raise OSError(2, 'gone', 'file')\nf()\n",
			"init import": "import no_such_module\n",
			"init syntax": "def h(event, context):\n  return (1\n",
			"init none":   "x = 1\n",
		}
		events := map[string][]string{
			"results": {`"None"`, `"1.0"`, `"1e100"`, `"[True, 'a\\\"b', 'ü\\u2028']"`, `"decimal.Decimal('1.50')"`, `"[decimal.Decimal('-0'), decimal.Decimal('1E+5')]"`,
				`"decimal.Decimal('sNaN')"`, `"P(1, [P(2, 3)])"`, `"{'k': P(1, 2), 3: None, None: 1, True: 2, 1.5: 3}"`, `"{(1, 2): 3}"`, `"{E.A: E.A}"`, `"S('s')"`, `"D(a=S('b'))"`,
				`"datetime.datetime(2020, 1, 1)"`, `"object"`, `"(x for x in [1])"`, `"b'text'"`, `"[b'text']"`, `"[float('nan'), float('-inf')]"`, `"range(3)"`, `"''"`,
				`"collections.OrderedDict(b=1, a=2)"`, `"10**30"`, `"[[[]], {}, ()]"`},
			"errors":  {`"deep"`, `"base"`, `"empty"`, `"key"`, `"cause"`, `"unicode"`, `"set"`, `"eval"`},
			"context": {`{}`}, "stdout": {`{}`, `{}`}, "levels": {`{}`},
		}
		for name, text := range code {
			for _, env := range []map[string]string{nil, {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "DEBUG"}} {
				t.Run(fmt.Sprintf("%s,%d", name, len(env)), func(t *testing.T) {
					f := py(runtime, text)
					f.env = env
					sameAs(t, awslambdaric, scene{f, events[name]}, cleanPython)
				})
			}
		}
	})
}

// cleanPython takes away what is meant to differ.
func cleanPython(s string) string {
	for _, r := range []struct{ pattern, with string }{
		// AWS's advice about its own updates.
		{`(?m)^.*LAMBDA_WARNING: Unhandled exception.*\n`, ""},
		{`, "w3c"`, ""}, // the client for Python 3.9 is an older one
		// One event stays one here; on AWS the log's own pipe sees to that.
		{`\r`, "\n"},
		{`\x{00a0}`, " "},
	} {
		s = regexp.MustCompile(r.pattern).ReplaceAllString(s, r.with)
	}
	return s
}
