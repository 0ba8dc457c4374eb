package restjson_test

import (
	"testing"

	"github.com/mayfly-faas/mayfly/internal/wire/restjson"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

func TestSuite(t *testing.T) { wiretest.Suite(t, restjson.Protocol{}) }
