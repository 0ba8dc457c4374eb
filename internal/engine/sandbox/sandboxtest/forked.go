//go:build linux

package sandboxtest

import (
	"bytes"
	"context"
	_ "embed" // the zygote
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

//go:embed testdata/zygote.py
var zygoteProgram string

// NewZygote starts a zygote for tests.
func NewZygote(t testing.TB, tier sandbox.Tier) sandbox.Zygote {
	t.Helper()
	nursery, ok := tier.(sandbox.Nursery)
	if !ok {
		t.Fatal("the tier is no nursery")
	}
	out := newText()
	z, err := nursery.Zygote(t.Context(), nil, sandbox.Command{Args: []string{"/usr/bin/python3", "-I", "-S", "-c", zygoteProgram}, Env: env(), Stdout: out, Stderr: out})
	if err != nil {
		t.Fatalf("Zygote: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if err := z.Close(); err != nil {
			t.Errorf("close zygote: %v", err)
		}
		if got := out.String(); got != "" {
			t.Errorf("the zygote says %s", got)
		}
	})
	return z
}

// Forked is the tier with every process forked from a zygote. A Python program
// runs in the fork itself, everything else is executed by it.
func Forked(tier sandbox.Tier, z sandbox.Zygote) sandbox.Tier { return forkedTier{tier, z} }

type forkedTier struct {
	sandbox.Tier
	zygote sandbox.Zygote
}

func (t forkedTier) Open(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	b, err := t.Tier.Open(ctx, spec)
	if err != nil {
		return nil, err
	}
	return forkedBox{b, t.zygote}, nil
}

type forkedBox struct {
	sandbox.Sandbox
	zygote sandbox.Zygote
}

// Start forks, and tells the child what to be.
func (b forkedBox) Start(ctx context.Context, cmd sandbox.Command) (sandbox.Process, error) {
	if len(cmd.Args) == 0 {
		return nil, errors.New("no command")
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	p, err := b.Sandbox.Start(ctx, sandbox.Command{From: b.zygote, Stdout: cmd.Stdout, Stderr: cmd.Stderr, Files: append([]*os.File{theirs}, cmd.Files...)})
	theirs.Close()
	if err != nil {
		return nil, err
	}
	if _, err := ours.Write(append(request(cmd), '\n')); err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(ours)
	if errors.Is(err, syscall.ECONNRESET) { // it has ended before it read all
		err = nil
	}
	if len(answer) > 0 {
		var errno syscall.Errno
		err = errors.Join(err, json.Unmarshal(answer, &errno))
		return nil, errors.Join(err, &fs.PathError{Op: "fork/exec", Path: cmd.Args[0], Err: errno})
	}
	return p, err
}

// request tells the child what to run.
func request(cmd sandbox.Command) []byte {
	var code *string
	if n := len(cmd.Args); cmd.Args[0] == "/usr/bin/python3" && cmd.Args[n-2] == "-c" {
		code = &cmd.Args[n-1]
	}
	var b bytes.Buffer
	_ = json.NewEncoder(&b).Encode(map[string]any{"args": cmd.Args, "env": cmd.Env, "dir": cmd.Dir, "files": len(cmd.Files), "code": code}) // strings and numbers
	return bytes.TrimSpace(b.Bytes())
}
