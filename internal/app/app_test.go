package app

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/cli"
	"github.com/mayfly-faas/mayfly/internal/meter"
	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// A client talks to an App under test and signs as root.
type client struct {
	*testing.T
	url  string
	cred sigv4.Credentials
}

func open(t *testing.T, c Config) (*App, *client) {
	t.Helper()
	if c.Tier == "" {
		c.Tier = "process"
	}
	c.Region = "eu-central-1"
	a, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(a.server)
	t.Cleanup(func() {
		srv.Close()
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	root := a.book.Root()
	return a, &client{t, srv.URL, sigv4.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey}}
}

// do sends a request, signed for service unless that is "".
func (c *client) do(method, path, service, body string) (int, string) {
	c.Helper()
	url := path
	if strings.HasPrefix(path, "/") {
		url = c.url + path
	}
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	if service != "" {
		sigv4.Sign(r, []byte(body), c.cred, "eu-central-1", service, time.Now())
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.Error(err)
		return 0, ""
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		c.Error(err)
	}
	return answer.StatusCode, string(b)
}

// want does a request and holds it to a status and a part of its text.
func (c *client) want(status int, part, method, path, service, body string) string {
	c.Helper()
	got, text := c.do(method, path, service, body)
	if got != status || !strings.Contains(text, part) {
		c.Errorf("%s %s: %d %s, want %d with %q", method, path, got, text, status, part)
	}
	return text
}

// create makes a function whose one file is bootstrap, and waits for it.
func (c *client) create(name, bootstrap string) {
	c.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "bootstrap"}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err != nil {
		c.Fatal(err)
	}
	io.WriteString(w, bootstrap)
	if err := z.Close(); err != nil {
		c.Fatal(err)
	}
	c.want(201, `"State":"Pending"`, "POST", "/2015-03-31/functions", "lambda", `{"FunctionName":"`+name+`","Runtime":"provided.al2023","Handler":"h",
		"Role":"arn:aws:iam::000000000000:role/r","Timeout":30,"Code":{"ZipFile":"`+base64.StdEncoding.EncodeToString(b.Bytes())+`"}}`)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, text := c.do("GET", "/2015-03-31/functions/"+name+"/configuration", "lambda", ""); strings.Contains(text, `"State":"Active"`) {
			return
		}
	}
	c.Fatalf("%s did not become active", name)
}

// sleeper answers an event with itself, after as many seconds as it says.
const sleeper = `#!/usr/bin/env python3
import os, time, urllib.request as u
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    r = u.urlopen(api + "next")
    event = r.read()
    time.sleep(float(event))
    u.urlopen(u.Request(api + r.headers["Lambda-Runtime-Aws-Request-Id"] + "/response", data=event))
`

func TestPrivateEndpoints(t *testing.T) {
	_, c := open(t, Config{Data: t.TempDir(), Version: "v9"})
	c.want(200, `"version":"v9","tier":"process"`, "GET", "/_mayfly/health", "", "")
	c.want(200, "mayfly_invocations_total 0", "GET", "/metrics", "", "")
	c.want(200, "mayfly_sandboxes_idle 0", "GET", "/_mayfly/metrics", "", "")
	c.want(403, "MissingAuthenticationToken", "GET", "/_mayfly/runtimes", "", "")
	c.want(200, "provided.al2023", "GET", "/_mayfly/runtimes", "mayfly", "")
	c.want(405, "", "POST", "/_mayfly/health", "", "")
}

func TestUsage(t *testing.T) {
	a, c := open(t, Config{Data: t.TempDir()})
	err := a.meter.Add(meter.Use{At: time.Date(2026, 11, 5, 1, 0, 0, 0, time.UTC), Function: "arn:f", Version: "1", Arch: "x86_64", BilledMS: 3, MemoryMB: 128, TmpMB: 512})
	if err != nil {
		t.Fatal(err)
	}
	c.want(403, "", "GET", "/_mayfly/usage", "", "")
	c.want(403, "", "GET", "/_mayfly/usage", "lambda", "") // signed, but for something else
	c.want(200, `"billed_ms":3`, "GET", "/_mayfly/usage?from=2026-11-05&to=2026-11-06", "mayfly", "")
	if text := c.want(200, `"lines":`, "GET", "/_mayfly/usage?from=2026-11-06&to=2026-11-07", "mayfly", ""); strings.Contains(text, "billed_ms") {
		t.Errorf("another day has %s", text)
	}
	c.want(400, "ValidationException", "GET", "/_mayfly/usage?from=yesterday", "mayfly", "")
	c.want(400, "is not before", "GET", "/_mayfly/usage?from=2026-11-06&to=2026-11-06", "mayfly", "")
}

func TestCodeLink(t *testing.T) {
	_, c := open(t, Config{Data: t.TempDir()})
	c.create("f", sleeper)
	var f struct{ Code struct{ Location string } }
	if err := json.Unmarshal([]byte(c.want(200, "Location", "GET", "/2015-03-31/functions/f", "lambda", "")), &f); err != nil {
		t.Fatal(err)
	}
	c.want(200, "PK", "GET", f.Code.Location, "", "")
	c.want(403, "not valid", "GET", strings.Replace(f.Code.Location, "expires=", "expires=1", 1), "", "")
	c.want(403, "not valid", "GET", f.Code.Location[:strings.Index(f.Code.Location, "?")], "", "")
	c.want(403, "not valid", "GET", "/_mayfly/code/..%2F..%2Fmeta.db", "", "")
}

// What a failed start had opened is free for the next one.
func TestFailedOpenClosesWhatItOpened(t *testing.T) {
	data := t.TempDir()
	prices := filepath.Join(data, "prices.json")
	if err := os.WriteFile(prices, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), Config{Data: data, Tier: "process"}); err == nil {
		t.Fatal("opened with broken prices")
	}
	if err := os.Remove(prices); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), Config{Data: data, Tier: "plastic"}); err == nil {
		t.Fatal("opened a tier that there is not")
	}
	_, c := open(t, Config{Data: data})
	c.want(200, "ok", "GET", "/_mayfly/health", "", "")
	if _, err := New(t.Context(), Config{Data: data, Tier: "process"}); err == nil {
		t.Error("two servers on one folder")
	}
}

// Others on the machine, functions among them, can read nothing of value.
func TestDataIsPrivate(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	a, c := open(t, Config{Data: data})
	c.create("f", sleeper)
	if err := a.writeEndpoint("http://x"); err != nil {
		t.Fatal(err)
	}
	open := []string{"runtimes"} // they are mounted, and no secret
	entries, err := os.ReadDir(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		i, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if i.Mode().Perm()&0o077 != 0 && !slices.Contains(open, e.Name()) {
			t.Errorf("%s has mode %v", e.Name(), i.Mode())
		}
	}
	if i, err := os.Stat(data); err != nil || i.Mode().Perm()&0o066 != 0 {
		t.Errorf("the folder has mode %v, %v", i.Mode(), err)
	}
}

// Every option of the command line arrives.
func TestOptionsArrive(t *testing.T) {
	var o cli.ServeOptions
	v := reflect.ValueOf(&o).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x" + v.Type().Field(i).Name)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int:
			f.SetInt(int64(i + 1))
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"h"}))
		}
	}
	c := reflect.ValueOf(configOf(o))
	for i := range c.NumField() {
		name := c.Type().Field(i).Name
		if from := v.FieldByName(name); !reflect.DeepEqual(c.Field(i).Interface(), from.Interface()) {
			t.Errorf("%s is %v, want %v", name, c.Field(i), from)
		}
	}
}
