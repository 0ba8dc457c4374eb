package runtimes

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// py is a function whose code is one module, called by its function h.
func py(runtime, code string) function {
	return function{runtime: runtime, handler: "app.h", files: map[string]string{"app.py": code}}
}

func TestPython(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		l := start(t, py(runtime, `
import os, sys
n = 0
def h(event, context):
    global n
    n += 1
    print("call", n)
    return {"n": n, "event": event, "id": context.aws_request_id, "trace": os.environ.get("_X_AMZN_TRACE_ID"),
            "version": "%d.%d" % sys.version_info[:2], "exe": sys.executable, "here": os.getcwd()}
`))
		for n := 1; n <= 3; n++ {
			got := l.invoke(`{"x": "ü…"}`)
			var v struct {
				N         int
				Event     map[string]string
				ID, Trace string
				Version   string
				Exe, Here string
			}
			if err := json.Unmarshal([]byte(got), &v); err != nil {
				t.Fatal(got, err)
			}
			if v.N != n || v.Event["x"] != "ü…" || v.ID != fmt.Sprint("id-", n) || v.Trace != "Root=1-2-3" {
				t.Errorf("answer %d is %s", n, got)
			}
			equal(t, "version", "python"+v.Version, runtime)
			equal(t, "executable", v.Exe, l.path(langRoot)+"/bin/"+runtime)
			equal(t, "working directory", v.Here, l.path(taskRoot))
		}
		equal(t, "output", l.out.String(), "call 1\ncall 2\ncall 3\n")
	})
}

func TestPythonHandlerForms(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		files := map[string]string{"pkg/__init__.py": "", "pkg/sub/mod.py": "def f(e, c): return 'found'"}
		for _, handler := range []string{"pkg/sub/mod.f", "pkg.sub.mod.f"} {
			l := start(t, function{runtime: runtime, handler: handler, files: files})
			equal(t, handler, l.invoke("{}"), `"found"`)
		}
	})
}

func TestPythonInitErrors(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		for name, c := range map[string]struct{ handler, code, kind, message, stack string }{
			"no module":  {"none.h", "", "Runtime.ImportModuleError", "Unable to import module 'none': No module named 'none'", ""},
			"bad import": {"app.h", "import nothing_there", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nothing_there'", ""},
			"no handler": {"app.none", "", "Runtime.HandlerNotFound", "Handler 'none' missing on module 'app'", ""},
			"no dot":     {"app", "", "Runtime.MalformedHandlerName", "Bad handler 'app': not enough values to unpack (expected 2, got 1)", ""},
			"built-in":   {"sys.exit", "", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module", ""},
			"syntax":     {"app.h", "def h(:\n", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': ", `  File "*/var/task/app.py" Line 1` + "\n    def h(:\n"},
			"error":      {"app.h", "raise ValueError('at init')", "ValueError", "at init", `*  File "*/var/task/app.py", line 1, in <module>` + "\n    raise ValueError('at init')\n"},
		} {
			t.Run(name, func(t *testing.T) {
				l := launch(t, function{runtime: runtime, handler: c.handler, files: map[string]string{"app.py": c.code}})
				got := l.initFailure()
				equal(t, "type", got.Type, c.kind)
				if !strings.HasPrefix(got.Message, c.message) {
					t.Errorf("message %q, want %q", got.Message, c.message)
				}
				if stack := strings.Join(got.Stack, ""); !like(c.stack, stack) {
					t.Errorf("stack %q, want %q", stack, c.stack)
				}
				if got.ID == nil || *got.ID != "" {
					t.Errorf("request id %v, want an empty one", got.ID)
				}
				equal(t, "exit status", l.exit(), 1)
				l.wants("[ERROR] " + c.kind + ": " + c.message + "*")
			})
		}
	})
}

func TestPythonErrors(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		l := start(t, py(runtime, `
class Odd(Exception): pass
def inner(e):
    if e == "odd": raise Odd()
    raise ValueError("bad: " + str(e))
def h(event, context):
    if event == "set": return {1, 2}
    if event == "loop":
        a = []; a.append(a); return a
    inner(event)
`))
		got := l.fail(`1`)
		equal(t, "type", got.Type, "ValueError")
		equal(t, "message", got.Message, "bad: 1")
		if got.ID == nil || *got.ID != "id-1" {
			t.Errorf("request id %v", got.ID)
		}
		want := `  File "*/var/task/app.py", line 10, in h` + "\n    inner(event)\n" + `|  File "*/var/task/app.py", line 5, in inner` + "\n" + `    raise ValueError("bad: " + str(e))` + "\n"
		if stack := strings.Join(got.Stack, "|"); !like(want, stack) {
			t.Errorf("stack %q", stack)
		}
		l.wants("[ERROR] ValueError: bad: 1\rTraceback (most recent call last):\r\u00a0\u00a0File \"*/app.py\", line 10, in h\r\u00a0\u00a0\u00a0\u00a0inner(event)*")
		equal(t, "type without message", l.fail(`"odd"`).Type, "Odd")
		for _, e := range []string{`"set"`, `"loop"`} {
			got = l.fail(e)
			equal(t, "type", got.Type, "Runtime.MarshalError")
			if !strings.HasPrefix(got.Message, "Unable to marshal response: ") {
				t.Errorf("message %q", got.Message)
			}
		}
		equal(t, "message", l.fail(`"set"`).Message, "Unable to marshal response: Object of type set is not JSON serializable")
		equal(t, "bad event", l.fail(`{`).Type, "Runtime.UnmarshalError")
	})
}

func TestPythonResults(t *testing.T) {
	results := map[string]string{
		`None`:                         `null`,
		`"text"`:                       `"text"`,
		`[1, 2.5, True, None]`:         `[1, 2.5, true, null]`,
		`(1, (2,))`:                    `[1, [2]]`,
		`{"d": Decimal("1.10"), 1: 2}`: `{"d": 1.10, "1": 2}`,
		`[Decimal("NaN"), Decimal("12345678901234567890.5")]`: `[NaN, 12345678901234567890.5]`,
		`Point(1, Point(2, 3))`:                               `{"x": 1, "y": {"x": 2, "y": 3}}`,
		`{"b": b"bytes"}`:                                     `{"b": "bytes"}`,
		`b"\x00raw"`:                                          "\x00raw",
		`float("inf")`:                                        `Infinity`,
	}
	each(t, python, func(t *testing.T, runtime string) {
		l := start(t, py(runtime, `
from decimal import Decimal
from collections import namedtuple
Point = namedtuple("Point", "x y")
def h(event, context): return eval(event)
`))
		for expr, want := range results {
			e, _ := json.Marshal(expr)
			equal(t, expr, l.invoke(string(e)), want)
		}
		ascii := l.invoke(`"'\\u00fc'"`)
		if runtime < "python3.12" && len(runtime) == len("python3.12") || runtime == "python3.9" {
			equal(t, "not ASCII", ascii, `"\u00fc"`)
		} else {
			equal(t, "not ASCII", ascii, `"ü"`)
		}
	})
}

func TestPythonContext(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		l := start(t, py(runtime, `
def h(event, c):
    left = c.get_remaining_time_in_millis()
    c.log("from log\n")
    return [c.function_name, c.function_version, c.invoked_function_arn, c.memory_limit_in_mb, c.log_group_name,
        c.log_stream_name, c.aws_request_id, c.tenant_id, 3000000 < left <= 3600000,
        c.client_context.custom if c.client_context else None, c.client_context.env if c.client_context else None,
        c.client_context.client.app_title if c.client_context else None,
        c.identity.cognito_identity_id, c.identity.cognito_identity_pool_id, c.w3c(), repr(c)[:30]]
`))
		equal(t, "bare context", l.invoke("{}"), `["fn", "$LATEST", "arn:aws:lambda:us-east-1:000000000000:function:fn:live", "128", "/aws/lambda/fn", `+
			`"2026/01/02/[$LATEST]abc", "id-1", null, true, null, null, null, null, null, {}, "LambdaContext([aws_request_id="]`)
		c := l.call("{}")
		c.Tenant = "blue"
		c.ClientContext = `{"client":{"app_title":"Tüte"},"custom":{"a":1},"env":{"b":"2"},"w3c":{"traceparent":"00-1","x":"y"}}`
		c.Identity = `{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}`
		got, failed := l.try(c)
		want := `"blue", true, {"a": 1}, {"b": "2"}, "Tüte", "i", "p", {"traceparent": "00-1"}`
		if got = strings.ReplaceAll(got, `\u00fc`, "ü"); !strings.Contains(got, want) {
			t.Errorf("context %s %s\nwants %s", got, failed, want)
		}
		equal(t, "output", l.out.String(), "from log\nfrom log\n")
		c = l.call("{}")
		c.ClientContext = "{"
		_, failed = l.try(c)
		equal(t, "bad client context", parseFailure(t, failed).Type, "Runtime.LambdaContextUnmarshalError")
	})
}

const logging = `
import logging, sys
log = logging.getLogger("mine")
def h(event, context):
    log.debug("a debug"); log.info("an info"); log.warning("a %s", "warning")
    log.error("two\nlines", extra={"order": 7})
    print("plain"); sys.stderr.write("to stderr\n"); print("half", end="")
    try: 1 / 0
    except ZeroDivisionError: log.exception("caught")
    log.warning({"a": 1})
`

func TestPythonTextLog(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		l := start(t, py(runtime, logging))
		l.invoke("{}")
		l.wants("[WARNING]\t*Z\tid-1\ta warning", "[ERROR]\t*Z\tid-1\ttwo\rlines", "plain", "to stderr",
			"half[ERROR]\t*Z\tid-1\tcaught\rTraceback (most recent call last):\r  File *ZeroDivisionError: division by zero")
		if out := l.out.String(); strings.Contains(out, "an info") || strings.Contains(out, "a debug") {
			t.Error("the root logger's level is not WARNING")
		}
	})
}

func TestPythonJSONLog(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		f := py(runtime, logging+"    raise KeyError('end')\n")
		f.env = map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
		l := start(t, f)
		l.fail("{}")
		l.wants(`{"timestamp": "*Z", "level": "INFO", "message": "an info", "logger": "mine", "requestId": "id-1"}`,
			`{"timestamp": "*Z", "level": "WARNING", "message": "a warning", "logger": "mine", "requestId": "id-1"}`,
			`{*"level": "ERROR", "message": "two\nlines", "logger": "mine", "requestId": "id-1", "order": 7}`,
			`*{*"message": "caught", "logger": "mine", "stackTrace": [*], "errorType": "ZeroDivisionError", "errorMessage": "division by zero", "requestId": "id-1", "location": "*app.py:h:9"}`,
			`{*"message": {"a": 1}, *}`, "plain",
			`{"timestamp": "*Z", "level": "ERROR", "errorMessage": "'end'", "errorType": "KeyError", "requestId": "id-1", "stackTrace": [*]}`)
		if strings.Contains(l.out.String(), "a debug") {
			t.Error("a line below the level")
		}
	})
}

func TestPythonEnds(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		code := `
import os, sys, signal
def bye(*_):
    print("bye"); sys.exit(0)
signal.signal(signal.SIGTERM, bye)
def h(event, context):
    if event == "raise": raise SystemExit(7)
    sys.exit(event)
`
		for event, status := range map[string]int{"3": 3, "0": 0, `"raise"`: 7} {
			l := start(t, py(runtime, code))
			if _, failed := l.try(l.call(event)); failed != "no answer" {
				t.Errorf("sys.exit(%s) made the failure %s", event, failed)
			}
			equal(t, "exit status after "+event, l.exit(), status)
		}
		l := start(t, py(runtime, code))
		l.asleep()
		if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		equal(t, "exit status after SIGTERM", l.exit(), 0)
		equal(t, "output", l.out.String(), "bye\n")
	})
}

func TestPythonLayers(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		f := py(runtime, `
import os, sys, one, two, both
def h(event, context):
    return [one.x, two.x, both.x, os.environ["PYTHONPATH"], [os.path.relpath(p, os.environ["LAMBDA_TASK_ROOT"]) for p in sys.path[:3]]]
`)
		f.files["both.py"] = "x = 'task'"
		f.layer = map[string]string{"python/one.py": "x = 1", "python/both.py": "x = 'layer'",
			"python/lib/" + runtime + "/site-packages/two.py": "x = 2"}
		l := start(t, f)
		equal(t, "answer", l.invoke("{}"), fmt.Sprintf(`[1, 2, "task", %q, [".", "../../opt/python/lib/%s/site-packages", "../../opt/python"]]`, l.path(runtimeRoot), runtime))

		f.env = map[string]string{"PYTHONPATH": "/elsewhere"}
		l = start(t, f)
		if got := l.invoke("{}"); !strings.HasPrefix(got, `[1, 2, "task", "/elsewhere"`) {
			t.Errorf("with PYTHONPATH: %s", got)
		}
	})
}

func TestPythonPayloads(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		l := start(t, py(runtime, "def h(event, context): return 'x' * event if isinstance(event, int) else len(event)"))
		for _, n := range []int{0, 1, 65536, 6 << 20} {
			equal(t, "size of an answer", len(l.invoke(fmt.Sprint(n))), n+2)
			equal(t, "size of an event", l.invoke(`"`+strings.Repeat("y", n)+`"`), fmt.Sprint(n))
		}
		c := l.call(fmt.Sprint(7 << 20))
		c.Limit = 6 << 20
		if _, failed := l.try(c); !strings.Contains(failed, "Function.ResponseSizeTooLarge") {
			t.Errorf("too long an answer: %.100s", failed)
		}
		l.wants("LAMBDA_RUNTIME Failed to post handler success response. Http response code: 413.")
		equal(t, "answer after that", l.invoke("1"), `"x"`)
	})
}

func TestPythonWrapper(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		f := py(runtime, "import os\ndef h(e, c): return os.environ.get('WRAPPED')")
		f.layer = map[string]string{"wrap": "#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n"}
		f.env = map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}
		equal(t, "answer", start(t, f).invoke("{}"), `"yes"`)

		f.env = map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/none"}
		l := launch(t, f)
		equal(t, "exit status of a missing wrapper", l.exit(), 127)
		equal(t, "output", l.out.String(), l.path(optRoot)+"/none: does not exist\n")

		f.env = map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/var/runtime/bootstrap.py"}
		l = launch(t, f)
		equal(t, "exit status of a wrapper that is no program", l.exit(), 126)
		equal(t, "output", l.out.String(), l.path(runtimeRoot)+"/bootstrap.py: is not an executable\n")
	})
}

// TestPythonStaysQuick holds the bootstrap to few imports: each costs every cold start.
func TestPythonStaysQuick(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		l := start(t, py(runtime, `
import sys
heavy = [m for m in ("http", "http.client", "urllib", "urllib.request", "ssl", "email", "asyncio", "decimal", "inspect", "subprocess", "socket", "selectors") if m in sys.modules]
cached = sys.modules["mayfly_runtime.loop"].__cached__
def h(e, c):
    import os
    return [heavy, os.path.exists(cached)]
`))
		want := "[[], true]"
		if w := wayOf(t); w == byBlank || w == byFork { // they had the time
			want = `[["http", "urllib", "email", "decimal", "inspect", "subprocess", "socket", "selectors"], true]`
		}
		equal(t, "heavy modules, and whether ours came compiled", l.invoke("{}"), want)
	})
}

func TestPythonFrozenForLong(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		l := start(t, py(runtime, "import threading\nthreading.Thread(target=lambda: None).start()\ndef h(e, c): return e"))
		for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
			if err := l.cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
		}
		equal(t, "answer", l.invoke("1"), "1")
	})
}
