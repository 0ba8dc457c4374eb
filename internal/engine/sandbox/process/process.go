//go:build unix

// Package process is the tier without isolation: code runs as child processes
// of the server, with the server's rights, files and network. It is for systems
// that have no namespaces, and for containers that are locked down. It limits
// neither memory nor CPU.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// Config says where the tier keeps its state.
type Config struct {
	StateDir string // a folder of its own; made when missing
}

// A Tier makes sandboxes that are process groups.
type Tier struct {
	dir string
}

// errClosed is the error of a sandbox that is used after Close.
var errClosed = errors.New("process: the sandbox is closed")

// New returns a tier that keeps its state in c.StateDir.
func New(c Config) (*Tier, error) {
	dir, err := filepath.Abs(c.StateDir)
	if err != nil {
		return nil, fmt.Errorf("process: state folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("process: make state folder: %w", err)
	}
	return &Tier{dir: dir}, nil
}

// Name is "process".
func (t *Tier) Name() string { return "process" }

var validID = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// Open makes a folder for the sandbox, with its /tmp.
func (t *Tier) Open(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !validID.MatchString(spec.ID) {
		return nil, fmt.Errorf("process: %q cannot be a sandbox's name", spec.ID)
	}
	dir := filepath.Join(t.dir, spec.ID)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("process: open sandbox %s: %w", spec.ID, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("process: open sandbox %s: %w", spec.ID, err), os.RemoveAll(dir))
	}
	return &box{dir: dir, mounts: spec.Mounts, late: spec.Late, running: map[*proc]bool{}}, nil
}

// Sweep ends the process groups that an earlier server recorded, and removes
// their folders.
func (t *Tier) Sweep(ctx context.Context) error {
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		return fmt.Errorf("process: sweep: %w", err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		dir := filepath.Join(t.dir, e.Name())
		for _, g := range recorded(dir) {
			if g.alive() {
				err = errors.Join(err, endGroup(g.id))
			}
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		return fmt.Errorf("process: sweep: %w", err)
	}
	return nil
}

// Close does nothing: this tier keeps nothing in reserve.
func (t *Tier) Close() error { return nil }
