package cli

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A session runs commands against a server, as a person without a terminal.
type session struct {
	t        testing.TB
	env      map[string]string
	in       string
	out, err bytes.Buffer
}

// run runs one command line and checks its exit code.
func (s *session) run(want int, args ...string) {
	s.t.Helper()
	s.runContext(context.Background(), want, args...)
}

func (s *session) runContext(ctx context.Context, want int, args ...string) {
	s.t.Helper()
	s.out.Reset()
	s.err.Reset()
	p := &program{version: "test", env: func(k string) string { return s.env[k] }, in: strings.NewReader(s.in), out: &s.out, err: &s.err}
	if got := p.run(ctx, args); got != want {
		s.t.Fatalf("mayfly %s: exit %d, want %d\nout: %s\nerr: %s", strings.Join(args, " "), got, want, &s.out, &s.err)
	}
}

func (s *session) wantOut(parts ...string) { s.t.Helper(); want(s.t, "out", s.out.String(), parts) }
func (s *session) wantErr(parts ...string) { s.t.Helper(); want(s.t, "err", s.err.String(), parts) }

func want(t testing.TB, what, got string, parts []string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("%s lacks %q:\n%s", what, p, got)
		}
	}
}

func TestQuoteIsOneWordOfTheShell(t *testing.T) {
	for _, s := range []string{"", "plain", "a b", "it's", `$HOME "x" \ ` + "`id`", "a\nb", "-n", "äö", "~", "*"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quote(s)+" | cat").Output()
		if err != nil || string(out) != s {
			t.Errorf("%q came out as %q (%v)", s, out, err)
		}
	}
}

func TestColour(t *testing.T) {
	for _, c := range []struct {
		terminal bool
		env      map[string]string
		want     bool
	}{
		{true, nil, true},
		{false, nil, false},
		{true, map[string]string{"NO_COLOR": "1"}, false},
		{true, map[string]string{"TERM": "dumb"}, false},
	} {
		p := &program{env: func(k string) string { return c.env[k] }, outTerm: c.terminal}
		if got := p.paint(red, "x") != "x"; got != c.want {
			t.Errorf("terminal %v, %v: coloured %v", c.terminal, c.env, got)
		}
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"90s": now.Add(-90 * time.Second), "10m": now.Add(-10 * time.Minute), "7d": now.AddDate(0, 0, -7),
		"2026-01-02T03:04:05Z": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	} {
		if got, err := parseSince(s, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "d", "x", "-5m", "2026"} {
		if got, err := parseSince(s, now); err == nil {
			t.Errorf("%q was taken as %v", s, got)
		}
	}
}

func TestSplitLog(t *testing.T) {
	lines, r := splitLog("START RequestId: 1 Version: $LATEST\nhello\n\nworld\nEND RequestId: 1\n" +
		"REPORT RequestId: 1\tDuration: 12.34 ms\tBilled Duration: 113 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\tInit Duration: 100.50 ms\t\n")
	if strings.Join(lines, "|") != "hello||world" {
		t.Errorf("lines %q", lines)
	}
	if r == nil || r.RequestID != "1" || r.Duration != 12.34 || r.Billed != 113 || r.Memory != 128 || r.MaxMemory != 30 || r.Init != 100.5 {
		t.Errorf("report %+v", r)
	}
	if got, want := r.String(), "REPORT RequestId: 1\tDuration: 12.34 ms\tBilled Duration: 113 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\tInit Duration: 100.50 ms"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	lines, r = splitLog(`{"level":"INFO","message":"hi"}` + "\n" + `{"time":"t","type":"platform.report","record":{"requestId":"2","metrics":{"durationMs":1.5,"billedDurationMs":2,"memorySizeMB":256,"maxMemoryUsedMB":40}}}`)
	if len(lines) != 1 || r == nil || r.Memory != 256 || r.RequestID != "2" {
		t.Errorf("lines %q, report %+v", lines, r)
	}
	if got, want := r.String(), "took 1.50 ms, billed 2 ms, 40 of 256 MB"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if lines, r = splitLog(""); len(lines) != 0 || r != nil {
		t.Errorf("lines %q, report %+v", lines, r)
	}
}

func FuzzSplitLog(f *testing.F) {
	f.Add("REPORT RequestId: 1\tDuration: 1 ms\n{\"type\":\"platform.report\"}")
	f.Fuzz(func(t *testing.T, log string) {
		lines, _ := splitLog(log)
		for _, l := range lines {
			if !strings.Contains(log, l) {
				t.Fatalf("line %q is not in %q", l, log)
			}
		}
	})
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"name": "x", "memory": 128, "env": {"a": "b"}, "layers": ["arn"]}`))
	f.Add([]byte(`{"memory": "128"}`))
	f.Add([]byte("{\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m manifest
		if err := parseManifest(b, &m); err != nil && (err.Error() == "" || strings.HasPrefix(err.Error(), "json:")) {
			t.Fatalf("not fit for people: %v", err)
		}
	})
}

func TestDocsNameEveryCommand(t *testing.T) {
	var b bytes.Buffer
	if err := Docs(&b); err != nil {
		t.Fatal(err)
	}
	want(t, "docs", b.String(), []string{
		"## mayfly serve", "## mayfly env", "## mayfly init", "## mayfly deploy", "## mayfly invoke", "## mayfly logs", "## mayfly list",
		"## mayfly delete", "## mayfly usage", "## mayfly runtimes", "## mayfly version", "## mayfly completion", "| `-f, --follow` |", "130  interrupted",
	})
}

func TestEveryCommandShowsAnExample(t *testing.T) {
	for _, c := range (&program{}).root().Commands() {
		if c.Example == "" || c.Short == "" || c.RunE == nil {
			t.Errorf("%s: no example, summary or action", c.Name())
		}
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p := &program{err: new(bytes.Buffer), env: func(string) string { return "" }}
	if got := p.report(ctx, context.Canceled); got != exitInterrupted {
		t.Errorf("exit %d", got)
	}
	if got := p.report(context.Background(), errors.New("x")); got != exitFailure {
		t.Errorf("exit %d", got)
	}
}
