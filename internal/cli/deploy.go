package cli

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
)

// A functionConfig is what the server tells of a function.
type functionConfig struct {
	FunctionName           string
	FunctionArn            string
	Runtime                string
	Role                   string
	Handler                string
	Description            string
	CodeSize               int64
	CodeSha256             string
	Timeout, MemorySize    int
	LastModified           string
	Version                string
	State, StateReason     string
	LastUpdateStatus       string
	LastUpdateStatusReason string
	Environment            struct{ Variables map[string]string }
	EphemeralStorage       struct{ Size int }
	Architectures          []string
	Layers                 []struct{ Arn string }
}

// A deployment is one run of deploy.
type deployment struct {
	*program
	api  *client
	dir  string
	want manifest
	code *archive
	sha  string // of the code, as the API writes it
	did  []did  // of triggers
	url  string // the function's address, if the manifest speaks of it
}

func (p *program) deployCommand() *cobra.Command {
	d := &deployment{program: p, did: []did{}}
	var flags manifest
	c := &cobra.Command{
		Use: "deploy [DIR]", Short: "Create or update a function from a folder", Args: args(0, 1, "at most one folder"),
		Long: `Zip a folder and make it a function: a new one, or new code and configuration for
one that is there. mayfly.json in the folder says what the function is; flags
win over it. What neither mentions is the default for a new function, and stays
as it is for one that is there. .mayflyignore names what is not deployed.

mayfly.json may also have "triggers", what invokes the function: queues (sqs),
topics (sns), patterns on event buses (bus), schedules and buckets (s3). What a
trigger needs is made if it is missing. A trigger that is gone from the list is removed if
deploy made it; queues, topics and buses stay. "async" says what becomes of
asynchronous invocations, and "url" gives the function an address on the web
("auth" is AWS_IAM unless it says NONE: open to everybody):

    {
      "name": "orders", "runtime": "python3.12", "handler": "app.handler",
      "triggers": [
        {"sqs": "orders", "batch": 10, "report": true, "dead_letter": "orders-dead", "retries": 4},
        {"sns": "news", "filter": {"kind": ["order"]}},
        {"bus": "default", "pattern": {"source": ["shop"]}, "retries": 3},
        {"schedule": "cron(0 8 ? * MON-FRI *)", "timezone": "Europe/Berlin", "input": {"kind": "daily"}},
        {"s3": "photos", "prefix": "uploads/", "suffix": ".jpg"}
      ],
      "async": {"retries": 1, "max_age": 3600, "on_failure": "orders-failed"},
      "url": {"auth": "NONE", "stream": false, "cors": {"origins": ["https://shop.example"], "methods": ["GET"]}}
    }

Deploying the same content again changes nothing.`,
		Example: `  mayfly deploy
  mayfly deploy ./hello --name hello-test
  mayfly deploy ./src --name hello --runtime python3.12 --handler app.handler`,
		RunE: func(c *cobra.Command, args []string) error {
			d.dir = "."
			if len(args) > 0 {
				d.dir = args[0]
			}
			if err := d.prepare(flags); err != nil {
				return err
			}
			return d.run(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&flags.Name, "name", "", "the function's name (default from mayfly.json, else the folder's)")
	f.StringVar(&flags.Runtime, "runtime", "", "what runs it, such as python3.12")
	f.StringVar(&flags.Handler, "handler", "", "where it begins, such as app.handler")
	f.StringToStringVar(&flags.Env, "env", nil, "an environment variable, as NAME=VALUE; beside those of mayfly.json")
	f.StringVar(&flags.Role, "role", "", "ARN of its role (default one of the function's name)")
	return c
}

// prepare reads the folder.
func (d *deployment) prepare(flags manifest) (err error) {
	if info, err := os.Stat(d.dir); err != nil || !info.IsDir() {
		return usage("there is no folder %s", d.dir).next("begin a function with `mayfly init NAME --runtime RUNTIME`")
	}
	if d.want, err = readManifest(d.dir); err != nil {
		return err
	}
	abs, err := filepath.Abs(d.dir)
	if err != nil {
		return fail("%v", err)
	}
	d.want.Name = first(flags.Name, d.want.Name, filepath.Base(abs))
	d.want.Runtime = first(flags.Runtime, d.want.Runtime)
	d.want.Handler = first(flags.Handler, d.want.Handler)
	d.want.Role = first(flags.Role, d.want.Role)
	if d.want.Env == nil {
		d.want.Env = flags.Env
	} else {
		maps.Copy(d.want.Env, flags.Env)
	}
	if err := checkName(d.want.Name); err != nil {
		return err
	}
	if d.code, err = pack(d.dir); err != nil {
		return err
	}
	sum := sha256.Sum256(d.code.zip)
	d.sha = base64.StdEncoding.EncodeToString(sum[:])
	return d.checkCode()
}

// checkCode finds what would only fail at the first invocation.
func (d *deployment) checkCode() error {
	if d.code.files == 0 && !strings.HasPrefix(d.want.Runtime, "provided") {
		return usage("there is nothing to deploy in %s", d.dir).next("write a function there, or see `mayfly init --help`")
	}
	if strings.HasPrefix(d.want.Runtime, "provided") && !d.code.names["bootstrap"] && len(d.want.Layers) == 0 {
		return usage("there is no bootstrap in %s, which %s starts", d.dir, d.want.Runtime).next("build it: `%s`", goBuild)
	}
	return nil
}

func functionPath(name, rest string) string {
	return "/2015-03-31/functions/" + url.PathEscape(name) + rest
}

func (d *deployment) run(ctx context.Context) (err error) {
	if d.api, err = d.client(); err != nil {
		return err
	}
	have, err := d.api.configuration(ctx, d.want.Name)
	done := "updated"
	switch {
	case is(err, "ResourceNotFoundException"):
		done, err = "created", d.create(ctx)
	case err == nil:
		changed, e := d.update(ctx, have)
		if err = e; !changed {
			done = "unchanged"
		}
	}
	if err != nil {
		return err
	}
	have, err = d.wait(ctx)
	if err != nil {
		return err
	}
	err = d.triggers(ctx, have)
	if err != nil && d.json {
		return err
	}
	if err := firstError(d.tell(done, have), err); err != nil { // also what was done before it failed
		return err
	}
	d.warn(ctx, have.Runtime)
	return nil
}

// triggers makes the function's triggers what the manifest says of them.
func (d *deployment) triggers(ctx context.Context, f functionConfig) error {
	said := func(a did) {
		d.did = append(d.did, a)
	}
	if d.want.triggers != nil {
		if err := attach(ctx, d.api, f, d.want.triggers, said); err != nil {
			return err
		}
	}
	if d.want.Async != nil {
		if err := (&attacher{api: d.api, f: f, said: said}).attachAsync(ctx, *d.want.Async); err != nil {
			return err
		}
	}
	if d.want.URL == nil {
		return nil
	}
	a := &attacher{api: d.api, f: f, said: said, policy: map[string]string{}}
	err := a.readPolicy(ctx)
	if err == nil {
		d.url, err = a.attachURL(ctx, *d.want.URL)
	}
	return err
}

// warn tells that the server has no interpreter for the function, which would
// only show when it is invoked. A server that does not say is not asked again.
func (d *deployment) warn(ctx context.Context, runtime string) {
	list, err := d.api.runtimes(ctx)
	if err != nil {
		return
	}
	for _, s := range list {
		if s.Runtime == runtime && !s.Available {
			fmt.Fprintf(d.err, "%s this server cannot run %s: %s\n", d.paintErr(yellow, "warning:"), runtime, first(s.Advice, "no interpreter was found"))
		}
	}
}

// configuration reads a function's configuration.
func (c *client) configuration(ctx context.Context, name string) (f functionConfig, err error) {
	err = c.rest(ctx, "lambda", "GET", functionPath(name, "/configuration"), nil, &f)
	return f, err
}

// account is the one account that a server has.
const account = "000000000000"

func (d *deployment) create(ctx context.Context) error {
	if d.want.Runtime == "" || d.want.Handler == "" {
		return usage("%s is a new function: it needs a runtime and a handler", d.want.Name).
			next("write them in %s, or give --runtime and --handler", filepath.Join(d.dir, manifestFile))
	}
	in := d.settings()
	in["Role"] = first(d.want.Role, "arn:aws:iam::"+account+":role/"+d.want.Name)
	if d.want.Architecture != "" {
		in["Architectures"] = []string{d.want.Architecture}
	}
	in["FunctionName"] = d.want.Name
	code, clear, err := d.source(ctx)
	if err != nil {
		return err
	}
	in["Code"] = code
	return firstError(d.upload(ctx, "POST", "/2015-03-31/functions", in), clear())
}

// settings is the configuration that the manifest mentions.
func (d *deployment) settings() map[string]any {
	m := map[string]any{}
	for name, s := range map[string]string{"Runtime": d.want.Runtime, "Handler": d.want.Handler, "Role": d.want.Role} {
		if s != "" {
			m[name] = s
		}
	}
	for name, n := range map[string]*int{"MemorySize": d.want.Memory, "Timeout": d.want.Timeout} {
		if n != nil {
			m[name] = *n
		}
	}
	if d.want.Description != nil {
		m["Description"] = *d.want.Description
	}
	if d.want.Env != nil {
		m["Environment"] = map[string]any{"Variables": d.want.Env}
	}
	if d.want.Layers != nil {
		m["Layers"] = d.want.Layers
	}
	if d.want.Storage != nil {
		m["EphemeralStorage"] = map[string]any{"Size": *d.want.Storage}
	}
	return m
}

// update sends what differs: code, configuration, both or nothing.
func (d *deployment) update(ctx context.Context, have functionConfig) (changed bool, err error) {
	otherArch := d.want.Architecture != "" && !slices.Equal(have.Architectures, []string{d.want.Architecture})
	if have.CodeSha256 != d.sha || otherArch {
		in, clear, err := d.source(ctx)
		if err != nil {
			return false, err
		}
		if otherArch {
			in["Architectures"] = []string{d.want.Architecture}
		}
		if err := firstError(d.upload(ctx, "PUT", functionPath(d.want.Name, "/code"), in), clear()); err != nil {
			return false, err
		}
		if _, err := d.wait(ctx); err != nil {
			return false, err
		}
		changed = true
	}
	diff := d.settings()
	maps.DeleteFunc(diff, func(name string, want any) bool { return reflect.DeepEqual(want, have.setting(name)) })
	if len(diff) == 0 {
		return changed, nil
	}
	return true, d.api.rest(ctx, "lambda", "PUT", functionPath(d.want.Name, "/configuration"), diff, nil)
}

// setting is one setting of a function, in the form that settings gives it.
func (f functionConfig) setting(name string) any {
	switch name {
	case "Environment":
		vars := f.Environment.Variables
		if vars == nil {
			vars = map[string]string{}
		}
		return map[string]any{"Variables": vars}
	case "Layers":
		list := []string{}
		for _, l := range f.Layers {
			list = append(list, l.Arn)
		}
		return list
	case "EphemeralStorage":
		return map[string]any{"Size": f.EphemeralStorage.Size}
	default:
		return reflect.ValueOf(f).FieldByName(name).Interface()
	}
}

// upload tells the API of code.
func (d *deployment) upload(ctx context.Context, method, path string, in map[string]any) error {
	body, err := jsonBytes(in)
	if err != nil {
		return err
	}
	return d.send(ctx, request{service: "lambda", method: method, path: path, body: body, header: map[string]string{"Content-Type": "application/json"}})
}

// send makes a request that may be large, with a progress bar for who watches.
func (d *deployment) send(ctx context.Context, q request) error {
	if d.errTerm && !d.json {
		bar := progressbar.NewOptions64(int64(len(q.body)), progressbar.OptionSetWriter(d.err), progressbar.OptionSetDescription("uploading "+d.want.Name),
			progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
		defer bar.Finish()
		q.watch = func(r io.Reader) io.Reader { return io.TeeReader(r, bar) }
	}
	return d.api.read(ctx, q, nil)
}

// deployTime is how long the server may take to make a function ready.
const deployTime = 2 * time.Minute

// wait waits until the function is ready.
func (d *deployment) wait(ctx context.Context) (functionConfig, error) {
	deadline := time.Now().Add(deployTime)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		f, err := d.api.configuration(ctx, d.want.Name)
		switch {
		case err != nil:
			return f, err
		case f.State == "Failed" || f.LastUpdateStatus == "Failed":
			return f, fail("%s cannot run: %s", f.FunctionName, first(f.StateReason, f.LastUpdateStatusReason, "the server gives no reason")).
				next("mend it and deploy again")
		case f.State != "Pending" && f.LastUpdateStatus != "InProgress":
			return f, nil
		case time.Now().After(deadline):
			return f, fail("%s is still not ready: %s %s", f.FunctionName, f.State, f.StateReason).next("see the server's log")
		}
		if err := sleep(ctx, pause); err != nil {
			return f, err
		}
	}
}

// sleep waits for a time or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *deployment) tell(done string, f functionConfig) error {
	if d.json {
		all := map[string]any{
			"action": done, "name": f.FunctionName, "arn": f.FunctionArn, "runtime": f.Runtime, "handler": f.Handler, "version": f.Version,
			"code_sha256": f.CodeSha256, "code_size": f.CodeSize, "files": d.code.files, "memory": f.MemorySize, "timeout": f.Timeout,
			"triggers": d.did,
		}
		if d.url != "" {
			all["url"] = d.url
		}
		return d.printJSON(d.out, all)
	}
	fmt.Fprintf(d.out, "%s %s\n", d.paint(green, done), d.paint(bold, f.FunctionName))
	fmt.Fprintf(d.out, "  arn      %s\n", f.FunctionArn)
	fmt.Fprintf(d.out, "  runtime  %s, %s, %d MB, %d s\n", f.Runtime, f.Handler, f.MemorySize, f.Timeout)
	fmt.Fprintf(d.out, "  code     %s in %s, sha256 %s\n", size(f.CodeSize), plural(d.code.files, "file"), f.CodeSha256)
	for _, a := range d.did {
		fmt.Fprintf(d.out, "  %-9s %s\n", a.Action, a.What)
	}
	event := ""
	if name := filepath.Join(d.dir, "event.json"); exists(name) {
		event = " --event " + quote(name)
	}
	fmt.Fprintf(d.out, "\nNext: mayfly invoke %s%s%s\n", f.FunctionName, event, d.dataFlag())
	return nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
