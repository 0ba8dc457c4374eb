package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A server is a running Mayfly on a folder of its own, with default settings.
type server struct {
	bin, dir string
	host     string
	cmd      *exec.Cmd
	Key      string `json:"access_key_id"`
	Secret   string `json:"secret_access_key"`
	Region   string `json:"region"`
}

// startServer runs bin with args on a new folder inside dir.
func startServer(bin, dir string, args ...string) (*server, error) {
	host, err := freeAddr()
	if err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp(dir, "data-*")
	if err != nil {
		return nil, err
	}
	s := &server{bin: bin, dir: data, host: host}
	if err := s.shareSDK(); err != nil {
		return nil, err
	}
	logs, err := os.Create(data + ".log")
	if err != nil {
		return nil, err
	}
	defer logs.Close()
	s.cmd = exec.Command(bin, append([]string{"serve", "--data", data, "--listen", host}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = logs, logs
	s.cmd.Env = append(os.Environ(), "MAYFLY_STEPS=1") // a microsecond a request
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := errors.Join(s.awaitHealth(), s.readEndpoint()); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// shareSDK gives Python functions the AWS SDK that the tests have installed, as
// docs/operations.md tells an operator to.
func (s *server) shareSDK() error {
	sites, _ := filepath.Glob(".cache/venv/lib/python3*/site-packages")
	if len(sites) == 0 {
		return nil
	}
	site, err := filepath.Abs(sites[0])
	if err != nil {
		return err
	}
	sdk := filepath.Join(s.dir, "runtimes", "python-sdk")
	if err := os.MkdirAll(sdk, 0o755); err != nil {
		return err
	}
	for _, p := range []string{"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py"} {
		if err := exec.Command("cp", "-a", filepath.Join(site, p), sdk).Run(); err != nil {
			return fmt.Errorf("copy %s: %w", p, err)
		}
	}
	return nil
}

// awaitHealth returns when the server is open: it listens some time before.
func (s *server) awaitHealth() error {
	var err error
	for range 3000 {
		var res *http.Response
		if res, err = http.Get("http://" + s.host + "/_mayfly/health"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("the server does not become healthy: %w", err)
}

func (s *server) readEndpoint() error {
	text, err := os.ReadFile(filepath.Join(s.dir, "endpoint.json"))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, s)
}

func (s *server) close() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// dial is a connection whose requests are signed for service.
func (s *server) dial(service string) (*client, error) {
	return dial(s.host, newSigner(s.Key, s.Secret, s.Region, service))
}

// metrics are the server's own numbers by their names.
func (s *server) metrics() map[string]float64 {
	res, err := http.Get("http://" + s.host + "/metrics")
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	m := map[string]float64{}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			m[name] = v
		}
	}
	return m
}

// await waits until ok, for so long at most.
func await(what string, most time.Duration, ok func() bool) error {
	for deadline := time.Now().Add(most); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return nil
		}
	}
	return fmt.Errorf("waited in vain for %s", what)
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func awaitPort(addr string, most time.Duration) error {
	return await("a listener on "+addr, most, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}
