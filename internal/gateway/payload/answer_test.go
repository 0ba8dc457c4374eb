package payload

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

const plainJSON = "application/json"

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestInfer(t *testing.T) {
	for _, c := range []struct {
		raw    string
		status int // 0: malformed
		header http.Header
		body   string
	}{
		{`{"a":1}`, 200, header("Content-Type", plainJSON), `{"a":1}`},
		{`{"statuscode":1}`, 200, header("Content-Type", plainJSON), `{"statuscode":1}`},
		{` {"body":"x"} `, 200, header("Content-Type", plainJSON), `{"body":"x"}`},
		{`"text < \u0041"`, 200, header("Content-Type", plainJSON), `text < A`},
		{`null`, 200, header("Content-Type", plainJSON), `null`},
		{`[1]`, 200, header("Content-Type", plainJSON), `[1]`},
		{`7`, 200, header("Content-Type", plainJSON), `7`},
		{``, 200, header("Content-Type", plainJSON), ``},
		{`no JSON`, 200, header("Content-Type", plainJSON), `no JSON`},
		{`{"statusCode":200}`, 200, header("Content-Type", plainJSON), ``},
		{`{"statusCode":"201","body":"x"}`, 201, header("Content-Type", plainJSON), `x`},
		{`{"statusCode":404,"body":null}`, 404, header("Content-Type", plainJSON), ``},
		{`{"statusCode":200,"body":{"a":[1]}}`, 200, header("Content-Type", plainJSON), `{"a":[1]}`},
		{`{"statusCode":200,"body":7}`, 200, header("Content-Type", plainJSON), `7`},
		{`{"statusCode":200,"headers":{"content-type":"text/html","x-n":5,"x-b":true,"x-0":null},"body":"<p>"}`, 200,
			header("Content-Type", "text/html", "X-N", "5", "X-B", "true"), `<p>`},
		{`{"statusCode":200,"headers":{"Connection":"close","Transfer-Encoding":"chunked","Content-Length":"9","Keep-Alive":"x","Upgrade":"y","date":"z","X-A":" b\t"}}`, 200,
			header("Content-Type", plainJSON, "X-A", "b"), ``},
		{`{"statusCode":200,"cookies":["a=1","b=2","a=1"],"headers":{"Set-Cookie":"c=3"}}`, 200,
			header("Content-Type", plainJSON, "Set-Cookie", "c=3", "Set-Cookie", "a=1", "Set-Cookie", "b=2", "Set-Cookie", "a=1"), ``},
		{`{"statusCode":200,"multiValueHeaders":{"x-a":["b"]}}`, 200, header("Content-Type", plainJSON), ``}, // not of 2.0
		{`{"statusCode":200,"body":"aGk=","isBase64Encoded":true}`, 200, header("Content-Type", plainJSON), `hi`},
		{`{"statusCode":200,"body":"aGk=","isBase64Encoded":false}`, 200, header("Content-Type", plainJSON), `aGk=`},
		{`{"statusCode":200,"body":"a","isBase64Encoded":true}`, 0, nil, ``},
		{`{"statusCode":200,"isBase64Encoded":"yes"}`, 0, nil, ``},
		{`{"statusCode":null}`, 0, nil, ``},
		{`{"statusCode":99}`, 0, nil, ``},
		{`{"statusCode":600}`, 0, nil, ``},
		{`{"statusCode":200.5}`, 0, nil, ``},
		{`{"statusCode":[200]}`, 0, nil, ``},
		{`{"statusCode":200,"headers":[]}`, 0, nil, ``},
		{`{"statusCode":200,"headers":{"a":["b"]}}`, 0, nil, ``},
		{`{"statusCode":200,"headers":{"a":{}}}`, 0, nil, ``},
		{`{"statusCode":200,"headers":{"":"b"}}`, 0, nil, ``},
		{`{"statusCode":200,"headers":{"a b":"c"}}`, 0, nil, ``},
		{`{"statusCode":200,"headers":{"a:":"c"}}`, 0, nil, ``},
		{`{"statusCode":200,"headers":{"a\r\nSet-Cookie":"c"}}`, 0, nil, ``},
		{`{"statusCode":200,"headers":{"a":"b\r\nSet-Cookie: c"}}`, 0, nil, ``},
		{`{"statusCode":200,"headers":{"a":"b\u0000"}}`, 0, nil, ``},
		{`{"statusCode":200,"cookies":["a\nb"]}`, 0, nil, ``},
		{`{"statusCode":200,"cookies":"a"}`, 0, nil, ``},
	} {
		check(t, c.raw, c.status, c.header, c.body, Infer)
	}
}

func check(t *testing.T, raw string, status int, h http.Header, body string, read func([]byte) (*Answer, error)) {
	t.Helper()
	a, err := read([]byte(raw))
	if status == 0 {
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", raw, a, err)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", raw, err)
		return
	}
	if a.Status != status || string(a.Body) != body || !reflect.DeepEqual(a.Header, h) {
		t.Errorf("%s: %d %v %q", raw, a.Status, a.Header, a.Body)
	}
}

func TestStrict(t *testing.T) {
	for _, c := range []struct {
		raw    string
		status int
		header http.Header
		body   string
	}{
		{`{"a":1}`, 0, nil, ``}, {`"text"`, 0, nil, ``}, {`null`, 0, nil, ``}, {``, 0, nil, ``}, {`[]`, 0, nil, ``}, {`{"statusCode":""}`, 0, nil, ``},
		{`{"statusCode":200,"body":"x"}`, 200, header("Content-Type", plainJSON), `x`},
		{`{"statusCode":200,"cookies":["a=1"]}`, 200, header("Content-Type", plainJSON), ``}, // of 2.0 alone
		{`{"statusCode":200,"headers":{"x-a":"1","x-b":"2"},"multiValueHeaders":{"X-A":["2","1","3"],"Set-Cookie":["a=1","b=2"]}}`, 200,
			header("Content-Type", plainJSON, "X-A", "2", "X-A", "1", "X-A", "3", "X-B", "2", "Set-Cookie", "a=1", "Set-Cookie", "b=2"), ``},
		{`{"statusCode":200,"multiValueHeaders":{"X-A":"2"}}`, 0, nil, ``},
		{`{"statusCode":200,"multiValueHeaders":{"X-A":["a\r\nb"]}}`, 0, nil, ``},
		{`{"statusCode":200,"headers":null,"multiValueHeaders":null,"body":"aGk=","isBase64Encoded":true}`, 200, header("Content-Type", plainJSON), `hi`},
	} {
		check(t, c.raw, c.status, c.header, c.body, Strict)
	}
	check(t, `{"statusCode":200,"body":"aGk=","isBase64Encoded":true}`, 200, header("Content-Type", plainJSON), `aGk=`, StrictText)
}

func TestWrite(t *testing.T) {
	for _, c := range []struct {
		a      Answer
		status int
		length string
		body   string
	}{
		{Answer{200, header("X-A", "b"), []byte("hi")}, 200, "2", "hi"},
		{Answer{404, header(), nil}, 404, "0", ""},
		{Answer{204, header("Content-Type", "x"), []byte("hi")}, 204, "", ""},
		{Answer{304, header(), []byte("hi")}, 304, "", ""},
		{Answer{100, header(), []byte("hi")}, 502, "", ""},
		{Answer{199, header(), nil}, 502, "", ""},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("X-Ours", "kept")
		c.a.Write(w)
		if w.Code != c.status || w.Header().Get("Content-Length") != c.length || w.Body.String() != c.body || w.Header().Get("X-Ours") != "kept" {
			t.Errorf("%+v: %d %v %q", c.a, w.Code, w.Header(), w.Body)
		}
		if c.length == "" && w.Header().Get("Content-Type") != "" {
			t.Errorf("%+v: a media type of nothing", c.a)
		}
	}
}

// flushes counts what reaches the client.
type flushes struct {
	*httptest.ResponseRecorder
	at []string // the body at each flush
}

func (f *flushes) Flush() { f.at = append(f.at, f.Body.String()) }

func TestStream(t *testing.T) {
	const end = "\x00\x00\x00\x00\x00\x00\x00\x00"
	for _, c := range []struct {
		name, kind, raw string
		status          int // 0: malformed
		header          http.Header
		body            string
	}{
		{"prelude", StreamType, `{"statusCode":201,"headers":{"content-type":"text/html","x-a":"b"},"cookies":["c=d"]}` + end + "body", 201,
			header("Content-Type", "text/html", "X-A", "b", "Set-Cookie", "c=d"), "body"},
		{"no status", StreamType, `{}` + end + "b", 200, header("Content-Type", unknown), "b"},
		{"no body", StreamType, `{"statusCode":500}` + end, 500, header("Content-Type", unknown), ""},
		{"NULs in the body", StreamType, `{}` + end + end + "x" + end, 200, header("Content-Type", unknown), end + "x" + end},
		{"many NULs", StreamType, `{}` + end + "\x00", 200, header("Content-Type", unknown), "\x00"},
		{"no prelude", "text/css", `{}` + end + "b", 200, header("Content-Type", "text/css"), `{}` + end + "b"},
		{"no type", "", "b", 200, header("Content-Type", unknown), "b"},
		{"a bad type", "a\r\nb", "b", 200, header("Content-Type", unknown), "b"},
		{"nothing", "text/css", "", 200, header("Content-Type", "text/css"), ""},
		{"no content", StreamType, `{"statusCode":204}` + end + "body", 204, header("Content-Type", unknown), ""},
		{"not JSON", StreamType, `{` + end + "b", 0, nil, ""},
		{"empty", StreamType, end, 0, nil, ""},
		{"a list", StreamType, `[]` + end, 0, nil, ""},
		{"a bad status", StreamType, `{"statusCode":1}` + end, 0, nil, ""},
		{"an injection", StreamType, `{"headers":{"a":"b\r\nc: d"}}` + end, 0, nil, ""},
		{"no end", StreamType, `{}` + end[1:], 0, nil, ""},
		{"nothing of a prelude", StreamType, ``, 0, nil, ""},
		{"too large", StreamType, `{"a":"` + strings.Repeat("x", maxPrelude) + `"}` + end, 0, nil, ""},
		{"endless", StreamType, strings.Repeat("x", maxPrelude+1), 0, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 7, 8, 9, 1 << 21} {
				if size < 9 && len(c.raw) > 1<<16 {
					continue
				}
				w := httptest.NewRecorder()
				err := streamed(NewStream(w, nil), c.kind, c.raw, size)
				if c.status == 0 {
					if !errors.Is(err, ErrMalformed) {
						t.Errorf("by %d: %v", size, err)
					}
					continue
				}
				if err != nil || w.Code != c.status || w.Body.String() != c.body || !reflect.DeepEqual(w.Header(), c.header) {
					t.Errorf("by %d: %v; %d %v %q", size, err, w.Code, w.Header(), w.Body)
				}
			}
		})
	}
}

// streamed sends raw in pieces.
func streamed(s *Stream, kind, raw string, size int) error {
	s.Begin(kind)
	for len(raw) > 0 {
		n := min(size, len(raw))
		if _, err := s.Write([]byte(raw[:n])); err != nil {
			return err
		}
		raw = raw[n:]
	}
	return s.End()
}

func TestStreamFlushesEachWrite(t *testing.T) {
	f := &flushes{ResponseRecorder: httptest.NewRecorder()}
	s := NewStream(f, func(a *Answer) { a.Header.Set("X-Sent", "yes") })
	s.Begin(StreamType)
	for _, p := range []string{"{}\x00\x00\x00\x00", "\x00\x00\x00\x00", "a", "b"} {
		if s.Begun() != (p == "a" || p == "b") {
			t.Errorf("before %q begun is %v", p, s.Begun())
		}
		s.Write([]byte(p))
	}
	if want := []string{"", "a", "ab"}; !reflect.DeepEqual(f.at, want) || f.Header().Get("X-Sent") != "yes" {
		t.Errorf("%q, %v", f.at, f.Header())
	}
}

// FuzzAnswer: what a function says never becomes a head that means something
// else.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"statusCode":200,"headers":{"a":"b"},"multiValueHeaders":{"c":["d"]},"cookies":["e"],"body":"f","isBase64Encoded":true}`))
	f.Add([]byte(`{"statusCode":"2e2"}`))
	f.Add([]byte(`"text"`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, read := range []func([]byte) (*Answer, error){Infer, Strict, StrictText} {
			a, err := read(bytes.Clone(raw))
			if err != nil {
				if !errors.Is(err, ErrMalformed) {
					t.Fatal(err)
				}
				continue
			}
			if a.Status < 100 || a.Status > 599 {
				t.Fatalf("status %d", a.Status)
			}
			sound(t, a.Header)
			a.Write(httptest.NewRecorder())
		}
	})
}

func sound(t *testing.T, h http.Header) {
	t.Helper()
	for name, values := range h {
		if name == "" || ours(name) || strings.ContainsAny(name, "\r\n: ") {
			t.Fatalf("name %q", name)
		}
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n\x00") {
				t.Fatalf("value %q", v)
			}
		}
	}
}

// FuzzStream: a stream means the same wherever it is cut.
func FuzzStream(f *testing.F) {
	f.Add([]byte("{\"statusCode\":200}\x00\x00\x00\x00\x00\x00\x00\x00body"), uint8(3))
	f.Add([]byte("{}\x00\x00\x00\x00\x00\x00\x00"), uint8(1))
	f.Fuzz(func(t *testing.T, raw []byte, size uint8) {
		if len(raw) > 1<<16 {
			return
		}
		whole, parts := httptest.NewRecorder(), httptest.NewRecorder()
		err1 := streamed(NewStream(whole, nil), StreamType, string(raw), len(raw)+1)
		err2 := streamed(NewStream(parts, nil), StreamType, string(raw), int(size)+1)
		if (err1 == nil) != (err2 == nil) {
			t.Fatalf("whole %v, in parts %v", err1, err2)
		}
		if err1 == nil && (whole.Code != parts.Code || whole.Body.String() != parts.Body.String() || !reflect.DeepEqual(whole.Header(), parts.Header())) {
			t.Fatalf("%v and %v", whole, parts)
		}
		sound(t, whole.Header())
	})
}
