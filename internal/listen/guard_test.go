package listen

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// seen is what a guard lets by of a stream that comes in pieces of n bytes.
func seen(stream string, n int) (passed int, refused bool) {
	var g guard
	for stream != "" {
		part := stream[:min(n, len(stream))]
		m, err := g.see([]byte(part))
		passed += m
		if err != nil {
			return passed, true
		}
		stream = stream[len(part):]
	}
	return passed, false
}

// ambiguous are streams that the guard refuses.
func ambiguous() map[string]string {
	return map[string]string{
		"length and coding":         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"coding and length":         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"the same length twice":     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
		"two lengths":               "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
		"a list of lengths":         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx",
		"a signed length":           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
		"a hexadecimal length":      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx",
		"an empty length":           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
		"a huge length":             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\nx",
		"two codings":               "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a coding in HTTP/1.0":      "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a space before the colon":  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		"a folded line":             "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
		"a folded coding":           "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
		"a space before the first":  "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
		"a bare LF":                 "GET / HTTP/1.1\nHost: a\r\n\r\n",
		"a bare LF after a header":  "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
		"a bare LF at the end":      "GET / HTTP/1.1\r\nHost: a\r\n\n",
		"a bare CR":                 "GET / HTTP/1.1\r\nHost: a\r\nX: b\rTransfer-Encoding: chunked\r\n\r\n",
		"a NUL":                     "GET / HTTP/1.1\r\nHost: a\r\nX: b\x00\r\n\r\n",
		"a NUL in the target":       "GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
		"two hosts":                 "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"another host in target":    "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"another port in target":    "GET http://a:1/ HTTP/1.1\r\nHost: a:2\r\n\r\n",
		"a user in the target":      "GET http://a@b/ HTTP/1.1\r\nHost: a@b\r\n\r\n",
		"a space in the target":     "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
		"no name":                   "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
		"no colon":                  "GET / HTTP/1.1\r\nHost: a\r\nchunked\r\n\r\n",
		"the second of a pipeline":  "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\nHost: a\r\n\r\n",
		"what follows a short body": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxGET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	}
}

func TestGuardRefuses(t *testing.T) {
	for name, stream := range ambiguous() {
		for n := 1; n <= len(stream); n++ {
			passed, refused := seen(stream, n)
			if !refused {
				t.Errorf("%s, by %d bytes: passed", name, n)
			}
			if passed < len(stream) && stream[passed] != '\n' {
				t.Errorf("%s, by %d bytes: passed %q", name, n, stream[:passed])
			}
		}
	}
}

func TestGuardPasses(t *testing.T) {
	for _, stream := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: ü b\tc\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 3\r\n\r\n\n\x00\rPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://A:80/x HTTP/1.1\r\nHost: a:80\r\n\r\n",
		"GET /?u=http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\n\n\n",
	} {
		for n := 1; n <= len(stream); n++ {
			if passed, refused := seen(stream, n); refused || passed != len(stream) {
				t.Errorf("%q by %d bytes: stopped after %q", stream, n, stream[:passed])
			}
		}
	}
}

// A stream is judged alike however it is cut; and of what the guard lets pass,
// net/http reads the requests where the guard does.
func FuzzGuard(f *testing.F) {
	for _, s := range ambiguous() {
		f.Add([]byte(s), uint8(3))
	}
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n"), uint8(7))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		whole, refused := seen(string(stream), len(stream)+1)
		if p, r := seen(string(stream), int(size)+1); p != whole || r != refused {
			t.Fatalf("cut by %d: %d %v, whole: %d %v", int(size)+1, p, r, whole, refused)
		}
		if refused {
			return
		}
		follow(t, stream)
	})
}

// follow reads requests as net/http does, and holds the guard to each of them.
func follow(t *testing.T, stream []byte) {
	rest := bytes.NewReader(stream)
	for rest.Len() > 0 {
		at := len(stream) - rest.Len()
		b := bufio.NewReader(rest)
		r, err := http.ReadRequest(b)
		if err != nil || len(r.TransferEncoding) > 0 || r.Proto == "HTTP/2.0" {
			return
		}
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || n != max(r.ContentLength, 0) {
			return // it broke off
		}
		end := len(stream) - rest.Len() - b.Buffered()
		var g guard
		if _, err := g.see(stream[at:end]); err != nil {
			t.Fatalf("a request of a good stream is bad by itself: %q", stream[at:end])
		}
		if g.body != 0 || g.head.begun || len(g.line) > 0 || g.blind {
			t.Fatalf("net/http ends a request where the guard does not: %q", stream[at:end])
		}
		if strings.Contains(r.Host, "@") {
			t.Fatalf("host %q", r.Host)
		}
		rest.Reset(stream[end:])
		stream = stream[end:]
	}
}
