package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A language is one runtime with its code, its bare start and its plain server.
type language struct {
	runtime, handler string
	files            map[string]string // of the function; a leading + is executable
	bare             []string          // starts the interpreter and ends it
	serve            []string          // a plain HTTP server; gets the port as its last argument
}

const (
	pyHandler = "def handler(event, context):\n    return {'ok': True}\n"
	jsHandler = "exports.handler = async () => ({ok: true})\n"

	pyServer = `import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    def do_POST(self):
        self.rfile.read(int(self.headers['Content-Length']))
        body = b'{"ok": true}'
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
class S(http.server.ThreadingHTTPServer):
    request_queue_size = 128
S(('127.0.0.1', int(sys.argv[1])), H).serve_forever()
`
	jsServer = `require('http').createServer((q, s) => { q.resume(); q.on('end', () => s.end('{"ok":true}')) }).listen(+process.argv[2], '127.0.0.1')
`
	goHandler = `package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(context.Context, any) (map[string]bool, error) { return map[string]bool{"ok": true}, nil })
}
`
	goServer = `package main

import (
	"io"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		return
	}
	http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "{\"ok\":true}")
	}))
}
`
)

// languages are those that this machine has, each with the interpreter that
// Mayfly itself would use.
func (b *bench) languages() []language {
	var ls []language
	if r, path := b.interpreter("python"); r != "" {
		file := b.write("server.py", pyServer)
		ls = append(ls, language{r, "app.handler", map[string]string{"app.py": pyHandler}, []string{path, "-c", "pass"}, []string{path, file}})
	}
	if r, path := b.interpreter("nodejs"); r != "" {
		file := b.write("server.js", jsServer)
		ls = append(ls, language{r, "index.handler", map[string]string{"index.js": jsHandler}, []string{path, "-e", "0"}, []string{path, file}})
	}
	handler, err1 := b.compile("handler", goHandler)
	server, err2 := b.compile("server", goServer)
	if err1 != nil || err2 != nil {
		fmt.Fprintln(os.Stderr, "no Go rows:", err1, err2)
		return ls
	}
	code, err := os.ReadFile(handler)
	if err != nil {
		return ls
	}
	return append(ls, language{"provided.al2023", "bootstrap", map[string]string{"+bootstrap": string(code)}, []string{server}, []string{server}})
}

// write puts text into a file of the bench's folder.
func (b *bench) write(name, text string) string {
	p := filepath.Join(b.dir, name)
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		panic(err)
	}
	return p
}

// compile builds a Go program inside this module, where its imports resolve.
func (b *bench) compile(name, text string) (string, error) {
	dir, err := os.MkdirTemp("bench", name+"-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(text), 0o644); err != nil {
		return "", err
	}
	out := filepath.Join(b.dir, name)
	c := exec.Command("go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", out, "./"+dir)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, text)
	}
	return out, nil
}

// bareStart runs cmd n times and returns each run's milliseconds.
func bareStart(cmd []string, n int) ([]float64, error) {
	var ms []float64
	for range n {
		began := time.Now()
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w: %s", strings.Join(cmd, " "), err, out)
		}
		ms = append(ms, millis(time.Since(began)))
	}
	return ms, nil
}
