package app

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/engine/pool"
)

// metrics are what Prometheus reads at /metrics.
func (a *App) metrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), engineMetrics{a}, stepMetrics{a}, eventMetrics{a}, webMetrics{a})
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
	gauge("sandboxes_memory_mb", "Memory that counts as used by sandboxes, in MB.", s.MemoryMB)
	m.collectBlanks(ch, s)
}

// collectBlanks tells of the interpreters that are nobody's yet.
func (m engineMetrics) collectBlanks(ch chan<- prometheus.Metric, s engine.Stats) {
	send := func(name, help string, kind prometheus.ValueType, v float64, key string) {
		d := prometheus.NewDesc("mayfly_"+name, help, []string{"key"}, nil)
		ch <- prometheus.MustNewConstMetric(d, kind, v, key)
	}
	for key, b := range s.Blanks {
		send("blanks_ready", "Started interpreters that wait for a function.", prometheus.GaugeValue, float64(b.Ready), key)
		send("blanks_making", "Interpreters that are being started.", prometheus.GaugeValue, float64(b.Making), key)
		send("blanks_memory_mb", "Memory of those that wait, in MB.", prometheus.GaugeValue, b.MB, key)
		send("blanks_hits_total", "Cold starts that found one ready.", prometheus.CounterValue, float64(b.Hits), key)
		send("blanks_misses_total", "Cold starts that had to have one made.", prometheus.CounterValue, float64(b.Misses), key)
	}
	ch <- prometheus.MustNewConstMetric(desc("zygotes", "Processes from which interpreters are forked."), prometheus.GaugeValue, float64(s.Zygotes))
}
