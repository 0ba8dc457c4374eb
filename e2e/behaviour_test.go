package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// pyActions is a function that does what its event says.
const pyActions = `import os, sys, time, json
kept = 0
def handler(event, context):
    global kept
    kept += 1
    do = event.get("do")
    if do == "raise": raise ValueError("on purpose")
    if do == "sleep": time.sleep(event["s"])
    if do == "exit": os._exit(event["code"])
    if do == "hog":
        b = []
        while True: b.append(bytearray(8 << 20))
    if do == "big": return "x" * event["n"]
    if do == "chat":
        for i in range(event["n"]): print("line", i)
    if do == "tmp":
        with open("/tmp/f", "wb") as f:
            for _ in range(event["mb"]): f.write(b"x" * (1 << 20))
        return os.stat("/tmp/f").st_size
    if do == "write": open(event["path"], "w")
    if do == "unserializable": return object()
    return {"kept": kept, "pid": os.getpid(), "left": context.get_remaining_time_in_millis(), "id": context.aws_request_id}
`

type result struct {
	Error, Payload, Log string
	doc                 map[string]any
}

func run(t testing.TB, c *lambda.Client, name, payload string) result {
	t.Helper()
	out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(payload), LogType: types.LogTypeTail})
	if err != nil {
		t.Fatalf("%s %s: %v", name, payload, err)
	}
	log, _ := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	r := result{Error: aws.ToString(out.FunctionError), Payload: string(out.Payload), Log: string(log)}
	json.Unmarshal(out.Payload, &r.doc)
	return r
}

// TestFunctionFailures is every way in which code can fail, as the caller sees it.
func TestFunctionFailures(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config())
	create(t, c, "acts", s.pythonRuntime(), "app.handler", zipped(t, map[string]string{"app.py": pyActions}), func(in *lambda.CreateFunctionInput) {
		in.Timeout, in.MemorySize = aws.Int32(3), aws.Int32(256)
	})
	for _, test := range []struct{ payload, errorType, message, log string }{
		{`{"do":"raise"}`, "ValueError", "on purpose", "[ERROR] ValueError: on purpose"},
		{`{"do":"sleep","s":60}`, "Sandbox.Timedout", "Task timed out after 3.00 seconds", "Status: timeout"},
		{`{"do":"exit","code":3}`, "Runtime.ExitError", "Runtime exited with error: exit status 3", "Status: error\tError Type: Runtime.ExitError"},
		{`{"do":"exit","code":0}`, "Runtime.ExitError", "Runtime exited without providing a reason", "Runtime.ExitError"},
		{`{"do":"big","n":6400000}`, "Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes).", "Function.ResponseSizeTooLarge"},
		{`{"do":"unserializable"}`, "Runtime.MarshalError", "Unable to marshal response", "Runtime.MarshalError"},
		{`{"do":"write","path":"/var/task/x"}`, "OSError", "Read-only file system", "[ERROR] OSError"},
	} {
		t.Run(test.payload, func(t *testing.T) {
			r := run(t, c, "acts", test.payload)
			if r.Error != "Unhandled" || r.doc["errorType"] != test.errorType || !strings.Contains(fmt.Sprint(r.doc["errorMessage"]), test.message) {
				t.Errorf("%s %s", r.Error, r.Payload)
			}
			if !strings.Contains(r.Log, test.log) || !strings.Contains(r.Log, "REPORT RequestId: ") {
				t.Errorf("log has no %q:\n%s", test.log, r.Log)
			}
		})
	}
	t.Run("out of memory", func(t *testing.T) {
		r := run(t, c, "acts", `{"do":"hog"}`)
		if r.Error != "Unhandled" || r.doc["errorType"] != "Runtime.ExitError" || !strings.Contains(r.Payload, "signal: killed") || !strings.Contains(r.Log, "Runtime.OutOfMemory") {
			t.Errorf("%s %s\n%s", r.Error, r.Payload, r.Log)
		}
	})
	if r := run(t, c, "acts", `{}`); r.Error != "" {
		t.Errorf("after all that the function is broken: %s", r.Payload)
	}
	t.Run("tmp", func(t *testing.T) {
		create(t, c, "tmp", s.pythonRuntime(), "app.handler", zipped(t, map[string]string{"app.py": pyActions}), func(in *lambda.CreateFunctionInput) {
			in.Timeout, in.MemorySize = aws.Int32(120), aws.Int32(256)
		})
		if r := run(t, c, "tmp", `{"do":"tmp","mb":300}`); r.Payload != fmt.Sprint(300<<20) {
			t.Errorf("300 MB in /tmp of a 256 MB function: %s", r.Payload)
		}
		if r := run(t, c, "tmp", `{"do":"tmp","mb":600}`); r.doc["errorType"] != "OSError" || !strings.Contains(r.Payload, "No space left") {
			t.Errorf("600 MB in a /tmp of 512 MB: %s", r.Payload)
		}
	})
}

// TestInitFailures is code that does not come up.
func TestInitFailures(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config())
	rt := s.pythonRuntime()
	for _, test := range []struct{ name, code, handler, errorType, message string }{
		{"syntax", "def handler(:\n", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"},
		{"import", "import nothing_like_it\n", "app.handler", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nothing_like_it'"},
		{"module", "", "nope.handler", "Runtime.ImportModuleError", "Unable to import module 'nope': No module named 'nope'"},
		{"handler", "x = 1\n", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"},
		{"malformed", "x = 1\n", "app", "Runtime.MalformedHandlerName", "Bad handler 'app'"},
		{"raise", "raise RuntimeError('at import')\n", "app.handler", "RuntimeError", "at import"},
		{"exit", "import os; os._exit(7)\n", "app.handler", "Runtime.ExitError", "exit status 7"},
	} {
		t.Run(test.name, func(t *testing.T) {
			create(t, c, test.name, rt, test.handler, zipped(t, map[string]string{"app.py": test.code}))
			r := run(t, c, test.name, `{}`)
			if r.Error != "Unhandled" || r.doc["errorType"] != test.errorType || !strings.Contains(fmt.Sprint(r.doc["errorMessage"]), test.message) {
				t.Errorf("%s %s\n%s", r.Error, r.Payload, r.Log)
			}
		})
	}
	t.Run("no bootstrap", func(t *testing.T) {
		create(t, c, "nobootstrap", "provided.al2023", "x", zipped(t, map[string]string{"other": ""}))
		if r := run(t, c, "nobootstrap", `{}`); r.doc["errorType"] != "Runtime.InvalidEntrypoint" {
			t.Errorf("%s\n%s", r.Payload, r.Log)
		}
	})
}

// TestReuseAndDrain: a warm sandbox keeps its state, requests at once get
// sandboxes of their own, and a change is never answered by old code.
func TestReuseAndDrain(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config())
	create(t, c, "warm", s.pythonRuntime(), "app.handler", zipped(t, map[string]string{"app.py": pyActions}))
	for want := 1; want <= 3; want++ {
		if r := run(t, c, "warm", `{}`); r.doc["kept"] != float64(want) {
			t.Errorf("invocation %d keeps %v", want, r.doc["kept"])
		}
	}
	var wg sync.WaitGroup
	begin := time.Now()
	for range 5 {
		wg.Go(func() { run(t, c, "warm", `{"do":"sleep","s":2}`) })
	}
	wg.Wait()
	if took := time.Since(begin); took > 9*time.Second {
		t.Errorf("5 sleeps of 2 s ran one after the other: %v", took)
	}
	for i := range 5 {
		want := fmt.Sprintf(`"v%d"`, i)
		_, err := c.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("warm"),
			ZipFile: zipped(t, map[string]string{"app.py": "def handler(e, c): return " + want + "\n"})})
		if err != nil {
			t.Fatal(err)
		}
		active(t, c, "warm")
		if got := invoke(t, c, "warm", `{}`); got != want {
			t.Errorf("after the update the function says %s, want %s", got, want)
		}
	}
}

// TestChattyFunction wants 10,000 lines back, all and in order.
func TestChattyFunction(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config())
	create(t, c, "chat", s.pythonRuntime(), "app.handler", zipped(t, map[string]string{"app.py": pyActions}), func(in *lambda.CreateFunctionInput) { in.MemorySize = aws.Int32(1024) })
	const n = 10000
	run(t, c, "chat", fmt.Sprintf(`{"do":"chat","n":%d}`, n))
	l := cloudwatchlogs.NewFromConfig(s.config())
	var lines []string
	await(t, "the REPORT line", func() bool {
		lines = lines[:0]
		for p := cloudwatchlogs.NewFilterLogEventsPaginator(l, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/chat")}); p.HasMorePages(); {
			page, err := p.NextPage(t.Context())
			if err != nil {
				return false
			}
			for _, e := range page.Events {
				lines = append(lines, strings.TrimSpace(*e.Message))
			}
		}
		return len(lines) > 0 && strings.HasPrefix(lines[len(lines)-1], "REPORT")
	})
	next := 0
	for _, line := range lines {
		if line == fmt.Sprintf("line %d", next) {
			next++
		}
	}
	if next != n {
		t.Errorf("%d of %d lines are there in order", next, n)
	}
}

// TestIsolation is one function's view of the host, of the server and of another
// function, when it looks for trouble.
func TestIsolation(t *testing.T) {
	s := start(t)
	if !strings.Contains(s.log.tail(1<<16), "namespace") {
		t.Skip("the server did not choose the namespace tier")
	}
	c := lambda.NewFromConfig(s.config())
	spy := `import os, socket, subprocess
def attempt(f):
    try: return str(f())[:200]
    except BaseException as e: return "refused: " + type(e).__name__
def connect(host, port):
    socket.create_connection((host, port), 2); return "connected"
def handler(event, context):
    return {
      "shadow": attempt(lambda: open("/etc/shadow").read()),
      "root": attempt(lambda: os.listdir("/root") in ([], [".pyenv"]) and 1/0),  # the way to an interpreter is no secret
      "data": attempt(lambda: os.listdir(event["data"])),
      "server": attempt(lambda: connect("127.0.0.1", event["port"])),
      "kill": attempt(lambda: os.kill(event["pid"], 9)),
      "mount": attempt(lambda: subprocess.run(["mount", "-t", "tmpfs", "x", "/tmp"], check=True, capture_output=True)),
      "unshare": attempt(lambda: subprocess.run(["unshare", "-Ur", "true"], check=True, capture_output=True)),
      "write": attempt(lambda: open("/usr/x", "w")),
      "uid": os.getuid(), "pids": len([p for p in os.listdir("/proc") if p.isdigit()]),
      "secret": attempt(lambda: open("/tmp/secret").read()),
    }
`
	hide := "def handler(e, c):\n    open('/tmp/secret', 'w').write('mine'); return 1\n"
	create(t, c, "hides", s.pythonRuntime(), "app.handler", zipped(t, map[string]string{"app.py": hide}))
	invoke(t, c, "hides", "{}")
	create(t, c, "spies", s.pythonRuntime(), "app.handler", zipped(t, map[string]string{"app.py": spy}))
	port := s.addr[strings.LastIndex(s.addr, ":")+1:]
	r := run(t, c, "spies", fmt.Sprintf(`{"data":%q,"port":%s,"pid":%d}`, s.Data, port, s.cmd.Process.Pid))
	for _, k := range []string{"shadow", "root", "data", "server", "kill", "mount", "unshare", "write", "secret"} {
		if !strings.HasPrefix(fmt.Sprint(r.doc[k]), "refused") {
			t.Errorf("%s: %v", k, r.doc[k])
		}
	}
	if r.doc["uid"] == 0.0 || r.doc["pids"].(float64) > 5 {
		t.Errorf("uid %v, %v processes to be seen", r.doc["uid"], r.doc["pids"])
	}
}

// TestProcessTier runs each kind of runtime without isolation, where paths are
// the host's.
func TestProcessTier(t *testing.T) {
	s := start(t, "--tier", "process")
	if !strings.Contains(s.log.tail(1<<16), "tier=process") {
		t.Error("the server does not say its tier")
	}
	c := lambda.NewFromConfig(s.config())
	create(t, c, "py", s.pythonRuntime(), "app.handler", zipped(t, map[string]string{"app.py": "import os\ndef handler(e, c): return os.environ['LAMBDA_TASK_ROOT'] == os.getcwd()\n"}))
	if got := invoke(t, c, "py", "{}"); got != "true" {
		t.Errorf("LAMBDA_TASK_ROOT is not the working directory: %s", got)
	}
	create(t, c, "js", s.nodeRuntime(), "index.handler", zipped(t, map[string]string{"index.mjs": "export const handler = async (e) => e.n + 1\n"}))
	if got := invoke(t, c, "js", `{"n":1}`); got != "2" {
		t.Errorf("the Node function says %s", got)
	}
	create(t, c, "go", "provided.al2023", "bootstrap", bootstrap(t, "callback"))
	if got := invoke(t, c, "go", `{"Text":[]}`); !strings.Contains(got, `"caller":"arn:aws:sts::000000000000:assumed-role/e2e/go"`) {
		t.Errorf("the Go function says %s", got)
	}
	if r := run(t, c, "py", `{"x":1}`); !strings.Contains(r.Log, "REPORT RequestId") {
		t.Errorf("log: %s", r.Log)
	}
}
