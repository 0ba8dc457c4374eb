package app

import (
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox/namespace"
)

func namespaceTier(dir string) (sandbox.Tier, error) {
	return namespace.New(namespace.Config{StateDir: dir})
}
