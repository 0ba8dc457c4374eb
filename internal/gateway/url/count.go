package url

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Stats is what was served since the start: AWS's metrics of function URLs, over
// all of them.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-monitoring.html
type Stats struct {
	Requests uint64        // UrlRequestCount
	Client   uint64        // Url4xxCount
	Server   uint64        // Url5xxCount
	Latency  time.Duration // the sum of UrlRequestLatency
}

type counters struct{ requests, client, server, latency atomic.Uint64 }

// add counts a request; a connection that was broken off is a failure of ours.
func (c *counters) add(status int, took time.Duration) {
	c.requests.Add(1)
	c.latency.Add(uint64(max(took, 0)))
	switch {
	case status >= 500:
		c.server.Add(1)
	case status >= 400:
		c.client.Add(1)
	}
}

// Stats tells what was served.
func (h *Handler) Stats() Stats {
	c := &h.count
	return Stats{c.requests.Load(), c.client.Load(), c.server.Load(), time.Duration(c.latency.Load())}
}

// counted remembers the status that was sent.
type counted struct {
	http.ResponseWriter
	status int
}

func (c *counted) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController flush.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }
