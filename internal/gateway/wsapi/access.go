package wsapi

import (
	"strconv"
	"time"

	"github.com/mayfly-faas/mayfly/internal/gateway/accesslog"
	"github.com/mayfly-faas/mayfly/internal/gateway/api"
)

// record writes a turn's line of the stage's access log.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-logging.html
func (c *conn) record(d *api.Deployed, route *api.Route, t *turn, status int) {
	s := d.Stage.AccessLogSettings
	if c.h.Access == nil || s == nil || s.DestinationArn == "" || s.Format == "" {
		return
	}
	r := accesslog.Record{
		Account: c.h.Account, APIID: c.place.API, Stage: c.place.Stage, ID: t.id, ExtendedID: t.id, Domain: c.place.Domain,
		DomainPrefix: c.place.Prefix, RouteKey: route.RouteKey, SourceIP: c.ip, UserAgent: c.agent, Start: t.at, Status: status,
		Latency: time.Since(t.at), Error: t.err,
		Extra: map[string]string{"connectionId": c.id, "eventType": t.kind, "messageId": t.message, "messageDirection": "IN",
			"connectedAt": strconv.FormatInt(c.since.UnixMilli(), 10)},
	}
	c.h.Access.Add(accesslog.Group(s.DestinationArn), accesslog.Stream(c.place.API, c.place.Stage, t.at), t.at, c.h.format(s.Format).Line(r.Value))
}

// format is a format taken apart, once.
func (h *Handler) format(text string) *accesslog.Format {
	if f, ok := h.formed.Load(text); ok {
		return f.(*accesslog.Format)
	}
	f, _ := h.formed.LoadOrStore(text, accesslog.Parse(text))
	return f.(*accesslog.Format)
}
