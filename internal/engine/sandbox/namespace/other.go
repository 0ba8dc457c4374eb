//go:build !linux || (!amd64 && !arm64)

package namespace

import (
	"context"
	"errors"
	"log/slog"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// Config says where the tier keeps its state.
type Config struct {
	StateDir string
	Log      *slog.Logger
}

// A Tier does not exist here.
type Tier struct{}

// New fails: namespaces are Linux's, and the machine is known for two
// architectures.
func New(Config) (*Tier, error) {
	return nil, errors.New("namespace: only Linux on amd64 and arm64 has this tier")
}

// Name is "namespace".
func (*Tier) Name() string { return "namespace" }

// Open fails.
func (*Tier) Open(context.Context, sandbox.Spec) (sandbox.Sandbox, error) {
	return nil, errors.ErrUnsupported
}

// Sweep does nothing.
func (*Tier) Sweep(context.Context) error { return nil }

// Close does nothing.
func (*Tier) Close() error { return nil }
