package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// reference signs a request as the server's own signer does.
func reference(t *testing.T, r *http.Request, body []byte, service string) string {
	t.Helper()
	at, err := time.Parse(longDate, r.Header.Get("X-Amz-Date"))
	if err != nil {
		t.Fatal(err)
	}
	again := httptest.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	for _, name := range signedNames(r) {
		if name != "host" {
			again.Header.Set(name, r.Header.Get(name))
		}
	}
	again.Header.Del("X-Amz-Content-Sha256")
	sigv4.Sign(again, body, sigv4.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, "us-east-1", service, at)
	return again.Header.Get("Authorization")
}

func signedNames(r *http.Request) []string {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	list, _, _ := strings.Cut(rest, ",")
	return strings.Split(list, ";")
}

// TestSignature holds ours to the module's signer, header by header. That one
// also signs the hash of the body, so the call here has it among its headers.
func TestSignature(t *testing.T) {
	body := []byte(`"000000000001"`)
	var got, want string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, want = r.Header.Get("Authorization"), reference(t, r, b, "lambda")
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	c, err := dial(host, newSigner("AKID", "secret", "us-east-1", "lambda"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	sum := string(c.sign.appendSum(nil, body))
	for _, headers := range []map[string]string{
		{"x-amz-content-sha256": sum},
		{"x-amz-content-sha256": sum, "content-type": "application/json", "x-amz-log-type": "Tail"},
		{"x-amz-content-sha256": sum, "x-amz-target": "AmazonSQS.SendMessage"},
	} {
		if _, err := c.mustAnswer(invoke(host, "f", "7", headers), body); err != nil {
			t.Fatal(err)
		}
		if got != want || got == "" {
			t.Errorf("with %v\n got %s\nwant %s", headers, got, want)
		}
	}
}

func TestClientReads(t *testing.T) {
	big := strings.Repeat("x", 100<<10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch b, _ := io.ReadAll(r.Body); string(b) {
		case "chunks":
			for i := range 3 {
				fmt.Fprintf(w, "part %d;", i)
				w.(http.Flusher).Flush()
			}
		case "failed":
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			w.Header().Set("X-Amz-Log-Result", "bG9n")
			io.WriteString(w, "{}")
		case "refused":
			http.Error(w, "no", http.StatusTooManyRequests)
		case "nothing":
			w.WriteHeader(204)
		default:
			w.Write(b)
		}
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	for _, connect := range []func(string, *signer) (*client, error){dial, dialBlocking} {
		c, err := connect(host, newSigner("AKID", "secret", "us-east-1", "lambda"))
		if err != nil {
			t.Fatal(err)
		}
		to := invoke(host, "f", "", nil)
		for _, test := range []struct {
			send string
			want answer
		}{
			{"chunks", answer{Status: 200, Body: []byte("part 0;part 1;part 2;")}},
			{"failed", answer{Status: 200, FunctionError: true, Log: "bG9n", Body: []byte("{}")}},
			{"refused", answer{Status: 429, Body: []byte("no\n")}},
			{"nothing", answer{Status: 204}},
			{big, answer{Status: 200, Body: []byte(big)}},
			{"again", answer{Status: 200, Body: []byte("again")}},
		} {
			got, err := c.post(to, []byte(test.send))
			if err != nil || got.Status != test.want.Status || got.FunctionError != test.want.FunctionError || got.Log != test.want.Log || !bytes.Equal(got.Body, test.want.Body) {
				t.Errorf("%.10s: got %+.100v, %v", test.send, got, err)
			}
		}
		c.close()
	}
}

// TestClientComesBack: a server may close a connection that is not in use.
func TestClientComesBack(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, "{}")
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	c, err := dial(host, newSigner("AKID", "secret", "us-east-1", "lambda"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	to := invoke(host, "f", "", nil)
	if _, err := c.mustAnswer(to, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.mustAnswer(to, nil); !closedMeanwhile(err) {
		t.Fatalf("on a closed connection: %v", err)
	}
	if err := c.again(); err != nil {
		t.Fatal(err)
	}
	if got, err := c.mustAnswer(to, nil); err != nil || string(got) != "{}" {
		t.Errorf("after connecting again: %s, %v", got, err)
	}
}

// TestClientAllocatesNothing: what a request costs here is taken from what is
// measured.
func TestClientAllocatesNothing(t *testing.T) {
	c := newClient("h", newSigner("AKID", "secret", "us-east-1", "lambda"), &loop{answer: []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")})
	to, body := invoke("h", "f", "", nil), []byte(`{}`)
	if _, err := c.post(to, body); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { c.post(to, body) }); n > 2 {
		t.Errorf("%v allocations for a request", n)
	}
}

// A loop answers every write with the same answer.
type loop struct {
	answer, left []byte
}

func (l *loop) Write(p []byte) (int, error) { l.left = l.answer; return len(p), nil }
func (l *loop) Close() error                { return nil }
func (l *loop) Read(p []byte) (int, error) {
	if len(l.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, l.left)
	l.left = l.left[n:]
	return n, nil
}

func FuzzClient(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := newClient("h", newSigner("A", "s", "us-east-1", "lambda"), &loop{left: text})
		if a, err := c.read(); err == nil && len(a.Body) > len(text) {
			t.Errorf("a body of %d bytes out of %d", len(a.Body), len(text))
		}
	})
}
