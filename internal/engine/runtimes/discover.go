package runtimes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options says how Discover looks around.
type Options struct {
	// Dir is where bootstraps, and what is known about interpreters, are
	// kept. Sandboxes see parts of it, so others must be able to read it.
	// When it has a folder python-sdk with boto3 in it, every Python function
	// can import what is there, unless it ships its own.
	Dir string

	// Near lets the nearest version of the same language stand in for one
	// that is not here. Status.Note says so.
	Near bool
}

// probeLimit bounds the question to one interpreter; a broken one must not
// keep the server from starting.
const probeLimit = 10 * time.Second

// An interpreter is a program that runs one or more runtimes.
type interpreter struct {
	spec spec
	answer
	lang string   // host directory shown at /var/lang
	name string   // its name in lang/bin
	own  []string // host directories that must also be seen at their own place
}

// Discover finds the interpreters of this machine and writes our bootstraps.
// It asks each binary once: what it said is kept in Dir until the binary changes.
func Discover(ctx context.Context, o Options) (*Set, error) {
	dir, err := writeBootstraps(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("runtimes: writing bootstraps: %w", err)
	}
	return discover(ctx, o, dir, hostHere())
}

// discover looks around on h.
func discover(ctx context.Context, o Options, dir string, h host) (*Set, error) {
	s := &Set{dir: dir, found: map[string]interpreter{}}
	if sdk := filepath.Join(o.Dir, "python-sdk"); isDir(filepath.Join(sdk, "boto3")) {
		s.sdk = sdk
	}
	p := openProber(filepath.Join(o.Dir, "interpreters.json"), dir)
	known := map[family][]answer{}
	for _, f := range []family{python, nodejs, ruby} {
		known[f] = p.askAll(ctx, f, h.candidates(f))
	}
	for _, sp := range catalog() {
		if err := s.add(ctx, sp, h, p, known[sp.family], o); err != nil {
			return nil, err
		}
	}
	return s, errors.Join(p.save(), ctx.Err())
}

// add settles what runs the runtime sp, and its line in the list.
func (s *Set) add(ctx context.Context, sp spec, h host, p *prober, known []answer, o Options) error {
	st := Status{Runtime: sp.id}
	defer func() { s.list = append(s.list, st) }()
	switch sp.family {
	case provided:
		s.found[sp.id] = interpreter{spec: sp}
		st.Available, st.Note = true, "the package brings its own bootstrap"
		return nil
	case notYet:
		st.Note, st.Advice = "not yet", sp.advice()
		return nil
	}
	a, note, ok := choose(ctx, sp, h, p, known, o.Near)
	if !ok {
		st.Note, st.Advice = note, sp.advice()
		return nil
	}
	in, err := install(sp, a, o.Dir, h.home)
	if errors.Is(err, errTooWide) {
		st.Note, st.Advice = err.Error(), sp.advice()
		return nil
	}
	if err != nil {
		return fmt.Errorf("runtimes: preparing %s: %w", sp.id, err)
	}
	if sp.family == python && !a.SDK && s.sdk == "" {
		note = join(note, "no boto3, which AWS bundles: ship it with the code, or "+
			"`pip install --target "+filepath.Join(o.Dir, "python-sdk")+" boto3` and restart")
	}
	s.found[sp.id] = in
	st.Available, st.Interpreter, st.Version, st.Note = true, a.Exe, a.Version, note
	return nil
}

// choose picks the interpreter for sp: the one the operator names, the first
// of the very version, or, when allowed, the nearest one.
func choose(ctx context.Context, sp spec, h host, p *prober, known []answer, near bool) (a answer, note string, ok bool) {
	if path := h.getenv(sp.env); path != "" {
		a, err := p.ask(ctx, sp.family, path)
		switch {
		case err != nil:
			return a, fmt.Sprintf("%s=%s does not answer: %v", sp.env, path, err), false
		case !sp.matches(a.Version) && !near:
			return a, fmt.Sprintf("%s=%s is version %s", sp.env, path, a.Version), false
		}
		return a, sp.remark(a), true
	}
	for _, a := range known {
		if sp.matches(a.Version) {
			return a, sp.remark(a), true
		}
	}
	if !near || len(known) == 0 {
		return a, "", false
	}
	a = slices.MinFunc(known, func(a, b answer) int { return cmp.Compare(sp.distance(a.Version), sp.distance(b.Version)) })
	return a, sp.remark(a), true
}

// remark says what a user should know about a running sp.
func (s spec) remark(a answer) string {
	if s.matches(a.Version) {
		return ""
	}
	return fmt.Sprintf("%s runs on %s (near)", s.id, a.Version)
}

// join puts two remarks together.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// matches tells whether a version is of the runtime's line.
func (s spec) matches(version string) bool {
	return version == s.version || strings.HasPrefix(version, s.version+".")
}

// distance orders versions by nearness; an older one only when no newer one is
// as near, since code for an older version mostly runs on a newer one.
func (s spec) distance(version string) int {
	d := line(version) - line(s.version)
	if d < 0 {
		return -2*d + 1
	}
	return 2 * d
}

// line is the part of a version that names a runtime: Python's minor or
// Node's major version. What is no version is far from everything.
func line(version string) int {
	const far = 1 << 20
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n == 0 {
		return far
	}
	if major == 3 && minor > 0 {
		return minor
	}
	return major
}

// askAll asks the candidates at once, and keeps the order.
func (p *prober) askAll(ctx context.Context, f family, paths []string) []answer {
	answers := make([]answer, len(paths))
	var g errgroup.Group
	g.SetLimit(4)
	for i, path := range paths {
		g.Go(func() error {
			if a, err := p.ask(ctx, f, path); err == nil { // what does not answer is no interpreter
				answers[i] = a
			}
			return nil
		})
	}
	_ = g.Wait() // no function above returns an error
	return slices.DeleteFunc(answers, func(a answer) bool { return a.Version == "" })
}

// isExecutable tells whether path is a file that can be executed.
func isExecutable(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}

func isDir(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.IsDir()
}
