//go:build !linux

package app

import (
	"errors"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

func namespaceTier(string) (sandbox.Tier, error) {
	return nil, errors.New("namespaces are a feature of Linux")
}
