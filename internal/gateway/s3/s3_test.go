package s3

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/object/disk"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// open is the API over a store with a bucket "one", for which no signatures are needed.
func open(t testing.TB, edit func(*Config)) *Gateway {
	t.Helper()
	db, err := store.OpenSQLite(filepath.Join(t.TempDir(), "objects.db"), store.Options{Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	s, err := disk.Open(t.Context(), disk.Config{Dir: filepath.Join(t.TempDir(), "objects"), DB: db})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); db.Close() })
	if err := s.CreateBucket(t.Context(), object.Bucket{Name: "one", Owner: "1", Region: "us-east-1"}); err != nil {
		t.Fatal(err)
	}
	c := Config{Store: s, Account: "1", Region: "us-east-1", Off: true}
	if edit != nil {
		edit(&c)
	}
	g := New(c)
	g.Handler(wire.Service{}, func(r *http.Request, _, _ string) (*http.Request, error) { return r, nil })
	return g
}

// ask sends a request, and answers status and body.
func ask(g *Gateway, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		header       string
		from, length int64
		some, wrong  bool
	}{
		{"bytes=0-0", 0, 1, true, false}, {"bytes=2-", 2, 8, true, false}, {"bytes=-3", 7, 3, true, false}, {"bytes=-30", 0, 10, true, false},
		{"bytes=5-99", 5, 5, true, false}, {"bytes=10-", 0, 0, false, true}, {"bytes=-0", 0, 0, false, true},
		{"bytes=3-2", 0, 10, false, false}, {"bytes=1-2,4-5", 0, 10, false, false}, {"lines=1-2", 0, 10, false, false}, {"bytes=x-", 0, 10, false, false},
	} {
		from, length, some, err := parseRange(c.header, 10)
		if (err != nil) != c.wrong || err == nil && (from != c.from || length != c.length || some != c.some) {
			t.Errorf("%s: %d, %d, %v, %v", c.header, from, length, some, err)
		}
	}
}

func FuzzRange(f *testing.F) {
	f.Add("bytes=0-5", int64(10))
	f.Add("bytes=-9223372036854775808", int64(0))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		from, length, _, err := parseRange(header, size)
		if err == nil && (from < 0 || length < 0 || from+length > size) {
			t.Errorf("%q of %d: %d, %d", header, size, from, length)
		}
	})
}

func TestHosts(t *testing.T) {
	g := &Gateway{c: Config{Hosts: []string{"box.example.com:80"}}}
	for host, want := range map[string]string{
		"localhost:4566": "", "127.0.0.1:4566": "", "s3.localhost:4566": "", "b.s3.localhost": "b", "b.c.s3.us-east-1.localhost:1": "b.c",
		"b.localhost": "b", "b.s3.box.example.com": "b", "B.S3-eu-west-1.BOX.example.com": "b", "b.s3.evil.com": "", "s3.evil.com": "",
	} {
		if got := g.hostBucket(host); got != want {
			t.Errorf("%s: %q, not %q", host, got, want)
		}
	}
}

// TestClaims: what a page of another site sends is not taken for S3's by its host's name.
func TestClaims(t *testing.T) {
	g := open(t, nil)
	for _, c := range []struct {
		method, target, kind string
		want                 bool
	}{
		{"GET", "http://one.s3.localhost/k", "", true}, {"GET", "http://s3.evil.com/k", "", false}, {"GET", "http://localhost/one/k", "", false},
		{"POST", "http://localhost/one", "multipart/form-data; boundary=x", true}, {"POST", "http://localhost/two", "multipart/form-data; boundary=x", false},
		{"GET", "http://localhost/one/k?AWSAccessKeyId=a&Signature=b&Expires=1", "", true},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		r.Header.Set("Content-Type", c.kind)
		if got := g.Claims(r); got != c.want {
			t.Errorf("%s %s: %v", c.method, c.target, got)
		}
	}
}

// TestOtherSites: without signatures, a browser is still not to act for another site's page.
func TestOtherSites(t *testing.T) {
	g := open(t, nil)
	for _, c := range []struct {
		headers []string
		want    int
	}{
		{nil, 200}, {[]string{"Origin", "http://localhost"}, 200}, {[]string{"Origin", "http://evil.com"}, 403}, {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Origin", "http://good.com"}, 200},
	} {
		if err := g.c.Store.Configure(t.Context(), "one", "cors", []byte(`<CORSConfiguration><CORSRule><AllowedOrigin>http://good.com</AllowedOrigin><AllowedMethod>PUT</AllowedMethod></CORSRule></CORSConfiguration>`)); err != nil {
			t.Fatal(err)
		}
		if w := ask(g, "PUT", "http://localhost/one/k", "x", c.headers...); w.Code != c.want {
			t.Errorf("%v: %d %s", c.headers, w.Code, w.Body)
		}
	}
}

// TestNobody: with signatures on, whoever does not sign is let in nowhere.
func TestNobody(t *testing.T) {
	g := open(t, func(c *Config) { c.Off = false })
	for _, c := range [][2]string{{"GET", "/"}, {"GET", "/one"}, {"GET", "/one/k"}, {"PUT", "/one/k"}, {"DELETE", "/one"}, {"POST", "/one?delete"}} {
		if w := ask(g, c[0], "http://s3.localhost"+c[1], ""); w.Code != 403 || !strings.Contains(w.Body.String(), "<Code>AccessDenied</Code>") {
			t.Errorf("%v: %d %s", c, w.Code, w.Body)
		}
	}
	if w := ask(g, "PUT", "http://localhost/one/k", "x", "Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request"); w.Code != 400 {
		t.Errorf("a body whose hash is not signed: %d %s", w.Code, w.Body)
	}
}

func TestConditions(t *testing.T) {
	info := object.Info{ETag: "abc", Modified: time.Date(2026, 1, 2, 3, 4, 5, 600e6, time.UTC)}
	at := info.Modified.Format(http.TimeFormat)
	before, after := info.Modified.Add(-time.Hour).Format(http.TimeFormat), info.Modified.Add(time.Hour).Format(http.TimeFormat)
	for _, c := range []struct {
		headers []string
		want    string
	}{
		{nil, ""}, {[]string{"If-Match", `"abc"`}, ""}, {[]string{"If-Match", "*"}, ""}, {[]string{"If-Match", `"x", "abc"`}, ""}, {[]string{"If-Match", "x"}, "PreconditionFailed"},
		{[]string{"If-None-Match", `"abc"`}, "NotModified"}, {[]string{"If-None-Match", "x"}, ""},
		{[]string{"If-Modified-Since", at}, "NotModified"}, {[]string{"If-Modified-Since", before}, ""},
		{[]string{"If-Unmodified-Since", before}, "PreconditionFailed"}, {[]string{"If-Unmodified-Since", at}, ""},
		{[]string{"If-Match", "abc", "If-Unmodified-Since", before}, ""}, {[]string{"If-None-Match", "x", "If-Modified-Since", after}, ""},
	} {
		h := http.Header{}
		for i := 0; i < len(c.headers); i += 2 {
			h.Set(c.headers[i], c.headers[i+1])
		}
		err := conditions(h, "", info)
		if got := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && !strings.HasPrefix(got, c.want) {
			t.Errorf("%v: %v", c.headers, err)
		}
	}
}

func TestLifecycle(t *testing.T) {
	g := open(t, nil)
	rule := func(inner string) string {
		return "<LifecycleConfiguration><Rule><Status>Enabled</Status>" + inner + "</Rule></LifecycleConfiguration>"
	}
	for text, want := range map[string]string{
		rule("<Filter><Prefix>a</Prefix></Filter><Expiration><Days>1</Days></Expiration>"):     "",
		rule("<Filter/><Expiration><Days>0</Days></Expiration>"):                               "InvalidArgument",
		rule("<Filter/><Expiration><Date>2026-01-01T01:00:00Z</Date></Expiration>"):            "InvalidArgument",
		rule("<Filter/><Expiration><Date>2026-01-01T00:00:00Z</Date></Expiration>"):            "",
		"<LifecycleConfiguration><Rule><Status>Maybe</Status></Rule></LifecycleConfiguration>": "MalformedXML",
		"<LifecycleConfiguration/>": "MalformedXML", "no": "MalformedXML",
	} {
		w := ask(g, "PUT", "http://localhost/one?lifecycle", text)
		if want == "" && w.Code != 200 || want != "" && !strings.Contains(w.Body.String(), "<Code>"+want+"</Code>") {
			t.Errorf("%s: %d %s", text, w.Code, w.Body)
		}
	}
}

// formBody is a form with a file.
func formBody(fields [][2]string, file string) (body, kind string) {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for _, f := range fields {
		m.WriteField(f[0], f[1])
	}
	w, _ := m.CreateFormFile("file", "n.txt")
	io.WriteString(w, file)
	m.Close()
	return b.String(), m.FormDataContentType()
}

func TestForms(t *testing.T) {
	g := open(t, nil)
	policy := func(conditions string) string {
		return base64.StdEncoding.EncodeToString([]byte(`{"expiration": "2099-01-01T00:00:00Z", "conditions": [` + conditions + `]}`))
	}
	for _, c := range []struct {
		name, policy string
		fields       [][2]string
		want         int
	}{
		{"fits", policy(`{"key": "k", "bucket": "one"}`), [][2]string{{"key", "k"}}, 204},
		{"a field too many", policy(`{"key": "k"}`), [][2]string{{"key", "k"}, {"x-amz-meta-a", "b"}}, 403},
		{"one that is ignored", policy(`{"key": "k"}`), [][2]string{{"key", "k"}, {"x-ignore-a", "b"}}, 204},
		{"begins so", policy(`["starts-with", "$key", "user/"]`), [][2]string{{"key", "user/1"}}, 204},
		{"begins otherwise", policy(`["starts-with", "$key", "user/"]`), [][2]string{{"key", "other"}}, 403},
		{"too long", policy(`{"key": "k"}, ["content-length-range", 1, 3]`), [][2]string{{"key", "k"}}, 400},
		{"too short", policy(`{"key": "k"}, ["content-length-range", 9, 99], ["content-length-range", 0, 99]`), [][2]string{{"key", "k"}}, 400},
		{"no policy", "", [][2]string{{"key", "k"}}, 400},
		{"expired", base64.StdEncoding.EncodeToString([]byte(`{"expiration": "2020-01-01T00:00:00Z", "conditions": [{"key": "k"}]}`)), [][2]string{{"key", "k"}}, 403},
	} {
		body, kind := formBody(append(c.fields, [2]string{"policy", c.policy}), "12345")
		if w := ask(g, "POST", "http://localhost/one", body, "Content-Type", kind); w.Code != c.want {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
}

// TestFormsSpeakAlone: headers of the request say nothing about what a form uploads.
func TestFormsSpeakAlone(t *testing.T) {
	g := open(t, nil)
	policy := base64.StdEncoding.EncodeToString([]byte(`{"expiration": "2099-01-01T00:00:00Z", "conditions": [{"key": "k"}, {"tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"}]}`))
	body, kind := formBody([][2]string{{"key", "k"}, {"policy", policy}, {"tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"}}, "x")
	if w := ask(g, "POST", "http://localhost/one", body, "Content-Type", kind, "X-Amz-Meta-Evil", "1", "X-Amz-Tagging", "e=f", "Cache-Control", "no"); w.Code != 204 {
		t.Fatal(w.Code, w.Body)
	}
	info, err := g.c.Store.Head(t.Context(), "one", "k", "")
	if err != nil || len(info.Meta.User) != 0 || len(info.Meta.Headers) != 0 || fmt.Sprint(info.Tags) != "map[a:b]" {
		t.Errorf("%+v, %v", info, err)
	}
}

func FuzzForm(f *testing.F) {
	body, kind := formBody([][2]string{{"key", "k"}, {"policy", "e30="}}, "x")
	f.Add(body, kind)
	g := open(f, nil)
	f.Fuzz(func(t *testing.T, body, kind string) {
		if w := ask(g, "POST", "http://localhost/one", body, "Content-Type", kind); w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// FuzzDocuments sends anything to what reads XML.
func FuzzDocuments(f *testing.F) {
	targets := []string{"PUT /one?versioning", "PUT /one?notification", "PUT /one?cors", "PUT /one?lifecycle", "PUT /one?tagging", "POST /one?delete", "PUT /one/k?tagging", "POST /one/k?uploadId=x", "PUT /two", "PUT /one?policy"}
	for i := range targets {
		f.Add(i, "<Delete><Object><Key>k</Key></Object></Delete>")
		f.Add(i, "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>")
	}
	g := open(f, nil)
	f.Fuzz(func(t *testing.T, i int, body string) {
		if i < 0 || i >= len(targets) {
			return
		}
		method, target, _ := strings.Cut(targets[i], " ")
		if w := ask(g, method, "http://localhost"+target, body); w.Code >= 500 {
			t.Errorf("%s: %d %s", targets[i], w.Code, w.Body)
		}
	})
}

// FuzzRequests sends anything in headers and queries that are read.
func FuzzRequests(f *testing.F) {
	f.Add("GET", "list-type=2&prefix=a&delimiter=/", "one/k", "bytes=1-2")
	f.Add("PUT", "partNumber=1&uploadId=x", "/one/k?versionId=null", "bytes=0-9")
	f.Add("GET", "versions&key-marker=a&version-id-marker=b&encoding-type=url", "", "")
	g := open(f, nil)
	f.Fuzz(func(t *testing.T, method, query, source, span string) {
		if strings.ContainsAny(method, " \r\n\t") || method == "" || strings.ContainsAny(source+span, "\r\n") {
			return
		}
		for _, path := range []string{"/", "/one", "/one/k"} {
			r, err := http.NewRequest(method, "http://localhost"+path, strings.NewReader("x"))
			if err != nil {
				return
			}
			r.URL.RawQuery = query
			r.Header.Set("X-Amz-Copy-Source", source)
			r.Header.Set("X-Amz-Copy-Source-Range", span)
			r.Header.Set("Range", span)
			r.Header.Set("X-Amz-Tagging", query)
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			if w.Code >= 500 && w.Code != http.StatusNotImplemented {
				t.Errorf("%s %s?%s: %d %s", method, path, query, w.Code, w.Body)
			}
		}
	})
}
