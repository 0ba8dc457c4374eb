package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"golang.org/x/sync/errgroup"
)

// soakRuns is how many invocations a soak has; MAYFLY_SOAK says another number
// (make soak: 100,000).
const soakRuns = 3000

// soakCallers invoke at a time.
const soakCallers = 8

// A soaked is a function under soak. Its code is updated throughout.
type soaked struct {
	name      string
	files     map[string]string
	runtime   string
	handler   string
	timeout   int32
	memory    int32
	does      []string      // how a tenth of its invocations misbehave
	sent      atomic.Int64  // the version of the last update that was sent
	confirmed atomic.Int64  // the version of the last update that was answered as done
	answered  atomic.Int64  // invocations
	renew     chan struct{} // asks for an update
}

// An update is asked for after so many invocations: by work, not by time, so
// that a soak is the same on every machine.
const soakUpdateEvery = 20

// A soak is one run: what it saw, and what was wrong with it.
type soak struct {
	s         *server
	c         *lambda.Client
	functions []*soaked
	left      atomic.Int64 // invocations to be made
	nonce     atomic.Int64
	kinds     sync.Map // what was done, to a *done
	wrong     chan string
}

// A done is how often something was done, and how long it took in all.
type done struct{ times, nanoseconds atomic.Int64 }

// TestSoak makes many invocations of several functions at once, a tenth of which
// crash, hang, grow or leave processes behind, while all code is being updated.
// Each answer must be of its own request and of code that was current, and
// nothing may stay behind.
func TestSoak(t *testing.T) {
	runs := int64(soakRuns)
	if v, err := strconv.Atoi(os.Getenv("MAYFLY_SOAK")); err == nil {
		runs = int64(v)
	}
	if testing.Short() {
		runs = 300
	}
	s := start(t)
	k := &soak{s: s, c: lambda.NewFromConfig(s.config(), once), wrong: make(chan string, 100)}
	k.functions = soakFunctions(t, s)
	k.round(t, max(runs/20, 100)) // whatever is made once is made now
	calm(t, s)
	before := holdings(s)
	k.round(t, runs/5)
	early := calmMemory(t, s)
	k.round(t, runs-runs/5)
	k.settled(t, before)
	late := calmMemory(t, s)
	after := holdings(s)
	t.Logf("%d invocations: %s", runs, k.summary())
	t.Logf("held before: %v\nheld after:  %v\nresident after a fifth %d MiB, at the end %d MiB", before, after, early>>20, late>>20)
	if late > early+early/4+(48<<20) {
		t.Errorf("the server grew from %d to %d MiB", early>>20, late>>20)
	}
	k.metered(t)
	k.endsClean(t)
}

// soakFunctions are the functions of a soak, not yet created.
func soakFunctions(t *testing.T, s *server) []*soaked {
	all := []string{"raise", "raise", "exit", "exit", "kill", "grow", "child", "child", "daemon", "daemon"}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("testdata", "soak", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	py, js := map[string]string{"app.py": read("app.py")}, map[string]string{"index.mjs": read("index.mjs")}
	bin := map[string]string{"+bootstrap": unzipped(t, bootstrap(t, "soak"))}
	functions := []*soaked{
		{name: "soak-py", files: py, runtime: s.pythonRuntime(), handler: "app.handler", timeout: 60, memory: 512, does: all},
		{name: "soak-js", files: js, runtime: s.nodeRuntime(), handler: "index.handler", timeout: 60, memory: 512, does: all},
		{name: "soak-go", files: bin, runtime: "provided.al2023", handler: "x", timeout: 60, memory: 512, does: all},
		{name: "soak-hang", files: py, runtime: s.pythonRuntime(), handler: "app.handler", timeout: 1, memory: 1769, does: []string{"hang"}},
	}
	for _, f := range functions {
		f.renew = make(chan struct{}, 1)
	}
	return functions
}

// round creates the functions, makes so many invocations while their code is
// updated, and deletes the functions, with which their sandboxes end.
func (k *soak) round(t *testing.T, runs int64) {
	t.Helper()
	for _, f := range k.functions {
		version := f.sent.Add(1)
		create(t, k.c, f.name, f.runtime, f.handler, f.archive(t, version), func(in *lambda.CreateFunctionInput) {
			in.Timeout, in.MemorySize = &f.timeout, &f.memory
		})
		f.confirmed.Store(version)
	}
	k.left.Store(runs)
	ctx, stop := context.WithCancel(t.Context())
	var updaters errgroup.Group
	for _, f := range k.functions {
		updaters.Go(func() error { return k.update(ctx, t, f) })
	}
	var callers sync.WaitGroup
	for range soakCallers {
		callers.Go(func() {
			for n := k.left.Add(-1); n >= 0 && len(k.wrong) < cap(k.wrong); n = k.left.Add(-1) {
				if n%soakUpdateEvery == 0 {
					k.functions[rand.IntN(len(k.functions))].askUpdate()
				}
				k.one(t.Context(), k.pick())
			}
		})
	}
	callers.Wait()
	stop()
	if err := updaters.Wait(); err != nil {
		t.Errorf("update: %v", err)
	}
	for _, f := range k.functions {
		if _, err := k.c.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: &f.name}); err != nil {
			t.Error(err)
		}
	}
	for len(k.wrong) > 0 {
		t.Error(<-k.wrong)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// pick is a function by chance; the one that hangs is rare, since it takes a second.
func (k *soak) pick() *soaked {
	if rand.IntN(50) == 0 {
		return k.functions[3]
	}
	return k.functions[rand.IntN(3)]
}

// unzipped is the one file of an archive.
func unzipped(t *testing.T, archive []byte) string {
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (f *soaked) archive(t *testing.T, version int64) []byte {
	files := map[string]string{"version": fmt.Sprint(version)}
	for name, text := range f.files {
		files[name] = text
	}
	return zipped(t, files)
}

// askUpdate asks for an update, unless one is asked for already.
func (f *soaked) askUpdate() {
	select {
	case f.renew <- struct{}{}:
	default:
	}
}

// update gives f new code whenever that is asked for.
func (k *soak) update(ctx context.Context, t *testing.T, f *soaked) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.renew:
		}
		version := f.sent.Add(1)
		_, err := k.c.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: &f.name, ZipFile: f.archive(t, version)})
		if err != nil {
			return err
		}
		for done := false; !done; {
			out, err := k.c.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: &f.name})
			if err != nil {
				return err
			}
			if done = out.LastUpdateStatus == types.LastUpdateStatusSuccessful; !done {
				time.Sleep(5 * time.Millisecond)
			}
		}
		f.confirmed.Store(version)
	}
}

// one makes an invocation and judges its answer.
func (k *soak) one(ctx context.Context, f *soaked) {
	do := "answer"
	if rand.IntN(10) == 0 {
		do = f.does[rand.IntN(len(f.does))]
	}
	nonce := fmt.Sprintf("n%d", k.nonce.Add(1))
	oldest := f.confirmed.Load()
	began := time.Now()
	out, err := k.c.Invoke(ctx, &lambda.InvokeInput{FunctionName: &f.name, Payload: fmt.Appendf(nil, `{"do":%q,"nonce":%q}`, do, nonce)})
	if err == nil {
		f.answered.Add(1)
		err = judgeSoak(f, do, nonce, oldest, f.sent.Load(), out)
	}
	kind, _ := k.kinds.LoadOrStore(do, new(done))
	kind.(*done).times.Add(1)
	kind.(*done).nanoseconds.Add(int64(time.Since(began)))
	if err != nil {
		select {
		case k.wrong <- fmt.Sprintf("%s %s %s after %v: %v", f.name, do, nonce, time.Since(began).Round(time.Millisecond), err):
		default: // there are enough of them
		}
	}
}

// judgeSoak says what is wrong with an answer. Its version must be one of those
// that were current while the invocation ran: oldest to newest.
func judgeSoak(f *soaked, do, nonce string, oldest, newest int64, out *lambda.InvokeOutput) error {
	var a struct {
		Nonce                   string
		Version                 int64
		ErrorType, ErrorMessage string
	}
	if err := json.Unmarshal(out.Payload, &a); err != nil {
		return fmt.Errorf("%w: %q", err, out.Payload)
	}
	failed := aws.ToString(out.FunctionError)
	switch do {
	case "raise":
		if _, err := fmt.Sscanf(a.ErrorMessage, "%s %d", &a.Nonce, &a.Version); err != nil {
			return fmt.Errorf("%s %s", failed, out.Payload)
		}
		if failed == "" {
			return fmt.Errorf("no function error: %s", out.Payload)
		}
	case "exit", "kill", "grow":
		if failed == "" || a.ErrorType != "Runtime.ExitError" && (do != "grow" || a.ErrorType != "Runtime.OutOfMemory" && a.ErrorType != "MemoryError") {
			return fmt.Errorf("%s %s", failed, out.Payload)
		}
		return nil
	case "hang":
		if failed == "" || a.ErrorType != "Sandbox.Timedout" {
			return fmt.Errorf("%s %s", failed, out.Payload)
		}
		return nil
	default:
		if a.ErrorType == "Sandbox.Timedout" && f.timeout == 1 {
			return nil // a second may be short on a busy machine
		}
		if failed != "" {
			return fmt.Errorf("%s %s", failed, out.Payload)
		}
	}
	switch {
	case a.Nonce != nonce:
		return fmt.Errorf("the answer of another request: %s", out.Payload)
	case a.Version < oldest:
		return fmt.Errorf("stale: version %d, and %d was active before the invocation began", a.Version, oldest)
	case a.Version > newest:
		return errors.New("a version that was never sent")
	}
	return nil
}

// summary is how often what was done, and how long it took.
func (k *soak) summary() string {
	var parts []string
	k.kinds.Range(func(do, d any) bool {
		n := d.(*done).times.Load()
		parts = append(parts, fmt.Sprintf("%s %d (%v each)", do, n, time.Duration(d.(*done).nanoseconds.Load()/n).Round(100*time.Microsecond)))
		return true
	})
	for _, f := range k.functions {
		parts = append(parts, fmt.Sprintf("%s: %d versions", f.name, f.sent.Load()))
	}
	return strings.Join(parts, ", ")
}

// metered wants each invocation that was answered to be metered once.
func (k *soak) metered(t *testing.T) {
	for _, f := range k.functions {
		if n := usage(t, k.s, f.name); n != int(f.answered.Load()) {
			t.Errorf("%s: %d invocations were answered, %d are metered", f.name, f.answered.Load(), n)
		}
	}
}
