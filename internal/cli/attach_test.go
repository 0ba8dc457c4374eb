package cli_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/app"
	"github.com/mayfly-faas/mayfly/internal/cli"
)

// A world is a real server with a folder to deploy from.
type world struct {
	*testing.T
	data, dir string
}

// start starts a server on a data folder of its own.
func start(t *testing.T) *world {
	w := &world{t, t.TempDir(), t.TempDir()}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- app.Run(ctx, cli.ServeOptions{Listen: "127.0.0.1:0", Data: w.data, Region: "eu-west-1", Tier: "process", LogsMB: 64})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for {
		if _, err := os.Stat(filepath.Join(w.data, "endpoint.json")); err == nil {
			break
		}
		select {
		case err := <-ended:
			ended <- nil
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	w.write("app.py", "def handler(event, context): pass\n")
	return w
}

func (w *world) write(name, content string) {
	w.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o644); err != nil {
		w.Fatal(err)
	}
}

// deploy deploys the function with these members of mayfly.json, and answers
// what was done about its triggers: one line each.
func (w *world) deploy(exit int, members string) string {
	w.Helper()
	w.write("mayfly.json", `{"name": "f", "runtime": "python3.12", "handler": "app.handler", `+members+`}`)
	var out, err bytes.Buffer
	if got := cli.RunForTest(w.Context(), &out, &err, "deploy", w.dir, "--data", w.data); got != exit {
		w.Fatalf("exit %d, want %d: %s%s", got, exit, &out, &err)
	}
	if exit != 0 {
		return err.String()
	}
	var did []string
	for l := range strings.Lines(out.String()) {
		if f := strings.Fields(l); strings.HasPrefix(l, "  ") && f[0] != "arn" && f[0] != "runtime" && f[0] != "code" {
			did = append(did, strings.Join(f, " "))
		}
	}
	return sums.ReplaceAllString(strings.Join(did, "\n"), "mayfly-f-SUM")
}

func (w *world) same(got, want string) {
	w.Helper()
	if got != want {
		w.Errorf("did\n%s\nwant\n%s", got, want)
	}
}

func TestDeployAttachesTriggers(t *testing.T) {
	w := start(t)
	all := `"triggers": [
		{"sqs": "q", "batch": 5, "window": 1, "report": true, "concurrency": 3, "filter": [{"body": {"a": [1]}}], "dead_letter": "dead", "retries": 2},
		{"sqs": "o.fifo"},
		{"sns": "news", "filter": {"kind": ["x"]}, "dead_letter": "dead"},
		{"bus": "own", "pattern": {"source": ["s"]}, "input": {"a": "<b>"}, "retries": 3, "dead_letter": "dead"},
		{"bus": "default", "pattern": {"source": ["s"]}},
		{"schedule": "rate(1 hour)", "timezone": "Europe/Berlin"}]`
	w.same(w.deploy(0, all), `created queue q
created queue dead
created trigger sqs q
created queue o.fifo
created trigger sqs o.fifo
created topic news
created trigger sns news
created bus own
created trigger bus own
created trigger bus default
created trigger schedule rate(1 hour)`)
	unchanged := `unchanged trigger sqs q
unchanged trigger sqs o.fifo
unchanged trigger sns news
unchanged trigger bus own
unchanged trigger bus default
unchanged trigger schedule rate(1 hour)`
	w.same(w.deploy(0, all), unchanged)
	w.same(w.deploy(0, `"timeout": 3`), "") // what is not mentioned stays
	w.same(w.deploy(0, all), unchanged)

	w.same(w.deploy(0, `"triggers": [
		{"sqs": "q"},
		{"sns": "news", "filter": {"a": ["y"]}, "scope": "body"},
		{"bus": "own", "pattern": {"source": ["other"]}}]`), `updated trigger sqs q
updated trigger sns news
created trigger bus own
deleted trigger by arn:aws:sqs:eu-west-1:000000000000:o.fifo
deleted trigger by arn:aws:events:eu-west-1:000000000000:rule/mayfly-f-SUM
deleted trigger by arn:aws:events:eu-west-1:000000000000:rule/own/mayfly-f-SUM
deleted schedule mayfly-f-SUM`)
	w.same(w.deploy(0, `"triggers": [{"sns": "arn:aws:sns:eu-west-1:000000000000:news"}]`), `updated trigger sns arn:aws:sns:eu-west-1:000000000000:news
deleted trigger by arn:aws:sqs:eu-west-1:000000000000:q
deleted trigger by arn:aws:events:eu-west-1:000000000000:rule/own/mayfly-f-SUM`)
	w.same(w.deploy(0, `"triggers": [{"sns": "news"}]`), "unchanged trigger sns news")
	w.same(w.deploy(0, `"triggers": []`), "deleted trigger by arn:aws:sns:eu-west-1:000000000000:news")
	w.same(w.deploy(0, `"triggers": []`), "")
}

func TestDeployOfAsynchronousInvocation(t *testing.T) {
	w := start(t)
	w.same(w.deploy(0, `"async": {"retries": 1, "on_failure": "failed", "on_success": "sns:done"}`), "created topic done\ncreated queue failed\ncreated async")
	w.same(w.deploy(0, `"async": {"retries": 1, "on_failure": "sqs:failed"}`), "")
	w.same(w.deploy(0, `"async": {"retries": 0, "max_age": 60}`), "updated async")
	w.same(w.deploy(0, `"async": {"retries": 0, "max_age": 60, "on_failure": "failed", "on_success": "sns:done"}`), "")
	if got := w.deploy(2, `"async": {"on_failure": "ftp:x"}`); !strings.Contains(got, "is no destination") {
		t.Error(got)
	}
	if got := w.deploy(1, `"async": {"retries": 3}`); !strings.Contains(got, "async: ") {
		t.Error(got)
	}
}

// A rule and a schedule have names that end in a sum of what they say.
var sums = regexp.MustCompile(`mayfly-f-[0-9a-f]{8}`)

// What others made is used as it is, and never removed.
func TestDeployLeavesAloneWhatItDidNotMake(t *testing.T) {
	w := start(t)
	w.deploy(0, `"triggers": [{"schedule": "rate(1 hour)"}, {"sqs": "q"}]`)
	w.write("mayfly.json", `{"name": "f-2", "runtime": "python3.12", "handler": "app.handler", "triggers": [{"schedule": "rate(1 hour)"}, {"sns": "n"}]}`)
	var out bytes.Buffer
	if cli.RunForTest(t.Context(), &out, &out, "deploy", w.dir, "--data", w.data) != 0 {
		t.Fatal(out.String())
	}
	w.same(w.deploy(0, `"triggers": [{"sqs": "q"}]`), "unchanged trigger sqs q\ndeleted schedule mayfly-f-SUM")
	out.Reset()
	w.write("mayfly.json", `{"name": "f-2", "triggers": [{"schedule": "rate(1 hour)"}, {"sns": "n"}]}`)
	if cli.RunForTest(t.Context(), &out, &out, "deploy", w.dir, "--data", w.data) != 0 || strings.Count(out.String(), "unchanged trigger") != 2 {
		t.Fatal(out.String())
	}
}

// A bucket is made, and told whom to tell; the rules of others stay.
func TestDeployAttachesBuckets(t *testing.T) {
	w := start(t)
	const deep = `"triggers": [{"s3": "photos", "prefix": "in/", "suffix": ".jpg"}, {"s3": "photos", "events": ["ObjectRemoved:*"]}]`
	const wide = `"triggers": [{"s3": "photos", "prefix": "i"}]` // which overlaps what it replaces
	w.same(w.deploy(0, deep), "created trigger s3 photos\ncreated trigger s3 photos")
	w.same(w.deploy(0, deep), "unchanged trigger s3 photos\nunchanged trigger s3 photos")
	w.same(w.deploy(0, wide), "created trigger s3 photos\ndeleted trigger by arn:aws:s3:::photos\ndeleted trigger by arn:aws:s3:::photos")
	w.same(w.deploy(0, wide), "unchanged trigger s3 photos")
	if text := w.deploy(1, `"triggers": [{"s3": "photos", "events": ["ObjectStolen:*"]}]`); !strings.Contains(text, "s3 photos") {
		t.Errorf("says %s", text)
	}
	w.same(w.deploy(0, `"triggers": []`), "deleted trigger by arn:aws:s3:::photos\ndeleted trigger by arn:aws:s3:::photos")
	w.same(w.deploy(0, `"triggers": []`), "")
}
