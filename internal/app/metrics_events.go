package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mayfly-faas/mayfly/internal/event/async"
	"github.com/mayfly-faas/mayfly/internal/event/stream"
)

// eventMetrics reads the counts of what carries events when asked.
type eventMetrics struct{ app *App }

func (m eventMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

func (m eventMetrics) Collect(ch chan<- prometheus.Metric) {
	e := &m.app.events
	for _, s := range e.async.Stats() {
		collectAsync(ch, s)
	}
	for _, s := range e.mappings.Streams() {
		collectStream(ch, s)
	}
	count := func(name, help string, v int64) {
		ch <- prometheus.MustNewConstMetric(desc(name, help), prometheus.CounterValue, float64(v))
	}
	count("rule_events_dropped_total", "Events of rules that were given up without a dead-letter queue.", e.buses.Dropped())
	count("schedule_events_dropped_total", "Events of schedules that were given up without a dead-letter queue.", e.schedules.Dropped())
	if e.notifier != nil {
		n := e.notifier.Stats()
		count("bucket_changes_told_total", "Changes of objects that those who want to know were told of.", n.Told)
		count("bucket_events_dropped_total", "Events of buckets that their targets refused for good.", n.Dropped)
	}
	if e.writer != nil {
		count("bucket_records_dropped_total", "Records for buckets that are gone.", e.writer.Dropped())
	}
}

// collectAsync tells of the asynchronous events of one function.
func collectAsync(ch chan<- prometheus.Metric, s async.Stats) {
	send := func(name, help string, kind prometheus.ValueType, v float64) {
		d := prometheus.NewDesc("mayfly_async_"+name, help, []string{"function"}, nil)
		ch <- prometheus.MustNewConstMetric(d, kind, v, s.Function)
	}
	send("events_total", "Asynchronous events that were accepted.", prometheus.CounterValue, float64(s.Received))
	send("events_dropped_total", "Asynchronous events that neither succeeded nor were sent on.", prometheus.CounterValue, float64(s.Dropped))
	send("events_looped_total", "Asynchronous events that were stopped as part of a loop.", prometheus.CounterValue, float64(s.Looped))
	send("events_unsent_total", "Records that could not be sent to a destination or a dead-letter queue.", prometheus.CounterValue, float64(s.Unsent))
	send("events_waiting", "Asynchronous events that wait or run now.", prometheus.GaugeValue, float64(s.Depth))
	send("events_oldest_seconds", "Age of the oldest asynchronous event in memory.", prometheus.GaugeValue, s.Oldest.Seconds())
}

// collectStream tells of the records of one mapping of a stream.
//
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html#event-source-mapping-metrics
func collectStream(ch chan<- prometheus.Metric, s stream.Stat) {
	send := func(name, help string, kind prometheus.ValueType, v float64) {
		d := prometheus.NewDesc("mayfly_mapping_"+name, help, []string{"mapping", "function"}, nil)
		ch <- prometheus.MustNewConstMetric(d, kind, v, s.Mapping, s.Function)
	}
	count := func(name, help string, v int64) { send(name, help, prometheus.CounterValue, float64(v)) }
	count("polled_total", "Records that were read from a stream.", s.Polled)
	count("filtered_total", "Records that the filters of a mapping stopped.", s.FilteredOut)
	count("invoked_total", "Records that a function was invoked for, each time.", s.Invoked)
	count("failures_total", "Invocations for records of a stream that failed.", s.Failures)
	count("dropped_total", "Records of a stream that were given up.", s.Dropped)
	count("delivered_total", "Records that were given up and told to a destination.", s.Delivered)
	send("iterator_age_seconds", "Age of the last record of the newest batch when the function got it.", prometheus.GaugeValue, s.IteratorAge.Seconds())
}
