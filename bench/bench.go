package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// A bench is a running server and a client of it.
type bench struct {
	dir    string
	bin    string
	server *exec.Cmd
	url    string
	creds  sigv4.Credentials
	client *lambda.Client
	http   *http.Client
}

// newBench starts bin on a new folder.
func newBench(bin, tier string) (*bench, error) {
	dir, err := os.MkdirTemp("", "mayfly-bench-*")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir, bin: bin, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	logs, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, err
	}
	b.server = exec.Command(bin, "serve", "--data", filepath.Join(dir, "data"), "--listen", addr, "--tier", tier)
	b.server.Stdout, b.server.Stderr = logs, logs
	if err := b.server.Start(); err != nil {
		return nil, err
	}
	if err := errors.Join(b.awaitHealth("http://"+addr), b.connect()); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// awaitHealth returns when the server is open: it listens some time before.
func (b *bench) awaitHealth(url string) error {
	var err error
	for range 1000 {
		var res *http.Response
		if res, err = b.http.Get(url + "/_mayfly/health"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("the server does not become healthy: %w", err)
}

func (b *bench) connect() error {
	var e struct {
		URL    string `json:"url"`
		Key    string `json:"access_key_id"`
		Secret string `json:"secret_access_key"`
	}
	text, err := os.ReadFile(filepath.Join(b.dir, "data", "endpoint.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return err
	}
	b.url, b.creds = e.URL, sigv4.Credentials{AccessKeyID: e.Key, SecretAccessKey: e.Secret}
	b.client = lambda.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &e.URL,
		Credentials: credentials.NewStaticCredentialsProvider(e.Key, e.Secret, "")})
	return nil
}

func (b *bench) close() {
	b.server.Process.Signal(syscall.SIGTERM)
	b.server.Wait()
	os.RemoveAll(b.dir)
}

// interpreter is the newest runtime of a family that the server has, and the
// program that it runs.
func (b *bench) interpreter(family string) (runtime, path string) {
	out, err := exec.Command(b.bin, "runtimes", "--data", filepath.Join(b.dir, "data"), "--json").Output()
	if err != nil {
		return "", ""
	}
	var list []struct {
		Runtime, Interpreter string
		Available            bool
	}
	if json.Unmarshal(out, &list) != nil {
		return "", ""
	}
	for _, r := range list {
		if r.Available && strings.HasPrefix(r.Runtime, family) {
			runtime, path = r.Runtime, r.Interpreter
		}
	}
	return runtime, path
}

// measure makes every row of one language.
func (b *bench) measure(l language, cold int, length time.Duration) ([]Row, error) {
	var rows []Row
	for _, memory := range []int32{128, 1769} { // the smallest, and one with a whole processor
		if err := b.deploy(l, memory); err != nil {
			return nil, err
		}
		row, err := b.cold(l, memory, cold)
		if err != nil {
			return nil, err
		}
		row.print()
		rows = append(rows, row)
	}
	rival, stop, err := b.rival(l)
	if err != nil {
		return nil, err
	}
	defer stop()
	for _, callers := range []int{1, 8, 32} {
		row, err := b.warm(l, rival, callers, length)
		if err != nil {
			return nil, err
		}
		row.print()
		rows = append(rows, row)
	}
	return rows, nil
}

func (b *bench) target() target {
	return target{url: b.url + "/2015-03-31/functions/bench/invocations", creds: b.creds, client: b.http, payload: []byte(`{"a":1}`)}
}

// deploy makes l the function called bench, with that many megabytes.
func (b *bench) deploy(l language, memory int32) error {
	ctx := context.Background()
	_, err := b.client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("bench")})
	var none *types.ResourceNotFoundException
	if err != nil && !errors.As(err, &none) { // not there the first time
		return err
	}
	_, err = b.client.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: aws.String("bench"), Runtime: types.Runtime(l.runtime), Handler: &l.handler, MemorySize: &memory,
		Role: aws.String("arn:aws:iam::000000000000:role/bench"), Code: &types.FunctionCode{ZipFile: archive(l.files)}})
	if err != nil {
		return err
	}
	return b.settle()
}

func (b *bench) settle() error {
	w := lambda.NewFunctionUpdatedV2Waiter(b.client, func(o *lambda.FunctionUpdatedV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 100*time.Millisecond
	})
	return w.Wait(context.Background(), &lambda.GetFunctionInput{FunctionName: aws.String("bench")}, time.Minute)
}

// cold measures first invocations: each after a change of configuration, which
// ends the sandbox that was warm.
func (b *bench) cold(l language, memory int32, n int) (Row, error) {
	var ms []float64
	for i := range n {
		_, err := b.client.UpdateFunctionConfiguration(context.Background(), &lambda.UpdateFunctionConfigurationInput{
			FunctionName: aws.String("bench"), Environment: &types.Environment{Variables: map[string]string{"RUN": strconv.Itoa(i)}}})
		if err != nil {
			return Row{}, err
		}
		if err := b.settle(); err != nil {
			return Row{}, err
		}
		began := time.Now()
		if err := b.target().hit(); err != nil {
			return Row{}, err
		}
		ms = append(ms, millis(time.Since(began)))
	}
	bare, err := bareStart(l.bare, n)
	if err != nil {
		return Row{}, err
	}
	return newRow(fmt.Sprintf("cold %s %d MB", l.runtime, memory), ms, "start of "+filepath.Base(l.bare[0]), bare), nil
}

// warm measures invocations by several callers, after a second of warming up,
// in turn with the rival.
func (b *bench) warm(l language, rival target, callers int, length time.Duration) (Row, error) {
	t := b.target()
	if _, _, err := t.load(callers, time.Second); err != nil {
		return Row{}, err
	}
	ms, perSec, err := t.load(callers, length)
	if err != nil {
		return Row{}, err
	}
	theirs, theirPerSec, err := rival.load(callers, length)
	if err != nil {
		return Row{}, err
	}
	row := newRow(fmt.Sprintf("warm %s x%d", l.runtime, callers), ms, fmt.Sprintf("plain HTTP server x%d", callers), theirs)
	row.PerSec, row.RivalPerSec = perSec, theirPerSec
	return row, nil
}

// rival starts l's plain HTTP server.
func (b *bench) rival(l language) (t target, stop func(), err error) {
	addr, err := freeAddr()
	if err != nil {
		return target{}, nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	c := exec.Command(l.serve[0], append(l.serve[1:], port)...)
	if err := c.Start(); err != nil {
		return target{}, nil, err
	}
	t = b.target()
	t.url = "http://" + addr + "/"
	return t, func() { c.Process.Kill(); c.Wait() }, awaitPort(addr)
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func awaitPort(addr string) error {
	for range 1000 {
		if c, err := net.Dial("tcp", addr); err == nil {
			return c.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("nothing listens on %s", addr)
}

func archive(files map[string]string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		h := &zip.FileHeader{Name: strings.TrimPrefix(name, "+"), Method: zip.Deflate}
		h.SetMode(0o644)
		if strings.HasPrefix(name, "+") {
			h.SetMode(0o755)
		}
		if w, err := z.CreateHeader(h); err == nil {
			io.WriteString(w, text)
		}
	}
	z.Close()
	return b.Bytes()
}
