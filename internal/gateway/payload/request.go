package payload

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// What a request's body may hold.
const (
	MaxURLBody = 6 << 20  // of a function URL
	MaxAPIBody = 10 << 20 // of an API
	MaxEvent   = 6 << 20  // of an event, that is: of a payload of Lambda
)

// ErrTooLarge says that a body, or an event, is over its limit.
var ErrTooLarge = errors.New("payload too large")

// ReadBody reads a request's body. Its error is ErrTooLarge, or the connection's.
func ReadBody(r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.ContentLength > limit {
		return nil, ErrTooLarge
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if int64(len(b)) > limit {
		return nil, ErrTooLarge
	}
	return b, nil
}

// SourceIP is the address that a request came from.
func SourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// ofConnection are headers of one connection, which no event tells.
var ofConnection = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// headers are those of the request as the function sees them: with what AWS's
// front adds, and without what is the connection's own.
func (r *Request) headers() http.Header {
	h := r.HTTP.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	for _, name := range ofConnection {
		h.Del(name)
	}
	proto, port := "http", "80"
	if t := r.HTTP.TLS; t != nil {
		proto, port = "https", "443"
		if r.FunctionURL {
			h.Set("X-Amzn-Tls-Version", strings.Replace(tls.VersionName(t.Version), " ", "v", 1))
			h.Set("X-Amzn-Tls-Cipher-Suite", tls.CipherSuiteName(t.CipherSuite))
		}
	}
	if _, p, err := net.SplitHostPort(r.HTTP.Host); err == nil {
		port = p
	}
	h.Set("Host", r.HTTP.Host)
	h.Set("X-Forwarded-For", strings.Join(append(h.Values("X-Forwarded-For"), r.SourceIP), ", "))
	h.Set("X-Forwarded-Proto", proto)
	h.Set("X-Forwarded-Port", port)
	if r.Trace != "" {
		h.Set("X-Amzn-Trace-Id", r.Trace)
	}
	if len(r.Body) > 0 {
		h.Set("Content-Length", strconv.Itoa(len(r.Body)))
	}
	return h
}

// body is the body as an event has it: nil when there is none, in base64 when
// it is not to be, or cannot be, a string of JSON.
func (r *Request) body(text bool) (*string, bool) {
	if len(r.Body) == 0 {
		return nil, false
	}
	if text && utf8.Valid(r.Body) {
		return new(string(r.Body)), false
	}
	return new(base64.StdEncoding.EncodeToString(r.Body)), true
}

// isText tells whether a body of a media type is passed on as it is. Measured
// on AWS: forms, other kinds of JSON and XML, and what has no type are not.
func isText(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	switch kind {
	case "application/json", "application/javascript", "application/xml":
		return true
	}
	return strings.HasPrefix(kind, "text/")
}

// protocol is what events call the request's protocol. AWS's front speaks
// HTTP/1.1 to all that is behind it, whatever the client speaks.
func protocol(r *http.Request) string {
	if r.ProtoMajor >= 2 {
		return "HTTP/1.1"
	}
	return r.Proto
}

// Trace is the X-Amzn-Trace-Id of a request: its own, or that of a new trace.
func Trace(r *http.Request, now time.Time) string {
	if t := r.Header.Get("X-Amzn-Trace-Id"); strings.Contains(t, "Root=") {
		return t
	}
	var b [12]byte
	rand.Read(b[:]) // never fails, says its documentation
	return fmt.Sprintf("Root=1-%08x-%s", uint32(now.Unix()), hex.EncodeToString(b[:]))
}

// DecodedPath is a path as events of HTTP APIs have it: decoded, cut where the
// first decoding shows a question mark, and decoded once more. So says what was
// measured on AWS; what cannot be decoded twice is refused there (400).
func DecodedPath(escaped string) (path string, ok bool) {
	once, err := url.PathUnescape(escaped)
	if err != nil {
		return "", false
	}
	once, _, _ = strings.Cut(once, "?")
	twice, err := url.PathUnescape(once)
	return twice, err == nil && utf8.ValidString(twice)
}

// A parameter is one of a query.
type parameter struct{ name, value string }

// query takes a query apart, in its order. What is not well encoded stays as it
// came.
func query(raw string) (all []parameter) {
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		all = append(all, parameter{unescape(name), unescape(value)})
	}
	return all
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}
