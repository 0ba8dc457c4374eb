package main

import (
	"archive/zip"
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed functions rivals
var sources embed.FS

// A language is a runtime with its function and its rivals.
type language struct {
	name             string // "python"
	runtime, handler string
	files            map[string]string // of the function; a leading + is executable
	bare             []string          // starts the interpreter, or a program, and ends it
	plain            []rival           // plain HTTP servers, the fastest first
	interpreter      string
}

// A rival is a program that is measured beside Mayfly.
type rival struct {
	name    string
	command []string // gets its port as the last argument
}

// languages are those that this machine has, each with the interpreter that
// Mayfly itself uses.
func (l *lab) languages() ([]*language, error) {
	var found []*language
	if runtime, path := l.interpreter("python"); path != "" {
		found = append(found, &language{name: "python", runtime: runtime, handler: "app.handler", interpreter: path,
			files: map[string]string{"app.py": source("functions/app.py")}, bare: []string{path, "-c", "pass"},
			plain: []rival{{"asyncio on a socket", []string{path, l.file("rivals/floor.py")}}, {"http.server, threads", []string{path, l.file("rivals/httpserver.py")}}}})
	}
	if runtime, path := l.interpreter("nodejs"); path != "" {
		found = append(found, &language{name: "node", runtime: runtime, handler: "index.handler", interpreter: path,
			files: map[string]string{"index.js": source("functions/index.js")}, bare: []string{path, "-e", "0"},
			plain: []rival{{"node:http", []string{path, l.file("rivals/plain.js")}}}})
	}
	bin := func(path, name string) string { return l.compile(path, name) }
	bootstrap, plain, hello := bin("functions/answer", "bootstrap"), bin("rivals/plain", "plain"), bin("rivals/hello", "hello")
	code, err := os.ReadFile(bootstrap)
	if l.err != nil || err != nil {
		return nil, fmt.Errorf("compile the Go programs: %w", firstError(l.err, err))
	}
	l.raw = rival{"raw", []string{plain, "raw"}}
	return append(found, &language{name: "go", runtime: "provided.al2023", handler: "bootstrap", files: map[string]string{"+bootstrap": string(code)},
		bare: []string{hello}, plain: []rival{{"net/http", []string{plain, "http"}}}}), nil
}

func firstError(errs ...error) error {
	return errs[max(0, slices.IndexFunc(errs, func(e error) bool { return e != nil }))]
}

// interpreter is the newest runtime of a family that the server has, and the
// program that it runs.
func (l *lab) interpreter(family string) (runtime, path string) {
	out, err := exec.Command(l.bin, "runtimes", "--data", l.dir, "--json").Output()
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

// source is the text of an embedded file, which is there.
func source(path string) string {
	text, err := sources.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// file writes an embedded file into the lab's folder.
func (l *lab) file(path string) string {
	p := filepath.Join(l.tmp, filepath.Base(path))
	l.keep(os.WriteFile(p, []byte(source(path)), 0o644))
	return p
}

// compile builds one of the bench's Go programs, static.
func (l *lab) compile(path, name string) string {
	out := filepath.Join(l.tmp, name)
	c := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", out, "./bench/"+path)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		l.keep(fmt.Errorf("%w: %s", err, text))
	}
	return out
}

// keep remembers the first error.
func (l *lab) keep(err error) {
	if l.err == nil {
		l.err = err
	}
}

// archive zips files; one more, with fresh as its text, makes the code new.
func archive(files map[string]string, fresh string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add := func(name, text string) {
		h := &zip.FileHeader{Name: strings.TrimPrefix(name, "+"), Method: zip.Deflate}
		h.SetMode(0o644)
		if strings.HasPrefix(name, "+") {
			h.SetMode(0o755)
		}
		if w, err := z.CreateHeader(h); err == nil { // memory never fails
			io.WriteString(w, text)
		}
	}
	for name, text := range files {
		add(name, text)
	}
	add("fresh.txt", fresh)
	z.Close()
	return b.Bytes()
}
