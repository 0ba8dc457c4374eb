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

func sum(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexSum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hexOf(h[:])
}

// canonical is the form of r that is signed.
func (c *claim) canonical(r *http.Request, path, bodyHash string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + path + "\n" + canonicalQuery(r.URL.RawQuery, c.presigned) + "\n")
	for _, h := range c.headers {
		b.WriteString(h + ":" + headerValue(r, h) + "\n")
	}
	b.WriteString("\n" + strings.Join(c.headers, ";") + "\n" + bodyHash)
	return b.String()
}

// paths are the forms of r's path that its client may have signed. Every
// service but S3 wants the path as it was sent, escaped once more; some
// clients tidy it up first.
func paths(r *http.Request, service string) []string {
	sent := sentPath(r)
	if service == "s3" {
		return []string{sent}
	}
	forms := []string{escape(sent, true)}
	if strings.Contains(sent, "//") || strings.Contains(sent, "/.") {
		forms = append(forms, escape(tidy(sent), true))
	}
	return forms
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
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '-' || c == '_' || c == '.' || c == '~' || slash && c == '/' {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', upper[c>>4], upper[c&15]})
	}
	return b.String()
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

// headerValue is the canonical value of a header: trimmed, runs of spaces
// made one, several values joined by commas. net/http keeps some headers elsewhere.
func headerValue(r *http.Request, name string) string {
	values := r.Header.Values(name)
	if len(values) == 0 {
		switch name {
		case "host", ":authority":
			return r.Host
		case "content-length":
			return strconv.FormatInt(max(r.ContentLength, 0), 10)
		case "transfer-encoding":
			values = r.TransferEncoding
		}
	}
	tidied := make([]string, len(values))
	for i, v := range values {
		tidied[i] = oneSpace(v)
	}
	return strings.Join(tidied, ",")
}

func oneSpace(s string) string {
	s = strings.Trim(s, " \t")
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}
