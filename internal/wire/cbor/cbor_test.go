package cbor_test

import (
	"testing"

	"github.com/mayfly-faas/mayfly/internal/wire/cbor"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

func TestSuite(t *testing.T) { wiretest.Suite(t, cbor.Protocol{}) }
