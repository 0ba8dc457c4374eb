package url

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/function"
)

// preflight tells whether a browser asks what it may do.
func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// allowPreflight answers for the function, which does not run. To an origin that
// may do nothing it tells nothing.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors
func allowPreflight(w http.ResponseWriter, r *http.Request, c *function.CORS) {
	h := w.Header()
	if allow(h, r, c) {
		h.Del("Access-Control-Expose-Headers")
		list(h, "Access-Control-Allow-Methods", c.Methods)
		list(h, "Access-Control-Allow-Headers", c.AllowHeaders)
		if c.MaxAge != nil {
			h.Set("Access-Control-Max-Age", strconv.Itoa(int(*c.MaxAge)))
		}
	}
	w.WriteHeader(http.StatusOK)
}

// allow puts into h what a page of the request's origin may see, in place of
// what the function says of it, and tells whether that is anything.
func allow(h http.Header, r *http.Request, c *function.CORS) bool {
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			delete(h, name)
		}
	}
	h.Add("Vary", "Origin")
	origin := allowed(r.Header.Get("Origin"), c)
	if origin == "" {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if c.Credentials != nil && *c.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	list(h, "Access-Control-Expose-Headers", c.ExposeHeaders)
	return true
}

// allowed is what to tell an origin: itself, a star, or nothing.
func allowed(origin string, c *function.CORS) string {
	if origin == "" {
		return ""
	}
	for _, o := range c.Origins {
		scheme, wild := strings.CutSuffix(o, "*")
		switch {
		case o == "*" && (c.Credentials == nil || !*c.Credentials):
			return "*"
		case o == "*", strings.EqualFold(o, origin), wild && strings.HasPrefix(strings.ToLower(origin), strings.ToLower(scheme)):
			return origin
		}
	}
	return ""
}

func list(h http.Header, name string, values []string) {
	if len(values) > 0 {
		h.Set(name, strings.Join(values, ","))
	}
}
