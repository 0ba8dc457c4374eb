package app

import (
	"net/http"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mayfly-faas/mayfly/internal/engine/step"
)

// newSteps makes a clock of the steps of invocations, if the environment asks for
// one: the benchmark does.
func newSteps() *step.Clock {
	if os.Getenv("MAYFLY_STEPS") == "" {
		return nil
	}
	return step.New()
}

// isInvoke tells whether r invokes a function by the API, and waits for it.
func isInvoke(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/invocations") && r.Header.Get("X-Amz-Invocation-Type") == ""
}

// stepMetrics are the times of the steps.
type stepMetrics struct{ app *App }

func (m stepMetrics) Describe(ch chan<- *prometheus.Desc) { ch <- m.took(); ch <- m.passed() }

func (stepMetrics) took() *prometheus.Desc {
	return prometheus.NewDesc("mayfly_steps_seconds_total", "Time of all invocations from one step to this.", []string{"to"}, nil)
}

func (stepMetrics) passed() *prometheus.Desc {
	return prometheus.NewDesc("mayfly_steps_total", "Invocations that passed the step.", []string{"to"}, nil)
}

func (m stepMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, s := range m.app.steps.Spans() {
		ch <- prometheus.MustNewConstMetric(m.took(), prometheus.CounterValue, s.Took.Seconds(), s.To.String())
		ch <- prometheus.MustNewConstMetric(m.passed(), prometheus.CounterValue, float64(s.Passed), s.To.String())
	}
}
