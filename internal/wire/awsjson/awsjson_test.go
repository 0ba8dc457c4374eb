package awsjson_test

import (
	"testing"

	"github.com/mayfly-faas/mayfly/internal/wire/awsjson"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

func TestSuite(t *testing.T) { wiretest.Suite(t, awsjson.Protocol{}) }
