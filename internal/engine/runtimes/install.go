package runtimes

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// errTooWide says that an interpreter cannot be shown without much else.
var errTooWide = errors.New("more than a function may see")

// install settles what a sandbox shows for a: at /var/lang either its prefix,
// or a small folder of ours that leads to it.
func install(sp spec, a answer, dir, home string) (interpreter, error) {
	in := interpreter{spec: sp, answer: a, lang: a.Prefix, name: sp.binary()}
	if !within(a.Prefix, systemDirs()...) {
		if within(home, a.Prefix) || a.Prefix == filepath.Join(home, ".local") {
			return in, fmt.Errorf("%s is installed in %s, which holds %w", a.Exe, a.Prefix, errTooWide)
		}
		in.own = ownPlaces(a)
		if isExecutable(filepath.Join(in.lang, "bin", in.name)) {
			return in, nil
		}
		if !within(a.Prefix, in.own...) { // it is seen at /var/lang alone, by the name that it has there
			in.name = filepath.Base(a.Exe)
			return in, nil
		}
	}
	// A prefix under /usr is in the sandbox already, and holds far more than
	// a language; a near version goes by another name.
	lang := filepath.Join(dir, "lang", sp.id+"-"+a.Version)
	in.lang = lang
	return in, writeLang(in, lang)
}

// binary is the interpreter's name in /var/lang/bin.
func (s spec) binary() string {
	switch s.family {
	case python:
		return "python" + s.version
	case ruby:
		return "ruby"
	}
	return "node"
}

// writeLang makes a /var/lang of links, by the names that AWS has there.
func writeLang(in interpreter, lang string) error {
	if err := os.MkdirAll(filepath.Join(lang, "bin"), 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(lang, "lib"), 0o755); err != nil {
		return err
	}
	names := []string{in.name}
	if in.spec.family == python {
		names = append(names, "python3", "python")
	}
	for _, n := range names {
		if err := link(in.Exe, filepath.Join(lang, "bin", n)); err != nil {
			return err
		}
	}
	return nil
}

// link makes a symbolic link, in the place of one that leads elsewhere.
func link(target, path string) error {
	if have, err := os.Readlink(path); err == nil && have == target {
		return nil
	}
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, temp); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// ownPlaces lists what must be seen at its own path: the prefix, which is built
// into scripts and search paths, and the directories of shared libraries that
// the binary names.
func ownPlaces(a answer) []string {
	taken := append(systemDirs(), taskRoot, optRoot, runtimeRoot, langRoot, "/tmp", "/proc", "/dev", "/sys", "/etc")
	var own []string
	for _, dir := range append([]string{a.Prefix}, libraryDirs(a.Exe)...) {
		if fi, err := os.Stat(dir); err != nil || !fi.IsDir() || dir == "/" || within(dir, taken...) || within(dir, own...) {
			continue
		}
		own = append(own, dir)
	}
	return own
}

// libraryDirs lists the directories that the binary at path looks into for
// shared libraries, and the one of its dynamic loader. Another system's
// binaries name none.
func libraryDirs(path string) []string {
	f, err := elf.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	var dirs []string
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		values, err := f.DynString(tag)
		if err != nil {
			continue
		}
		for _, d := range filepath.SplitList(strings.Join(values, ":")) {
			d = strings.NewReplacer("$ORIGIN", filepath.Dir(path), "${ORIGIN}", filepath.Dir(path)).Replace(d)
			if filepath.IsAbs(d) {
				dirs = append(dirs, filepath.Clean(d))
			}
		}
	}
	if s := f.Section(".interp"); s != nil {
		if b, err := s.Data(); err == nil {
			dirs = append(dirs, filepath.Dir(strings.TrimRight(string(b), "\x00")))
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}
