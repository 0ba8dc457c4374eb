package app

import "testing"

func TestEventMetrics(t *testing.T) {
	a, c := open(t, Config{Data: t.TempDir()})
	c.want(200, "mayfly_rule_events_dropped_total 0", "GET", "/metrics", "", "")
	c.want(200, "mayfly_schedule_events_dropped_total 0", "GET", "/metrics", "", "")
	if n := len(a.events.async.Stats()); n != 0 {
		t.Errorf("%d functions have events at the start", n)
	}
}

func TestCertificateOfTopics(t *testing.T) {
	_, c := open(t, Config{Data: t.TempDir()})
	c.want(200, "-----BEGIN CERTIFICATE-----", "GET", "/_mayfly/sns/certificate.pem", "", "")
}
