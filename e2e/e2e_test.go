package e2e

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// root is the repository.
func root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// binary is the built program; MAYFLY_BIN names another.
func binary(t testing.TB) string {
	t.Helper()
	if b := os.Getenv("MAYFLY_BIN"); b != "" {
		return b
	}
	b := filepath.Join(root(t), "bin", "mayfly")
	if _, err := os.Stat(b); err != nil {
		t.Fatal("bin/mayfly is not there: run make build")
	}
	return b
}

// A server is a running mayfly on a data folder of its own.
type server struct {
	Data, URL, Region string
	AccessKey, Secret string
	addr              string
	args              []string
	t                 testing.TB
	cmd               *exec.Cmd
	log               *syncBuffer
	stopped           chan struct{}
}

// start runs `mayfly serve` with args on a free port and a new folder, and ends
// it with the test.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	s := &server{Data: t.TempDir(), addr: addr, args: args, t: t, log: new(syncBuffer)}
	s.run()
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("server log:\n%s", s.log.tail(8000))
		}
	})
	return s
}

// run starts the process and returns when it is healthy.
func (s *server) run() {
	s.t.Helper()
	s.cmd = exec.Command(binary(s.t), append([]string{"serve", "--listen", s.addr, "--data", s.Data}, s.args...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.stopped = make(chan struct{})
	go func(c *exec.Cmd, done chan struct{}) { c.Wait(); close(done) }(s.cmd, s.stopped)
	s.awaitHealth()
	var e struct {
		URL    string `json:"url"`
		Region string `json:"region"`
		Key    string `json:"access_key_id"`
		Secret string `json:"secret_access_key"`
	}
	b, err := os.ReadFile(filepath.Join(s.Data, "endpoint.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := json.Unmarshal(b, &e); err != nil {
		s.t.Fatal(err)
	}
	s.URL, s.Region, s.AccessKey, s.Secret = e.URL, e.Region, e.Key, e.Secret
}

func (s *server) awaitHealth() {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		r, err := (&http.Client{Timeout: 5 * time.Second}).Get("http://" + s.addr + "/_mayfly/health")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == 200 {
				return
			}
		}
		select {
		case <-s.stopped:
			s.t.Fatalf("the server ended:\n%s", s.log.tail(8000))
		default:
		}
	}
	s.t.Fatalf("the server is not healthy:\n%s", s.log.tail(8000))
}

// stop ends the server as a person would, with SIGTERM.
func (s *server) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.stopped:
	case <-time.After(30 * time.Second):
		s.cmd.Process.Kill()
		<-s.stopped
		s.t.Errorf("the server did not stop within 30 s of SIGTERM")
	}
}

// kill ends the server as a power cut would end it, and waits for its death.
func (s *server) kill() {
	s.cmd.Process.Kill()
	<-s.stopped
}

// env is the environment in which stock clients find the server.
func (s *server) env() []string {
	return append(os.Environ(),
		"PATH="+filepath.Join(root(s.t), ".cache", "bin")+":"+filepath.Dir(binary(s.t))+":"+os.Getenv("PATH"),
		"AWS_ENDPOINT_URL="+s.URL, "AWS_ACCESS_KEY_ID="+s.AccessKey, "AWS_SECRET_ACCESS_KEY="+s.Secret,
		"AWS_REGION="+s.Region, "AWS_DEFAULT_REGION="+s.Region, "AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "NO_COLOR=1", "MAYFLY_DATA="+s.Data)
}

// config is the same for the AWS SDK for Go.
func (s *server) config() aws.Config {
	return aws.Config{Region: s.Region, BaseEndpoint: aws.String(s.URL),
		Credentials: credentials.NewStaticCredentialsProvider(s.AccessKey, s.Secret, "")}
}

// sh runs command in dir with s's environment and returns what it prints. It
// fails the test when the command fails.
func (s *server) sh(dir, command string) string {
	s.t.Helper()
	out, err := s.try(dir, command)
	if err != nil {
		s.t.Fatalf("%s\n%s%v", command, out, err)
	}
	return out
}

// try is sh for a command that may fail.
func (s *server) try(dir, command string) (string, error) {
	c := exec.Command("bash", "-ec", command)
	c.Dir, c.Env = dir, s.env()
	out, err := c.CombinedOutput()
	return string(out), err
}

// python is the interpreter that has boto3, node a current Node.js that has the
// AWS SDK; both are put there by e2e/setup.sh.
func python(t testing.TB) string { return tool(t, "venv", "bin", "python") }
func node(t testing.TB) string   { return tool(t, "node", "node_modules", "node", "bin", "node") }

func tool(t testing.TB, path ...string) string {
	t.Helper()
	p := filepath.Join(append([]string{root(t), ".cache"}, path...)...)
	if _, err := os.Stat(p); err != nil {
		t.Fatalf("%s is not there: run e2e/setup.sh", p)
	}
	return p
}

// pythonRuntime and nodeRuntime name a managed runtime that this machine has.
func (s *server) pythonRuntime() string { return s.runtime("python") }
func (s *server) nodeRuntime() string   { return s.runtime("nodejs") }

func (s *server) runtime(family string) string {
	s.t.Helper()
	out := s.sh(s.Data, "mayfly runtimes --json")
	var list []struct {
		Runtime   string
		Available bool
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		s.t.Fatalf("mayfly runtimes --json: %v\n%s", err, out)
	}
	best := ""
	for _, r := range list {
		if r.Available && strings.HasPrefix(r.Runtime, family) {
			best = r.Runtime
		}
	}
	if best == "" {
		s.t.Skipf("no %s runtime on this machine", family)
	}
	return best
}

// zipped makes an archive of files, by name; a name that starts with "+" is
// executable.
func zipped(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		h := &zip.FileHeader{Name: strings.TrimPrefix(name, "+"), Method: zip.Deflate}
		h.SetMode(0o644)
		if strings.HasPrefix(name, "+") {
			h.SetMode(0o755)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, text)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// await asks ok until it says yes, for at most 20 seconds.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

// A syncBuffer is a bytes.Buffer for several writers.
type syncBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) tail(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.buf.String()
	return s[max(0, len(s)-n):]
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
