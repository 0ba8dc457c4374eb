// Package cbor speaks rpcv2Cbor.
package cbor

import (
	"net/http"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

// Protocol is a wire.Protocol.
type Protocol struct{}

// Handler serves s.
func (Protocol) Handler(s wire.Service, gate wire.Gate) http.Handler { return http.NotFoundHandler() }
