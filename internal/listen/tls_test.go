package listen

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certify writes a certificate of its own for name, and its key, into dir.
func certify(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// startTLS is start under TLS.
func startTLS(t *testing.T, c Config, h http.HandlerFunc) (s *Server, addr, dir string) {
	t.Helper()
	dir = t.TempDir()
	certificate, err := LoadCertificate(certify(t, dir, "one.example"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = New(c)
	s.Handle(h)
	ended := make(chan error, 1)
	go func() { ended <- s.ServeTLS(l, certificate) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String(), dir
}

// get asks with the protocols, trusting anybody.
func get(t *testing.T, url string, set func(*http.Protocols)) string {
	t.Helper()
	p := new(http.Protocols)
	set(p)
	tr := &http.Transport{Protocols: p, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	r, err := (&http.Client{Transport: tr}).Post(url, "text/plain", strings.NewReader("hi"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestProtocols(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		echo(w, r)
		fmt.Fprint(w, " tls=", r.TLS != nil)
	}
	_, plain := start(t, quiet(), h)
	_, secure, _ := startTLS(t, quiet(), h)
	one := func(p *http.Protocols) { p.SetHTTP1(true) }
	for _, c := range []struct {
		url  string
		set  func(*http.Protocols)
		want string
	}{
		{"http://" + plain, one, "HTTP/1.1 POST /x hi tls=false"},
		{"http://" + plain, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }, "HTTP/2.0 POST /x hi tls=false"},
		{"https://" + secure, one, "HTTP/1.1 POST /x hi tls=true"},
		{"https://" + secure, func(p *http.Protocols) { p.SetHTTP1(true); p.SetHTTP2(true) }, "HTTP/2.0 POST /x hi tls=true"},
	} {
		if got := get(t, c.url+"/x", c.set); got != c.want {
			t.Errorf("%s: %q, want %q", c.url, got, c.want)
		}
	}
}

func TestAmbiguousRequestsUnderTLS(t *testing.T) {
	_, addr, _ := startTLS(t, quiet(), echo)
	for name, stream := range ambiguous() {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, stream)
		c.CloseWrite()
		if b, _ := io.ReadAll(c); !strings.Contains(string(b), "HTTP/1.1 400 ") && !strings.Contains(string(b), "HTTP/1.1 505 ") {
			t.Errorf("%s: answered %q", name, b)
		}
		c.Close()
	}
}

// A connection that never shakes hands is gone after the time for it, and does
// not keep others waiting.
func TestSlowHandshake(t *testing.T) {
	c := quiet()
	c.HeaderTime = 200 * time.Millisecond
	s, addr, _ := startTLS(t, c, echo)
	p := dial(t, addr)
	p.send("\x16\x03\x01")
	if got := get(t, "https://"+addr+"/x", func(p *http.Protocols) { p.SetHTTP1(true) }); got != "HTTP/1.1 POST /x hi" {
		t.Errorf("%q", got)
	}
	p.closed()
	plain := dial(t, addr)
	plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	io.Copy(io.Discard, plain.r)
	for s.Connections() > 0 {
		time.Sleep(time.Millisecond)
	}
}

// serves is the name on the certificate that a new connection gets.
func serves(t *testing.T, addr string) string {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestCertificateIsReplaced(t *testing.T) {
	_, addr, dir := startTLS(t, quiet(), echo)
	if got := serves(t, addr); got != "one.example" {
		t.Fatal(got)
	}
	good, err := os.ReadFile(filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serves(t, addr); got != "one.example" {
		t.Errorf("with half of a new pair: %s", got)
	}
	certify(t, dir, "another.example")
	if got := serves(t, addr); got != "another.example" {
		t.Errorf("with a new pair: %s", got)
	}
	os.Remove(filepath.Join(dir, "cert.pem"))
	if got := serves(t, addr); got != "another.example" {
		t.Errorf("without a file: %s", got)
	}
	c, err := LoadCertificate(certify(t, dir, "third.example"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Reload(); err == nil || !strings.Contains(c.String(), "third.example") {
		t.Errorf("a key of another certificate: %v, %v", err, c)
	}
}

func TestNoCertificate(t *testing.T) {
	if _, err := LoadCertificate(filepath.Join(t.TempDir(), "no"), "no"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestDrainUnderTLS(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	s, addr, _ := startTLS(t, quiet(), func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-release
		echo(w, r)
	})
	got := make(chan string, 1)
	go func() { got <- get(t, "https://"+addr+"/x", func(p *http.Protocols) { p.SetHTTP2(true) }) }()
	<-begun
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(context.Background()) }()
	for !s.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	close(release)
	if text := <-got; text != "HTTP/2.0 POST /x hi" {
		t.Errorf("%q", text)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
