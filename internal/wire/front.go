package wire

import "net/http"

// A Front is the one door to all services.
type Front struct {
	Services []Service
	Gate     Gate
	Private  http.Handler // answers /_mayfly/; nil for none
	Hosts    []string     // further names that clients may reach us by
	Unsigned bool         // the gate lets unsigned requests in: refuse browsers of other sites
}

// Handler is the door itself.
func (f Front) Handler() http.Handler { return http.NotFoundHandler() }
