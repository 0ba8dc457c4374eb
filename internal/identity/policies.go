package identity

import "github.com/mayfly-faas/mayfly/internal/store"

func (b *Book) checkBoundary(tx store.Tx, arn string) error { return nil }
