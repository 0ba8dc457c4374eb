package app

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/mayfly-faas/mayfly/internal/engine/pool"
)

// metrics are what Prometheus reads at /metrics.
func (a *App) metrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), engineMetrics{a})
	return r
}

// engineMetrics reads the engine's own counts when asked.
type engineMetrics struct{ app *App }

func desc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("mayfly_"+name, help, nil, nil)
}

func (m engineMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

func (m engineMetrics) Collect(ch chan<- prometheus.Metric) {
	s := m.app.engine.Stats()
	gauge := func(name, help string, v int) {
		ch <- prometheus.MustNewConstMetric(desc(name, help), prometheus.GaugeValue, float64(v))
	}
	var sum pool.Stats
	for _, p := range s.ByKey {
		sum.Idle += p.Idle
		sum.Starting += p.Starting
		sum.Provisioned += p.Provisioned
	}
	count := func(name, help string, v uint64) {
		ch <- prometheus.MustNewConstMetric(desc(name, help), prometheus.CounterValue, float64(v))
	}
	count("invocations_total", "Invocations that ended.", s.Invocations)
	count("invocation_failures_total", "Invocations that the function failed.", s.Failures)
	count("throttles_total", "Invocations that found no room.", s.Throttles)
	count("cold_starts_total", "Invocations that waited for a new sandbox.", s.ColdStarts)
	gauge("invocations_running", "Invocations that run now.", s.Running)
	gauge("sandboxes_idle", "Sandboxes that wait for an invocation.", sum.Idle)
	gauge("sandboxes_starting", "Sandboxes that initialise.", sum.Starting)
	gauge("sandboxes_provisioned", "Sandboxes kept for provisioned concurrency.", sum.Provisioned)
}
