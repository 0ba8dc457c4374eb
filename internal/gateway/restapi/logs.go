package restapi

import (
	"fmt"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/gateway/accesslog"
)

// maxTraced is the most of a body that an execution log shows.
const maxTraced = 1024

// say adds a line to the execution log, if somebody wants it.
func (x *exchange) say(format string, args ...any) {
	if x.setup == nil || x.setup.LoggingLevel == "" || x.setup.LoggingLevel == "OFF" {
		return
	}
	x.lines = append(x.lines, "("+x.request.ID+") "+fmt.Sprintf(format, args...))
}

// trace adds a line with a body to the execution log.
func (x *exchange) trace(format string, body []byte) {
	if x.setup == nil || !x.setup.DataTraceEnabled {
		return
	}
	end := ""
	if len(body) > maxTraced {
		body, end = body[:maxTraced], " [TRUNCATED]"
	}
	x.say(format+"%s", strings.ToValidUTF8(string(body), "?"), end)
}

// log writes the access log and the execution log of a request that is over.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
func (x *exchange) log(err error) {
	if x.h.Access == nil || x.d == nil {
		return
	}
	s := x.d.Stage
	if a := s.AccessLog; a != nil && a.Format != "" {
		if group := accesslog.Group(a.DestinationARN); group != "" {
			line := x.h.format(a.Format).Line(x.rec.Value)
			x.h.Access.Add(group, accesslog.Stream(x.at.api, s.Name, x.start), x.start, line)
		}
	}
	if x.setup == nil || len(x.lines) == 0 || x.setup.LoggingLevel == "ERROR" && err == nil {
		return
	}
	group := "API-Gateway-Execution-Logs_" + x.at.api + "/" + s.Name
	for _, line := range x.lines {
		x.h.Access.Add(group, accesslog.Stream(x.at.api, s.Name, x.start), x.start, line)
	}
}

// format is a log line's form, taken apart once. Forms come from stages alone.
func (h *Handler) format(text string) *accesslog.Format {
	if f, ok := h.formats.Load(text); ok {
		return f.(*accesslog.Format)
	}
	f := accesslog.Parse(text)
	h.formats.Store(text, f)
	return f
}
