package s3

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
)

// A corsRule says which other origins may do what.
type corsRule struct {
	AllowedOrigin []string
	AllowedMethod []string
	AllowedHeader []string
	ExposeHeader  []string
	MaxAgeSeconds int
}

type corsRules struct {
	Rules []corsRule `xml:"CORSRule"`
}

// checkCORS holds a configuration to S3's rules.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html
func checkCORS(_ *request, text []byte) error {
	var c corsRules
	if xml.Unmarshal(text, &c) != nil || len(c.Rules) == 0 || len(c.Rules) > 100 {
		return malformed()
	}
	for _, r := range c.Rules {
		if len(r.AllowedOrigin) == 0 || len(r.AllowedMethod) == 0 {
			return malformed()
		}
		for _, m := range r.AllowedMethod {
			if !slices.Contains([]string{"GET", "PUT", "HEAD", "POST", "DELETE"}, m) {
				return invalid("InvalidRequest", "Found unsupported HTTP method in CORS config. Unsupported method is %s", m)
			}
		}
		for _, o := range r.AllowedOrigin {
			if strings.Count(o, "*") > 1 {
				return invalid("InvalidRequest", "AllowedOrigin \"%s\" can not have more than one wildcard.", o)
			}
		}
	}
	return nil
}

// fits tells whether a text is what a pattern with at most one star means.
func fits(pattern, text string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return strings.EqualFold(pattern, text)
	}
	return len(text) >= len(before)+len(after) && strings.HasPrefix(strings.ToLower(text), strings.ToLower(before)) &&
		strings.HasSuffix(strings.ToLower(text), strings.ToLower(after))
}

// allows tells whether a rule is for a request from an origin.
func (r corsRule) allows(origin, method string, headers []string) bool {
	if !slices.ContainsFunc(r.AllowedOrigin, func(o string) bool { return fits(o, origin) }) || !slices.Contains(r.AllowedMethod, method) {
		return false
	}
	for _, h := range headers {
		if !slices.ContainsFunc(r.AllowedHeader, func(a string) bool { return fits(a, h) }) {
			return false
		}
	}
	return true
}

// rule finds the rule of the bucket that is for a request.
func (q *request) rule(origin, method string, headers []string) (corsRule, bool) {
	var c corsRules
	text, err := q.g.c.Store.Configuration(q.ctx(), q.bucket, "cors")
	if err != nil || xml.Unmarshal(text, &c) != nil {
		return corsRule{}, false
	}
	for _, r := range c.Rules {
		if r.allows(origin, method, headers) {
			return r, true
		}
	}
	return corsRule{}, false
}

// grant tells a browser what a rule allows.
func (r corsRule) grant(h http.Header, origin string) {
	if slices.Contains(r.AllowedOrigin, "*") {
		origin = "*"
	} else {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Methods", strings.Join(r.AllowedMethod, ", "))
	if len(r.ExposeHeader) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(r.ExposeHeader, ", "))
	}
	if r.MaxAgeSeconds > 0 {
		h.Set("Access-Control-Max-Age", strconv.Itoa(r.MaxAgeSeconds))
	}
	h.Add("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
}

// allowOrigin tells a browser whether the page that asks may see the answer.
func (q *request) allowOrigin() {
	origin := q.Header.Get("Origin")
	if origin == "" || q.bucket == "" {
		return
	}
	if r, ok := q.rule(origin, q.Method, nil); ok {
		r.grant(q.w.Header(), origin)
	}
}

// sameSite tells whether no other site's page made a browser ask.
func (q *request) sameSite() bool {
	if site := q.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return false
	}
	origin := q.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, q.Host)
}

// allowedOrigin tells whether the bucket lets the page's origin ask.
func (q *request) allowedOrigin() bool {
	_, ok := q.rule(q.Header.Get("Origin"), q.Method, nil)
	return ok
}

// preflight answers a browser that asks what another origin may do.
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTOPTIONSobject.html
func (q *request) preflight() {
	origin, method := q.Header.Get("Origin"), q.Header.Get("Access-Control-Request-Method")
	if origin == "" || method == "" {
		q.fail(invalid("BadRequest", "Insufficient information. Origin request header needed."))
		return
	}
	var headers []string
	for h := range strings.SplitSeq(q.Header.Get("Access-Control-Request-Headers"), ",") {
		if h = strings.TrimSpace(h); h != "" {
			headers = append(headers, h)
		}
	}
	r, ok := q.rule(origin, method, headers)
	if !ok {
		q.fail(awserr.New(http.StatusForbidden, "AccessForbidden", "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."))
		return
	}
	r.grant(q.w.Header(), origin)
	if len(headers) > 0 {
		q.w.Header().Set("Access-Control-Allow-Headers", strings.ToLower(strings.Join(headers, ", ")))
	}
	q.w.WriteHeader(http.StatusOK)
}
