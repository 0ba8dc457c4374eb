package runtimes

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A host is where candidates are looked for. Tests make their own.
type host struct {
	root   string // where the system's own directories are; "" for the real ones
	home   string
	getenv func(string) string
}

func hostHere() host {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/nonexistent"
	}
	return host{home: home, getenv: os.Getenv}
}

// candidates lists the real binaries that may be interpreters of f, each once,
// in the order of preference: as a shell finds them, then the version managers.
func (h host) candidates(f family) []string {
	name := binaryName(f)
	var found []string
	for _, dir := range h.places(f) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !name.MatchString(e.Name()) {
				continue
			}
			real, err := filepath.EvalSymlinks(filepath.Join(dir, e.Name()))
			if err != nil || !name.MatchString(filepath.Base(real)) || !isBinary(real) || slices.Contains(found, real) {
				continue
			}
			found = append(found, real)
		}
	}
	return found
}

func binaryName(f family) *regexp.Regexp {
	switch f {
	case python:
		return regexp.MustCompile(`^python(3(\.\d+)?)?$`)
	case ruby:
		return regexp.MustCompile(`^ruby(-?\d+(\.\d+)*)?$`)
	}
	return regexp.MustCompile(`^node(js)?(-?\d+)?$`)
}

// places lists the directories to look in.
func (h host) places(f family) []string {
	dirs := filepath.SplitList(h.getenv("PATH"))
	dirs = append(dirs, h.root+"/usr/local/bin", h.root+"/usr/bin", h.root+"/opt/homebrew/bin")
	globs := []string{h.root + "/opt/" + string(f) + "*/bin", h.root + "/opt/*/bin"}
	data := h.or("XDG_DATA_HOME", h.home+"/.local/share")
	mise := h.or("MISE_DATA_DIR", data+"/mise") + "/installs/"
	asdf := h.or("ASDF_DATA_DIR", h.home+"/.asdf") + "/installs/"
	switch f {
	case python:
		globs = append(globs,
			h.or("PYENV_ROOT", h.home+"/.pyenv")+"/versions/*/bin",
			data+"/uv/python/*/bin", mise+"python/*/bin", asdf+"python/*/bin",
			h.root+"/opt/homebrew/opt/python@*/bin", h.root+"/usr/local/opt/python@*/bin",
			h.root+"/Library/Frameworks/Python.framework/Versions/*/bin")
	case nodejs:
		globs = append(globs,
			h.or("NVM_DIR", h.home+"/.nvm")+"/versions/node/*/bin",
			h.or("FNM_DIR", data+"/fnm")+"/node-versions/*/installation/bin",
			h.home+"/.fnm/node-versions/*/installation/bin",
			h.or("VOLTA_HOME", h.home+"/.volta")+"/tools/image/node/*/bin",
			h.or("N_PREFIX", h.root+"/usr/local")+"/n/versions/node/*/bin",
			h.home+"/.nodenv/versions/*/bin", mise+"node/*/bin", asdf+"nodejs/*/bin",
			h.root+"/opt/homebrew/opt/node@*/bin", h.root+"/usr/local/lib/nodejs/*/bin")
	}
	if f == ruby {
		globs = append(globs,
			h.or("RBENV_ROOT", h.home+"/.rbenv")+"/versions/*/bin", h.home+"/.rubies/*/bin", h.root+"/opt/rubies/*/bin",
			h.home+"/.rvm/rubies/*/bin", mise+"ruby/*/bin", asdf+"ruby/*/bin",
			h.root+"/opt/homebrew/opt/ruby@*/bin", h.root+"/opt/homebrew/opt/ruby/bin")
	}
	for _, g := range globs {
		matches, _ := filepath.Glob(g) // the only error is a bad pattern: then nothing matches
		slices.SortFunc(matches, newestFirst)
		dirs = append(dirs, matches...)
	}
	return slices.DeleteFunc(dirs, func(d string) bool { return !filepath.IsAbs(d) })
}

func (h host) or(variable, otherwise string) string {
	if v := h.getenv(variable); v != "" {
		return v
	}
	return otherwise
}

// newestFirst orders version folders: 3.12.10 before 3.12.9.
func newestFirst(a, b string) int {
	return strings.Compare(padNumbers(b), padNumbers(a))
}

func padNumbers(s string) string {
	return regexp.MustCompile(`\d+`).ReplaceAllStringFunc(s, func(n string) string {
		return strings.Repeat("0", max(0, 8-len(n))) + n
	})
}

// isBinary tells a program from a script: version managers put scripts in the
// PATH that find the real interpreter on each start, for 70 to 100 ms.
func isBinary(path string) bool {
	if !isExecutable(path) {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [2]byte
	n, _ := f.Read(head[:]) // an unreadable file is no binary for us
	return n == len(head) && string(head[:]) != "#!"
}
