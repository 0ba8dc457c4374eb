package app

import "github.com/prometheus/client_golang/prometheus"

// webMetrics tell what came from the web.
type webMetrics struct{ app *App }

func (m webMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

func (m webMetrics) Collect(ch chan<- prometheus.Metric) {
	s := m.app.web.urls.Stats()
	count := func(name, help string, v float64) {
		ch <- prometheus.MustNewConstMetric(desc(name, help), prometheus.CounterValue, v)
	}
	count("url_requests_total", "Requests to function URLs.", float64(s.Requests))
	count("url_client_errors_total", "Of them, those answered with a 4xx status.", float64(s.Client))
	count("url_server_errors_total", "Of them, those answered with a 5xx status.", float64(s.Server))
	count("url_seconds_total", "How long function URLs took to answer, all together.", s.Latency.Seconds())
	ch <- prometheus.MustNewConstMetric(desc("websocket_connections", "Connections to WebSocket APIs that are open."), prometheus.GaugeValue,
		float64(m.app.web.sockets.Connections()))
}
