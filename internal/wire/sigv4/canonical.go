package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func mac(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil)
}

func hexSum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hexOf(h[:])
}

// appendCanonical appends the form of r that is signed.
func (c *claim) appendCanonical(b []byte, r *http.Request, path, bodyHash string) []byte {
	b = append(append(b, r.Method...), '\n')
	b = append(append(b, path...), '\n')
	b = append(append(b, canonicalQuery(r.URL.RawQuery, c.presigned)...), '\n')
	for _, h := range c.headers {
		b = append(append(b, h...), ':')
		b = append(appendHeader(b, r, h), '\n')
	}
	b = append(b, '\n')
	for i, h := range c.headers {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, h...)
	}
	return append(append(b, '\n'), bodyHash...)
}

// paths are the forms of r's path that its client may have signed. Every
// service but S3 wants the path as it was sent, escaped once more; some
// clients tidy it up first. The second is "" where it is the same.
func paths(r *http.Request, service string) (sent, tidied string) {
	sent = sentPath(r)
	if service == "s3" { // some clients sign what they send, some what AWS makes of it
		if plain, err := url.PathUnescape(sent); err == nil {
			if escaped := escape(plain, true); escaped != sent {
				return sent, escaped
			}
		}
		return sent, ""
	}
	if strings.Contains(sent, "//") || strings.Contains(sent, "/.") {
		tidied = escape(tidy(sent), true)
	}
	return escape(sent, true), tidied
}

// sentPath is the path as it stood in the request line.
func sentPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") { // made by hand, or for a proxy
		path = r.URL.EscapedPath()
	}
	if path == "" {
		return "/"
	}
	return path
}

// tidy removes empty and dot segments from a path, as RFC 3986 says.
func tidy(path string) string {
	var out []string
	for seg := range strings.SplitSeq(path, "/") {
		switch seg {
		case "", ".":
		case "..":
			out = out[:max(len(out)-1, 0)]
		default:
			out = append(out, seg)
		}
	}
	tidied := "/" + strings.Join(out, "/")
	if strings.HasSuffix(path, "/") && tidied != "/" {
		tidied += "/"
	}
	return tidied
}

// escape escapes all but RFC 3986's unreserved characters, and slashes if slash is set.
func escape(s string, slash bool) string {
	const upper = "0123456789ABCDEF"
	plain := 0
	for plain < len(s) && unreserved(s[plain], slash) {
		plain++
	}
	if plain == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	b.WriteString(s[:plain])
	for i := plain; i < len(s); i++ {
		c := s[i]
		if unreserved(c, slash) {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', upper[c>>4], upper[c&15]})
	}
	return b.String()
}

func unreserved(c byte, slash bool) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '_' || c == '.' || c == '~' || slash && c == '/'
}

// canonicalQuery sorts and escapes the parameters of a query. The signature
// of a presigned request is not part of what it signs.
func canonicalQuery(raw string, presigned bool) string {
	if raw == "" {
		return ""
	}
	var pairs [][2]string
	for p := range strings.SplitSeq(raw, "&") {
		if p == "" {
			continue
		}
		k, v, _ := strings.Cut(p, "=")
		k, v = unescape(k), unescape(v)
		if presigned && k == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, [2]string{escape(k, false), escape(v, false)})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	texts := make([]string, len(pairs))
	for i, p := range pairs {
		texts[i] = p[0] + "=" + p[1]
	}
	return strings.Join(texts, "&")
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// appendHeader appends the canonical value of a header: trimmed, runs of spaces
// made one, several values joined by commas. net/http keeps some headers elsewhere.
func appendHeader(b []byte, r *http.Request, name string) []byte {
	values := headerValues(r.Header, name)
	if len(values) == 0 {
		switch name {
		case "host", ":authority":
			return append(b, r.Host...)
		case "content-length":
			return strconv.AppendInt(b, max(r.ContentLength, 0), 10)
		case "transfer-encoding":
			values = r.TransferEncoding
		}
	}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, oneSpace(v)...)
	}
	return b
}

// headerValues is h.Values for a name in lower case, without a copy of the name
// in net/http's spelling.
func headerValues(h http.Header, name string) []string {
	var room [64]byte
	if len(name) > len(room) {
		return h.Values(name)
	}
	key := append(room[:0], name...)
	up := true
	for i, c := range key {
		switch {
		case 'a' <= c && c <= 'z':
			if up {
				key[i] = c - 'a' + 'A'
			}
		case c != '-' && (c < '0' || c > '9'):
			return h.Values(name) // a name that may not be spelled so
		}
		up = c == '-'
	}
	return h[string(key)]
}

func oneSpace(s string) string {
	s = strings.Trim(s, " \t")
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}
