package query_test

import (
	"testing"

	"github.com/mayfly-faas/mayfly/internal/wire/query"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

func TestSuite(t *testing.T) { wiretest.Suite(t, query.Protocol{}) }
