package app

import (
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mayfly-faas/mayfly/internal/engine/step"
)

func TestStepMetrics(t *testing.T) {
	if newSteps() != nil {
		t.Error("steps are noted though nobody asked")
	}
	t.Setenv("MAYFLY_STEPS", "1")
	for _, test := range []struct {
		clock *step.Clock
		want  int
	}{{nil, 0}, {newSteps(), 8}} {
		test.clock.Pass(step.Arrived)
		test.clock.Pass(step.Routed)
		r := prometheus.NewRegistry()
		r.MustRegister(stepMetrics{&App{steps: test.clock}})
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if len(f.Metric) != test.want {
				t.Errorf("%s has %d values, want %d", f.GetName(), len(f.Metric), test.want)
			}
			for _, m := range f.Metric {
				want := 0.0
				if m.Label[0].GetValue() == "routed" {
					want = 1
				}
				if f.GetName() == "mayfly_steps_total" && m.Counter.GetValue() != want {
					t.Errorf("%v", m)
				}
			}
		}
	}
}

func TestIsInvoke(t *testing.T) {
	for path, want := range map[string]bool{"/2015-03-31/functions/f/invocations": true, "/2015-03-31/functions": false} {
		r := httptest.NewRequest("POST", path, nil)
		if got := isInvoke(r); got != want {
			t.Errorf("%s: %v", path, got)
		}
		if r.Header.Set("X-Amz-Invocation-Type", "Event"); isInvoke(r) {
			t.Errorf("%s: an event is not waited for", path)
		}
	}
}
