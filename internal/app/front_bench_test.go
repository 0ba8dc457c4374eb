package app

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/listen"
	"github.com/mayfly-faas/mayfly/internal/service/lambda"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// loadVar tells a run of the test binary that it is the load of BenchmarkInvoke:
// address, connections and requests, apart by spaces. The request comes on its input.
const loadVar = "MAYFLY_FRONT_LOAD"

// An echo is an engine without sandboxes: it answers the event.
type echo struct {
	*engine.Engine
	done func(u *engine.Unit)
}

func (e echo) Invoke(_ context.Context, u *engine.Unit, c engine.Call) (*engine.Outcome, error) {
	if _, err := c.Answer.Write(c.Payload); err != nil {
		return nil, err
	}
	e.done(u)
	return &engine.Outcome{Report: engine.Report{Start: time.Now(), BilledMS: 1}}, nil
}
func (echo) Expect(*engine.Unit)              {}
func (echo) Drain(string)                     {}
func (echo) Reserve(string, int)              {}
func (echo) Unreserve(string)                 {}
func (echo) Provision(*engine.Unit, int)      {}
func (echo) Provisioned(string) (int, string) { return 0, "" }
func (echo) Close(context.Context) error      { return nil }

// BenchmarkInvoke is all of a warm invocation but the engine: signed requests
// over loopback from another process. cpu-µs/op is this process's alone.
func BenchmarkInvoke(b *testing.B) {
	for _, size := range []int{100, 10 << 10, 256 << 10, 6 << 20} {
		for _, callers := range []int{1, 32} {
			b.Run(fmt.Sprintf("%dB/%d", size, callers), func(b *testing.B) { benchInvoke(b, size, callers, false) })
		}
	}
	b.Run("logs/32", func(b *testing.B) { benchInvoke(b, 100, 32, true) })
}

func benchInvoke(b *testing.B, size, callers int, logging bool) {
	a := benchApp(b, logging)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go a.server.Serve(l)
	defer a.server.Close()
	request := signedInvoke(b, a, l.Addr().String(), size)
	load(b, l.Addr().String(), callers, callers, request) // connections and caches
	cpu := used(b)
	b.ReportAllocs()
	b.ResetTimer()
	load(b, l.Addr().String(), callers, b.N, request)
	b.StopTimer()
	b.ReportMetric(float64((used(b)-cpu).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// benchApp is an App with an echo for its engine, and one function, f.
func benchApp(b *testing.B, logging bool) *App {
	b.Helper()
	a := &App{config: Config{Data: b.TempDir(), Region: "eu-central-1"}, large: newLarge(largeAtOnce, largeTime), server: listen.New(listen.Config{}),
		engine: engine.New(engine.Config{})} // for the metrics
	b.Cleanup(func() {
		if err := a.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	must(a.openStores(b.Context()))
	e := echo{done: func(*engine.Unit) {}}
	if logging {
		e.done = func(u *engine.Unit) {
			now := time.Now()
			a.logs.Put(u.Log.Group, "2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef", []time.Time{now, now, now},
				[]string{strings.Repeat("S", 80) + "\n", strings.Repeat("E", 50) + "\n", strings.Repeat("R", 160) + "\n"})
		}
	}
	var err error
	a.functions, err = function.Open(b.Context(), function.Config{DB: a.db, Blobs: a.blobs, Code: a.codes, Engine: e, Meter: a.meter,
		Identity: a.book, Account: Account, Region: a.config.Region})
	must(err)
	a.onClose(func(context.Context) error { return a.functions.Close() })
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	_, err = z.Create("index.py")
	must(err)
	must(z.Close())
	_, err = a.functions.Create(b.Context(), function.New{Name: "f", Zip: code.Bytes(), Edit: function.Edit{
		Role: new("arn:aws:iam::000000000000:role/r"), Runtime: new("python3.12"), Handler: new("index.handler")}})
	must(err)
	for {
		v, err := a.functions.Get(b.Context(), function.Ref{Name: "f"})
		must(err)
		if v.State == function.Active {
			break
		}
		time.Sleep(time.Millisecond)
	}
	a.server.Handle(wire.Front{Services: []wire.Service{lambda.Service(a.functions)}, Gate: a.gate}.Handler())
	return a
}

// signedInvoke is the text of a request as botocore signs it.
func signedInvoke(b *testing.B, a *App, addr string, size int) []byte {
	b.Helper()
	body := []byte(`{"data":"` + strings.Repeat("x", size-len(`{"data":""}`)) + `"}`)
	r, err := http.NewRequest("POST", "http://"+addr+"/2015-03-31/functions/f/invocations", bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	for k, v := range map[string]string{
		"User-Agent":            "Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux#6.18 md/arch#x86_64 lang/python#3.14.0 md/pyimpl#CPython m/Z,b cfg/retry-mode#legacy Botocore/1.40.0",
		"X-Amz-Invocation-Type": "RequestResponse", "Amz-Sdk-Invocation-Id": "2f0f5ea5-4a31-4a1c-a7a2-6d4d3b8f6b1e", "Amz-Sdk-Request": "attempt=1",
		"Content-Type": "application/json", "Accept-Encoding": "identity",
	} {
		r.Header.Set(k, v)
	}
	root := a.book.Root()
	sigv4.Sign(r, body, sigv4.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey}, "eu-central-1", "lambda", time.Now())
	var text bytes.Buffer
	if err := r.Write(&text); err != nil {
		b.Fatal(err)
	}
	return text.Bytes()
}

func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// load sends n requests over some connections from another process.
func load(b *testing.B, addr string, connections, n int, request []byte) {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestLoad$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", loadVar, addr, connections, n))
	cmd.Stdin = bytes.NewReader(request)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("load: %v\n%s", err, out)
	}
}

// TestLoad is no test: it is the process that load starts.
func TestLoad(t *testing.T) {
	f := strings.Fields(os.Getenv(loadVar))
	if len(f) != 3 {
		t.Skip("for BenchmarkInvoke")
	}
	connections, _ := strconv.Atoi(f[1])
	n, _ := strconv.Atoi(f[2])
	request, err := io.ReadAll(os.Stdin)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() {
			c, err := net.Dial("tcp", f[0])
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			in := bufio.NewReaderSize(c, 64<<10)
			for range (n + connections - 1 - i) / connections {
				if err := exchange(c, in, request); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// exchange sends a request and reads its answer.
func exchange(c net.Conn, in *bufio.Reader, request []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	line, err := in.ReadSlice('\n')
	if err != nil || !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
		return fmt.Errorf("answer %q: %w", line, err)
	}
	size := 0
	for len(line) > 2 {
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			size, _ = strconv.Atoi(string(bytes.TrimSpace(v)))
		}
	}
	_, err = in.Discard(size)
	return err
}
