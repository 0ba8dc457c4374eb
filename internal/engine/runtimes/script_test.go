package runtimes

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A script is a Runtime API that answers each request for an invocation with
// the next of its texts, as they are. It takes down what is posted.
type script struct {
	t       *testing.T
	answers []string
	slow    bool // a byte at a time
	posts   chan string
	listen  net.Listener
}

func newScript(t *testing.T, slow bool, answers ...string) *script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, answers: answers, slow: slow, posts: make(chan string, 100), listen: l}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s.serve() {
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return s
}

// serve answers one connection until it closes.
func (s *script) serve() bool {
	conn, err := s.listen.Accept()
	if err != nil {
		return false
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return true
		}
		text := "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}"
		if req.Method == "POST" {
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return true
			}
			s.posts <- strings.TrimPrefix(req.URL.Path, "/2018-06-01/runtime/") + " " + string(body)
		} else if len(s.answers) == 0 {
			<-s.t.Context().Done()
			return false
		} else {
			text, s.answers = s.answers[0], s.answers[1:]
		}
		if !s.write(conn, text) {
			return true
		}
	}
}

// write sends text, and tells whether the connection goes on.
func (s *script) write(conn net.Conn, text string) bool {
	step, last := len(text), strings.Contains(text, "Connection: close")
	if s.slow {
		step = 1
	}
	for ; len(text) > 0; text = text[min(step, len(text)):] {
		if _, err := io.WriteString(conn, text[:min(step, len(text))]); err != nil {
			return false
		}
	}
	return !last
}

// run starts f against the script, and returns the process.
func (s *script) run(f function) (wait func() int) {
	s.t.Helper()
	root := s.t.TempDir()
	writeTree(s.t, root, f.files)
	set := discovered(s.t)
	mounts, err := set.Mounts(f.runtime)
	if err != nil {
		s.t.Fatal(err)
	}
	args, env, err := set.Command(Launch{Runtime: f.runtime, Path: func(inside string) string {
		for _, m := range mounts {
			if m.Target == inside {
				return m.Source
			}
		}
		return root
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	env["AWS_LAMBDA_RUNTIME_API"], env["_HANDLER"] = s.listen.Addr().String(), f.handler
	cmd := exec.Command(args[0], args[1:]...)
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := os.Create(filepath.Join(s.t.TempDir(), "output"))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	s.t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		out.Close()
		if data, err := os.ReadFile(out.Name()); s.t.Failed() {
			s.t.Logf("output: %s %v", data, err)
		}
	})
	return func() int {
		select {
		case <-ended:
		case <-time.After(patience):
			s.t.Fatal("it does not end")
		}
		return cmd.ProcessState.ExitCode()
	}
}

func (s *script) post() string {
	s.t.Helper()
	select {
	case p := <-s.posts:
		return p
	case <-time.After(patience):
		s.t.Fatal("nothing is posted")
		return ""
	}
}

// echoes are functions that answer with their event.
func echoes(t *testing.T, test func(t *testing.T, f function)) {
	each(t, python, func(t *testing.T, runtime string) { test(t, py(runtime, "def h(event, context): return event")) })
	each(t, nodejs, func(t *testing.T, runtime string) { test(t, js(runtime, "exports.h = async (event) => event")) })
}

// TestForms gives invocations in every form that HTTP/1.1 has for them.
func TestForms(t *testing.T) {
	const kind = "Content-Type: application/json\r\n"
	head := func(n int) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r%d\r\n%s", n, kind)
	}
	var answers, want []string
	for i, rest := range []string{
		"Content-Length: 3\r\n\r\n[1]",
		"content-length:3\r\n\r\n[1]",
		"Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n2;x=y\r\n1]\r\n0\r\n\r\n",
		"Transfer-Encoding: Chunked\r\n\r\n3\r\n[1]\r\n0\r\n\r\n",
		"Content-Length: 3\r\nX-Long: " + strings.Repeat("x", 10000) + "\r\n\r\n[1]",
		"Content-Length: 3\r\nConnection: close\r\n\r\n[1]",
		"Content-Length: 3\r\n\r\n[1]",
	} {
		answers = append(answers, head(i)+rest)
		want = append(want, fmt.Sprintf("invocation/r%d/response [1]", i))
	}
	answers[1] = "HTTP/1.1 100 Continue\r\n\r\n" + answers[1]
	for _, slow := range []bool{false, true} {
		t.Run(fmt.Sprintf("slow=%v", slow), func(t *testing.T) {
			echoes(t, func(t *testing.T, f function) {
				s := newScript(t, slow, answers...)
				s.run(f)
				for _, w := range want {
					equal(t, "post", s.post(), w)
				}
			})
		})
	}
}

// TestRefused ends a function whose platform does not answer as it should.
func TestRefusedByPlatform(t *testing.T) {
	for name, answer := range map[string]string{
		"500":       "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}",
		"403":       "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}",
		"no HTTP":   "hello\r\n\r\n",
		"no status": "HTTP/1.1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			echoes(t, func(t *testing.T, f function) {
				s := newScript(t, false, answer)
				equal(t, "exit status", s.run(f)(), 1)
			})
		})
	}
}
