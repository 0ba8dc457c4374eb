package sigv4

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
)

// A claim is what a request says of its signature.
type claim struct {
	scope     scope
	headers   []string // signed ones, lower case, in the order given
	signature []byte
	date      time.Time
	token     string
	presigned bool
	expires   time.Duration // of a presigned request
}

// A scope is what a signature is good for.
type scope struct{ key, date, region, service string }

func (s scope) String() string { return string(s.appendTo(nil)) }

func (s scope) appendTo(b []byte) []byte {
	for _, part := range []string{s.date, s.region, s.service} {
		b = append(append(b, part...), '/')
	}
	return append(b, terminator...)
}

func refuse(code, format string, args ...any) *awserr.Error {
	return awserr.New(http.StatusForbidden, code, format, args...)
}

func incomplete(format string, args ...any) *awserr.Error {
	return refuse("IncompleteSignatureException", format, args...)
}

// parse reads the claim in r's Authorization header, or in its query.
func parse(r *http.Request) (*claim, error) {
	if auth := strings.TrimSpace(r.Header.Get("Authorization")); auth != "" {
		return parseHeader(r, auth)
	}
	if q := r.URL.Query(); q.Has("X-Amz-Signature") || q.Has("X-Amz-Algorithm") || q.Has("X-Amz-Credential") {
		return parseQuery(q)
	}
	return nil, refuse("MissingAuthenticationTokenException", "Request is missing Authentication Token")
}

func parseHeader(r *http.Request, auth string) (*claim, error) {
	scheme, rest, _ := strings.Cut(auth, " ")
	if scheme != algorithm && strings.HasPrefix(scheme, "AWS4-") {
		return nil, incomplete("Unsupported AWS 'algorithm': '%s'.", scheme)
	}
	params, err := authParams(auth, rest)
	if err != nil {
		return nil, err
	}
	date := r.Header.Get("X-Amz-Date")
	if date == "" {
		date = r.Header.Get("Date")
	}
	if err := missing(auth, params, date); err != nil {
		return nil, err
	}
	c := &claim{token: r.Header.Get("X-Amz-Security-Token")}
	return c, c.fill(params.credential, params.headers, params.signature, date)
}

// params are those of an Authorization header.
type params struct{ credential, headers, signature string }

// authParams reads "Credential=…, SignedHeaders=…, Signature=…".
func authParams(auth, rest string) (params, error) {
	var found params
	for p := range strings.SplitSeq(rest, ",") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		k, v, ok := strings.Cut(p, "=")
		if !ok {
			return found, incomplete("Invalid key=value pair (missing equal-sign) in Authorization header"+
				" (hashed with SHA-256 and encoded with Base64): '%s'.", disguise(auth))
		}
		switch k {
		case "Credential":
			found.credential = v
		case "SignedHeaders":
			found.headers = v
		case "Signature":
			found.signature = v
		}
	}
	return found, nil
}

// disguise is a header that AWS tells apart in its messages without repeating it.
func disguise(s string) string {
	h := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(h[:])
}

// missing lists all that an Authorization header lacks.
func missing(auth string, p params, date string) error {
	if p.credential != "" && p.headers != "" && p.signature != "" && date != "" {
		return nil
	}
	var lacks []string
	for _, f := range [][2]string{{"Credential", p.credential}, {"Signature", p.signature}, {"SignedHeaders", p.headers}} {
		if f[1] == "" {
			lacks = append(lacks, "Authorization header requires '"+f[0]+"' parameter.")
		}
	}
	if date == "" {
		lacks = append(lacks, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	return incomplete("%s (Hashed with SHA-256 and encoded with Base64) Authorization=%s",
		strings.Join(lacks, " "), disguise(auth))
}

// maxExpires is the longest that a presigned request can be good for.
const maxExpires = 7 * 24 * time.Hour

func parseQuery(q url.Values) (*claim, error) {
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if q.Get(name) == "" {
			return nil, incomplete("AWS query-string parameters must include '%s'. Re-examine the query-string parameters.", name)
		}
	}
	if a := q.Get("X-Amz-Algorithm"); a != algorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': '%s'.", a)
	}
	expires, err := parseExpires(q.Get("X-Amz-Expires"))
	if err != nil {
		return nil, err
	}
	c := &claim{presigned: true, expires: expires, token: q.Get("X-Amz-Security-Token")}
	return c, c.fill(q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature"), q.Get("X-Amz-Date"))
}

// parseExpires reads X-Amz-Expires. What says nothing, as some presigned STS
// requests do, is good for 15 minutes.
func parseExpires(s string) (time.Duration, error) {
	if s == "" {
		return 15 * time.Minute, nil
	}
	seconds, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, incomplete("X-Amz-Expires should be a number and non-negative.")
	}
	expires := time.Duration(seconds) * time.Second
	if expires > maxExpires {
		return 0, incomplete("X-Amz-Expires must be less than a week (in seconds);"+
			" that is, the given X-Amz-Expires must be less than %d seconds.", maxExpires/time.Second)
	}
	return expires, nil
}

func (c *claim) fill(credential, headers, signature, date string) error {
	var err error
	if c.scope, err = parseScope(credential); err != nil {
		return err
	}
	if c.date, err = parseDate(date); err != nil {
		return err
	}
	if c.headers, err = parseHeaders(headers); err != nil {
		return err
	}
	if !slices.Contains(c.headers, "host") && !slices.Contains(c.headers, ":authority") {
		return refuse("InvalidSignatureException", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	c.signature, err = hex.DecodeString(signature)
	if err != nil || len(c.signature) != sha256.Size {
		c.signature = nil // no signature matches this: the answer tells what would
	}
	return nil
}

// maxHeaders bounds what a request may sign. SDKs sign fewer than ten headers.
const maxHeaders = 200

// parseHeaders reads the list of signed headers. A name may be there once:
// each repeats a header's value in what is signed, so that a list of one long
// header many times would be gigabytes.
func parseHeaders(list string) ([]string, error) {
	names := make([]string, 0, 12)
	for h := range strings.SplitSeq(list, ";") {
		h = strings.ToLower(strings.TrimSpace(h))
		if len(names) == maxHeaders || slices.Contains(names, h) {
			return nil, incomplete("SignedHeaders names a header twice, or more than %d headers.", maxHeaders)
		}
		names = append(names, h)
	}
	return names, nil
}

// parseScope reads key/date/region/service/aws4_request.
func parseScope(credential string) (scope, error) {
	var p [5]string
	n := 0
	for part := range strings.SplitSeq(credential, "/") {
		if n < len(p) {
			p[n] = part
		}
		n++
	}
	if n != len(p) || p[0] == "" {
		return scope{}, incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", credential)
	}
	if p[4] != terminator {
		return scope{}, refuse("InvalidSignatureException", "Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, p[4])
	}
	return scope{key: p[0], date: p[1], region: p[2], service: p[3]}, nil
}

// parseDate reads X-Amz-Date's form, and those that a Date header may have.
func parseDate(s string) (time.Time, error) {
	for _, layout := range []string{timeFormat, time.RFC1123, time.RFC1123Z} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, incomplete("Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", s)
}

// check says whether the scope is good for a request of that date to service.
// Any region is: one server is every region.
func (s scope) check(service string, date time.Time) error {
	if s.service != service {
		return refuse("InvalidSignatureException", "Credential should be scoped to correct service: '%s'. ", service)
	}
	var room [16]byte
	if day := date.AppendFormat(room[:0], dateFormat); string(day) != s.date {
		return refuse("InvalidSignatureException",
			"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
			s.date, day, date.Format(timeFormat))
	}
	return nil
}

// fresh says whether the claim is good at now, with clocks apart by up to skew.
func (c *claim) fresh(now time.Time, skew time.Duration) error {
	now = now.UTC().Truncate(time.Second)
	if late := now.Add(skew); c.date.After(late) {
		return refuse("InvalidSignatureException", "Signature not yet current: %s is still later than %s (%s + %s.)",
			c.date.Format(timeFormat), late.Format(timeFormat), now.Format(timeFormat), spell(skew))
	}
	life := skew
	if c.presigned {
		life = c.expires
	}
	if early := now.Add(-life); c.date.Before(early) {
		return refuse("InvalidSignatureException", "Signature expired: %s is now earlier than %s (%s - %s.)",
			c.date.Format(timeFormat), early.Format(timeFormat), now.Format(timeFormat), spell(life))
	}
	return nil
}

func spell(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d sec", d/time.Second)
}
