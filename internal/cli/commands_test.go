package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const hello = `{"name": "hello", "runtime": "python3.12", "handler": "app.handler", "memory": 256, "timeout": 10, "env": {"A": "1"}, "layers": ["arn:l:1"]}`

func TestDeployCreatesUpdatesAndLeavesAlone(t *testing.T) {
	f := &fake{t: t, pending: 3}
	s := f.serve()
	dir := tree(t, map[string]string{"app.py": "one", "mayfly.json": hello, "event.json": "{}"})
	s.run(0, "deploy", dir)
	s.wantOut("created hello", "arn:aws:lambda:eu-west-1:000000000000:function:hello", "256 MB, 10 s", "in 1 file,", "Next: mayfly invoke hello --event ")
	f.changed("POST")
	if got := f.functions["hello"]["Role"]; got != "arn:aws:iam::000000000000:role/hello" {
		t.Errorf("role %v", got)
	}

	s.run(0, "deploy", dir)
	s.wantOut("unchanged hello")
	f.changed()

	write(t, dir, "app.py", "two")
	s.run(0, "deploy", dir, "--json")
	s.wantOut(`"action": "updated"`, `"files": 1`)
	f.changed("PUT hello/code")

	write(t, dir, "mayfly.json", strings.Replace(hello, `"A": "1"`, `"A": "2"`, 1))
	s.run(0, "deploy", dir)
	s.wantOut("updated hello")
	f.changed("PUT hello/configuration")

	write(t, dir, "mayfly.json", `{"name": "hello"}`) // what is not mentioned stays
	s.run(0, "deploy", dir)
	s.wantOut("unchanged hello")
	f.changed()
}

func write(t testing.TB, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDeployByFlags(t *testing.T) {
	f := &fake{t: t}
	s := f.serve()
	dir := tree(t, map[string]string{"app.py": "one"})
	s.run(2, "deploy", dir, "--name", "hello")
	s.wantErr("it needs a runtime and a handler", "--runtime and --handler")
	s.run(0, "deploy", dir, "--name", "hello", "--runtime", "python3.12", "--handler", "app.handler", "--role", "arn:aws:iam::000000000000:role/r")
	if fn := f.functions["hello"]; fn["Role"] != "arn:aws:iam::000000000000:role/r" || fn["Handler"] != "app.handler" {
		t.Errorf("made %v", fn)
	}
}

func TestDeployForARuntimeThatIsNotHere(t *testing.T) {
	s := (&fake{t: t}).serve()
	dir := tree(t, map[string]string{"index.js": "exports.handler = 1"})
	s.run(0, "deploy", dir, "--name", "hello", "--runtime", "nodejs22.x", "--handler", "index.handler")
	s.wantErr("warning: this server cannot run nodejs22.x: install Node 22")
	s.run(0, "deploy", dir, "--name", "hi", "--runtime", "python3.12", "--handler", "index.handler")
	if s.err.Len() > 0 {
		t.Errorf("err %q", &s.err)
	}
}

func TestEnvOfAServerThatIsGone(t *testing.T) {
	s := (&fake{t: t}).serve()
	folder := func(url string) string {
		return tree(t, map[string]string{"endpoint.json": fmt.Sprintf(`{"url":%q,"region":"us-east-1","access_key_id":"AKIATEST","secret_access_key":"secret"}`, url)})
	}
	s.run(0, "env", "--data", folder(s.env["AWS_ENDPOINT_URL"]))
	if s.err.Len() > 0 {
		t.Errorf("err %q", &s.err)
	}
	s.run(0, "env", "--data", folder("http://127.0.0.1:1"))
	s.wantOut("export AWS_ENDPOINT_URL=http://127.0.0.1:1\n")
	s.wantErr("warning: no server answers at http://127.0.0.1:1 now; start one with `mayfly serve --data")
}

func TestDeployThatFails(t *testing.T) {
	f := &fake{t: t, broken: "the layer is gone"}
	s := f.serve()
	s.run(1, "deploy", tree(t, map[string]string{"app.py": "one", "mayfly.json": hello}))
	s.wantErr("hello cannot run: the layer is gone", "next: ")
}

func TestInvoke(t *testing.T) {
	f := &fake{t: t}
	s := f.serve()
	log := "START RequestId: 1 Version: 1\nhi there\rand here\nEND RequestId: 1\nREPORT RequestId: 1\tDuration: 1.50 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\t\n"
	var event, target string
	f.invoke = func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		event, target = string(b), r.URL.RequestURI()
		w.Header().Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString([]byte(log)))
		w.Header().Set("X-Amz-Executed-Version", "7")
		io.WriteString(w, `{"ok":true}`)
	}
	s.run(0, "invoke", "hello")
	if s.out.String() != "{\"ok\":true}\n" {
		t.Errorf("out %q", &s.out)
	}
	s.wantErr("| hi there\n| and here\n", "REPORT RequestId: 1\tDuration: 1.50 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\n")
	if event != "{}" {
		t.Errorf("event %q", event)
	}

	s.run(0, "invoke", "hello", "--json", "--qualifier", "a b", "--event", `"text"`)
	var out struct {
		Payload map[string]bool
		Version string `json:"executed_version"`
		Log     []string
		Report  report
	}
	if err := json.Unmarshal(s.out.Bytes(), &out); err != nil || !out.Payload["ok"] || out.Version != "7" || out.Report.Billed != 2 || len(out.Log) != 1 {
		t.Errorf("%v: %s", err, &s.out)
	}
	if event != `"text"` || target != "/2015-03-31/functions/hello/invocations?Qualifier=a+b" {
		t.Errorf("event %q to %q", event, target)
	}

	s.in = `[1]`
	s.run(0, "invoke", "hello", "--event", "-")
	if event != "[1]" {
		t.Errorf("event %q", event)
	}
	dir := tree(t, map[string]string{"e.json": `{"a": 1}`, "bad.json": "{"})
	s.run(0, "invoke", "hello", "--event", filepath.Join(dir, "e.json"))
	if event != `{"a": 1}` {
		t.Errorf("event %q", event)
	}
	for _, bad := range []string{filepath.Join(dir, "bad.json"), filepath.Join(dir, "none.json"), "{broken", ""} {
		event = ""
		if s.run(2, "invoke", "hello", "--event", bad); event != "" {
			t.Errorf("%q was sent as %q", bad, event)
		}
	}
}

func TestInvokeOfAFunctionThatFails(t *testing.T) {
	f := &fake{t: t, invoke: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		io.WriteString(w, `{"errorMessage":"division by zero","errorType":"ZeroDivisionError"}`)
	}}
	s := f.serve()
	s.run(exitFunction, "invoke", "hello")
	s.wantOut("division by zero")
	s.wantErr("the function failed: ZeroDivisionError: division by zero")
	s.run(exitFunction, "invoke", "hello", "--json")
	s.wantOut(`"function_error": "Unhandled"`)
	if s.err.Len() > 0 {
		t.Errorf("err %q", &s.err)
	}
}

func TestErrorsOfTheServer(t *testing.T) {
	f := &fake{t: t}
	s := f.serve()
	s.run(1, "delete", "nope", "--yes")
	s.wantErr("Function not found: nope", "mayfly list")
	s.env["AWS_ACCESS_KEY_ID"] = "AKIAOTHER"
	s.run(1, "list")
	s.wantErr("The security token included in the request is invalid.", `eval "$(mayfly env)"`)
	s.env["AWS_ACCESS_KEY_ID"], s.env["AWS_SECRET_ACCESS_KEY"] = "AKIATEST", "wrong"
	s.run(1, "list", "--json")
	s.wantErr(`"code": "InvalidSignatureException"`)

	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	s.env["AWS_ENDPOINT_URL"] = other.URL
	s.run(1, "list")
	s.wantErr("404 page not found", "is "+other.URL+" a mayfly server?")
}

func TestDataFolderWinsOverEnvironment(t *testing.T) {
	f := &fake{t: t}
	s := f.serve()
	text := fmt.Sprintf(`{"url":%q,"region":"us-east-1","access_key_id":"AKIATEST","secret_access_key":"secret"}`, s.env["AWS_ENDPOINT_URL"])
	dir := tree(t, map[string]string{"endpoint.json": text})
	s.env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
	s.run(exitUnreachable, "list")
	s.run(0, "list", "--data", dir)
	s.env = map[string]string{"MAYFLY_DATA": dir, "AWS_ACCESS_KEY_ID": "AKIAOFAWS", "AWS_SECRET_ACCESS_KEY": "x"}
	s.run(0, "list") // keys without AWS_ENDPOINT_URL are for AWS
}

func TestListAndDelete(t *testing.T) {
	f := &fake{t: t}
	s := f.serve()
	s.run(0, "list")
	s.wantErr("There are no functions yet", "mayfly init")
	s.run(0, "list", "--json")
	if s.out.String() != "[]\n" {
		t.Errorf("out %q", &s.out)
	}
	for n := range 5 {
		name := fmt.Sprint("f", n)
		f.functions[name] = map[string]any{"FunctionName": name, "Runtime": "python3.12", "MemorySize": 128, "CodeSize": 2048}
	}
	s.run(0, "list")
	s.wantOut("NAME", "f0", "f1", "f2", "f3", "f4", "2.0 KB", "128 MB")
	s.run(2, "delete", "f0")
	s.run(0, "delete", "f0", "f1", "--yes")
	s.wantOut("deleted f0", "deleted f1")
	s.run(0, "delete", "f2", "--yes", "--json")
	s.wantOut(`"deleted": [`)
	if len(f.functions) != 2 {
		t.Errorf("left %v", f.functions)
	}
}

func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, "n\n": false, "\n": false, "": false} {
		p := &program{in: strings.NewReader(answer), err: io.Discard, inTerm: true}
		if got := p.confirm("delete x") == nil; got != want {
			t.Errorf("%q: went on %v", answer, got)
		}
	}
}

func event(at time.Time, id int) logEvent {
	return logEvent{ID: fmt.Sprint(id), Stream: "s", Timestamp: at.UnixMilli(), Message: fmt.Sprintf("line %d\n", id)}
}

func TestLogs(t *testing.T) {
	f := &fake{t: t}
	s := f.serve()
	now := time.Now()
	for n := range 8 {
		f.log = append(f.log, event(now.Add(time.Duration(n-8)*time.Minute), n))
	}
	s.run(0, "logs", "hello")
	if got := strings.Count(s.out.String(), "line "); got != 8 {
		t.Errorf("%d lines:\n%s", got, &s.out)
	}
	s.run(0, "logs", "hello", "--since", "150s", "--json")
	if got := strings.Count(s.out.String(), "\n"); got != 2 || !strings.Contains(s.out.String(), `"message":"line 7\n"`) {
		t.Errorf("out %s", &s.out)
	}
	s.run(0, "logs", "hello", "--filter", "line 3")
	if got := strings.Count(s.out.String(), "\n"); got != 1 {
		t.Errorf("out %s", &s.out)
	}
	f.noLog = true
	s.run(1, "logs", "hello")
	s.wantErr("there is no log of hello", "mayfly invoke hello")
	looks := 0
	f.onLog = func(int64) { looks++; f.noLog = looks < 2 }
	s.run(0, "logs", "hello") // the log arrives a moment later
	s.wantOut("line 7")
}

// TestLogsFollow lets lines arrive between looks, some of them late, until all
// of them were shown, and each once.
func TestLogsFollow(t *testing.T) {
	f := &fake{t: t, noLog: true}
	s := f.serve()
	ctx, cancel := context.WithCancel(t.Context())
	now := time.Now()
	looks := 0
	f.onLog = func(int64) {
		switch looks++; looks {
		case 2:
			f.noLog = false
			f.log = append(f.log, event(now, 0), event(now, 1), event(now.Add(time.Second), 2), event(now.Add(2*time.Second), 3))
		case 3:
			f.log = append(f.log, event(now.Add(-10*time.Second), 4), event(now.Add(2*time.Second), 5)) // late, and of the newest time
		case 5:
			cancel()
		}
	}
	s.runContext(ctx, exitInterrupted, "logs", "hello", "-f")
	for id := range 6 {
		if got := strings.Count(s.out.String(), fmt.Sprintf("line %d\n", id)); got != 1 {
			t.Errorf("line %d was shown %d times:\n%s", id, got, &s.out)
		}
	}
}

func TestAdvanceForgets(t *testing.T) {
	tl := &tail{program: &program{out: new(bytes.Buffer), env: func(string) string { return "" }}, seen: map[seenKey]bool{}, since: 0}
	for n := range 1000 {
		if err := tl.show(logEvent{ID: fmt.Sprint(n), Timestamp: int64(n) * 1000}); err != nil {
			t.Fatal(err)
		}
		tl.advance()
	}
	if tl.since != 999_000-late.Milliseconds() || len(tl.seen) > 40 {
		t.Errorf("since %d, %d kept", tl.since, len(tl.seen))
	}
}

func TestUsage(t *testing.T) {
	f := &fake{t: t, bill: `{"from":"2026-11-01","to":"2026-12-01","currency":"USD","region":"us-east-1","prices_date":"2026-10-01","free_tier":true,
		"lines":[{"function":"arn:aws:lambda:us-east-1:000000000000:function:goodbye","day":"2026-11-24","requests":1,"billed_ms":60,"gb_seconds":"0.0075","cost":{"total":"0"}},{"function":"arn:aws:lambda:us-east-1:000000000000:function:hello","day":"2026-11-23","requests":12,"billed_ms":340,"gb_seconds":"0.0425","cost":{"total":"0.0000031083"}}],
		"credits":[{"day":"2026-11-23","amount":"0.0000031083"}],"total":"0"}`}
	s := f.serve()
	s.run(0, "usage", "--from", "2026-11-01", "--to", "2026-12-01", "--free-tier")
	s.wantOut("from 2026-11-01 to before 2026-12-01", "FUNCTION", "hello", "12", "340", "0.043", "0.00000311", "free tier", "-0.00000311", "0.00000000\n", "USD")
	if call := f.calls[0]; query(t, call, "from") != "2026-11-01" || query(t, call, "to") != "2026-12-01" || query(t, call, "free-tier") != "true" {
		t.Errorf("asked %q", call)
	}
	if want := "\ntotal                        13        400       0.050   0.00000000\n"; !strings.Contains(s.out.String(), want) {
		t.Errorf("no sum %q in\n%s", want, &s.out)
	}
	s.run(0, "usage", "--json")
	s.wantOut(`"gb_seconds": "0.0425"`)
	f.bill = `{"lines":[],"total":"0"}`
	s.run(0, "usage")
	s.wantOut("Nothing ran in that time.")
}

func TestRuntimes(t *testing.T) {
	s := (&fake{t: t}).serve()
	s.run(0, "runtimes")
	s.wantOut("python3.12", "3.12.1", "/usr/bin/python3.12", "SnapStart is accepted", "Not here:", "nodejs22.x: install Node 22", "ruby3.4, java21: not yet")
	s.run(0, "runtimes", "--json")
	s.wantOut(`"available": true`)
}
