package runtimes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// An answer is what an interpreter says of itself.
type answer struct {
	Exe     string `json:"exe"`     // the real binary
	Version string `json:"version"` // "3.12.1"
	Prefix  string `json:"prefix"`  // where it is installed
	SDK     bool   `json:"sdk"`     // Python: boto3 can be imported
	Gems    string `json:"gems"`    // Ruby: where the gems are that come with it
}

// A record is an answer, and what it was an answer about.
type record struct {
	Size    int64     `json:"size"`
	ModTime time.Time `json:"mod_time"`
	Bundle  string    `json:"bundle"` // our bootstraps that it has compiled
	Answer  answer    `json:"answer"`
}

// A prober asks interpreters, and remembers.
type prober struct {
	file   string
	bundle string // the bootstraps' directory

	mu      sync.Mutex // guards records and changed
	records map[string]record
	changed bool
}

// openProber reads what is remembered. A file that cannot be read is as none:
// everything is asked again.
func openProber(file, bundle string) *prober {
	p := &prober{file: file, bundle: bundle, records: map[string]record{}}
	if data, err := os.ReadFile(file); err == nil {
		if json.Unmarshal(data, &p.records) != nil || p.records == nil {
			p.records = map[string]record{}
		}
	}
	return p
}

// save writes down what was learnt.
func (p *prober) save() error {
	if !p.changed {
		return nil
	}
	data, err := json.MarshalIndent(p.records, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(p.file, data, 0o644)
}

// ask returns what the interpreter at path says, from memory if the binary is
// the same as then.
func (p *prober) ask(ctx context.Context, f family, path string) (answer, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return answer{}, err
	}
	p.mu.Lock()
	r, ok := p.records[path]
	p.mu.Unlock()
	if ok && r.Size == fi.Size() && r.ModTime.Equal(fi.ModTime()) && r.Bundle == filepath.Base(p.bundle) {
		if _, err := os.Stat(r.Answer.Exe); err == nil {
			return r.Answer, nil
		}
	}
	a, err := p.run(ctx, f, path)
	if err != nil {
		return answer{}, fmt.Errorf("runtimes: asking %s: %w", path, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.records[path] = record{Size: fi.Size(), ModTime: fi.ModTime(), Bundle: filepath.Base(p.bundle), Answer: a}
	p.changed = true
	return a, nil
}

// pythonProbe prints an answer, and compiles our modules into their cache: the
// sandboxes see them read-only, and would compile them on every cold start. The
// cache is not checked against the source, which never changes under its name.
const pythonProbe = `
import sys, os, json, glob
a = {"exe": os.path.realpath(sys.executable), "prefix": sys.base_prefix, "version": "%d.%d.%d" % sys.version_info[:3]}
a["sdk"] = False
if sys.version_info >= (3, 9):
    import importlib.util, py_compile
    a["sdk"] = importlib.util.find_spec("boto3") is not None
    for f in glob.glob(sys.argv[1] + "/*/*.py"):
        try:
            py_compile.compile(f, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        except OSError:
            pass
print("\n" + json.dumps(a))
`

const nodeProbe = `console.log("\n" + JSON.stringify({exe: process.execPath, version: process.versions.node,
prefix: require("path").dirname(require("path").dirname(process.execPath))}))`

// rubyProbe needs no library: JSON's are the same as Ruby's for such strings.
const rubyProbe = `require "rbconfig"
puts "", %({"exe": #{File.realpath(RbConfig.ruby).dump}, "version": #{RUBY_VERSION.dump}, "prefix": #{RbConfig::CONFIG["prefix"].dump}, "gems": #{RbConfig::CONFIG.values_at("rubylibprefix", "ruby_version").join("/gems/").dump}})`

// run asks the interpreter itself.
func (p *prober) run(ctx context.Context, f family, path string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	args := []string{"-I", "-c", pythonProbe, filepath.Join(p.bundle, "python")}
	switch f {
	case nodejs:
		args = []string{"-e", nodeProbe}
	case ruby:
		args = []string{"--disable=gems", "-e", rubyProbe}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LC_ALL=C.UTF-8"}
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return answer{}, err
	}
	return parseAnswer(out)
}

// parseAnswer reads the last line, since a site's start-up files may print too.
func parseAnswer(out []byte) (answer, error) {
	out = bytes.TrimSpace(out)
	var a answer
	if err := json.Unmarshal(out[bytes.LastIndexByte(out, '\n')+1:], &a); err != nil {
		return answer{}, err
	}
	if a.Version == "" || !filepath.IsAbs(a.Exe) || !filepath.IsAbs(a.Prefix) {
		return answer{}, errors.New("its answer makes no sense")
	}
	return a, nil
}

// systemDirs are in every sandbox, from the host.
func systemDirs() []string { return []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"} }

// within tells whether path is one of dirs or below it.
func within(path string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool {
		return path == d || strings.HasPrefix(path, strings.TrimSuffix(d, "/")+"/")
	})
}
