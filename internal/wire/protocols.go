package wire

import "net/http"

// A Speaker is a Protocol that can tell whether a request is in it.
type Speaker interface {
	Protocol
	Speaks(r *http.Request) bool
}

// Any speaks several protocols for one service, since SDKs choose one of those
// that the service's model lists. What none of them knows is the first one's.
type Any []Speaker

// Handler serves s in all the protocols.
func (a Any) Handler(s Service, gate Gate) http.Handler {
	handlers := make([]http.Handler, len(a))
	for i, p := range a {
		handlers[i] = p.Handler(s, gate)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i, p := range a {
			if p.Speaks(r) {
				handlers[i].ServeHTTP(w, r)
				return
			}
		}
		handlers[0].ServeHTTP(w, r)
	})
}
