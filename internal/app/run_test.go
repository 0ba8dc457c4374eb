package app

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/cli"
	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// waitFor waits for what another goroutine will bring about.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("waited in vain until %s", what)
}

// endpoint reads what a running server tells the command line.
func endpoint(t *testing.T, data string) *client {
	t.Helper()
	var e struct {
		URL, Region     string
		AccessKeyID     string `json:"access_key_id"`
		SecretAccessKey string `json:"secret_access_key"`
		PID             int
	}
	waitFor(t, "the server is ready", func() bool {
		b, err := os.ReadFile(filepath.Join(data, "endpoint.json"))
		return err == nil && json.Unmarshal(b, &e) == nil
	})
	if e.PID != os.Getpid() || e.Region != "eu-central-1" {
		t.Errorf("endpoint.json: %+v", e)
	}
	return &client{t, e.URL, sigv4.Credentials{AccessKeyID: e.AccessKeyID, SecretAccessKey: e.SecretAccessKey}}
}

// A server that is told to stop lets a running invocation finish, answers it,
// and has metered it.
func TestStopLetsInvocationsFinish(t *testing.T) {
	data := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, cli.ServeOptions{Listen: "127.0.0.1:0", Data: data, Region: "eu-central-1", Tier: "process"})
	}()
	c := endpoint(t, data)
	c.create("f", sleeper)
	c.want(200, "0", "POST", "/2015-03-31/functions/f/invocations", "lambda", "0") // a sandbox is there
	var call sync.WaitGroup
	call.Go(func() { c.want(200, "1.5", "POST", "/2015-03-31/functions/f/invocations", "lambda", "1.5") })
	waitFor(t, "the invocation runs", func() bool {
		_, text := c.do("GET", "/metrics", "", "")
		return strings.Contains(text, "mayfly_invocations_running 1")
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	call.Wait()
	_, again := open(t, Config{Data: data})
	again.want(200, `"requests":2`, "GET", "/_mayfly/usage", "mayfly", "")
}

func TestRunWantsItsAddress(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	data := filepath.Join(t.TempDir(), "data")
	if err := Run(t.Context(), cli.ServeOptions{Listen: srv.Listener.Addr().String(), Data: data, Tier: "process"}); err == nil {
		t.Fatal("ran on an address that is taken")
	}
	if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a server that could not listen made its folder: %v", err)
	}
}

// upload is a request with so long a body, whose context the test ends.
func upload(n int64) (*http.Request, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	r := httptest.NewRequestWithContext(ctx, "POST", "/", new(bytes.Buffer))
	r.ContentLength = n
	return r, cancel
}

func TestFewLargeRequestsAtOnce(t *testing.T) {
	l := newLarge(1, time.Hour)
	first, end := upload(largeBody)
	if err := l.admit(first, "lambda", "CreateFunction"); err != nil {
		t.Fatal(err)
	}
	for _, free := range []struct {
		op   string
		size int64
	}{{"CreateFunction", largeBody - 1}, {"Invoke", largeBody}} {
		r, cancel := upload(free.size)
		if err := l.admit(r, "lambda", free.op); err != nil {
			t.Errorf("%s of %d bytes: %v", free.op, free.size, err)
		}
		cancel()
	}
	gone, leave := upload(-1) // of a length that it does not say
	leave()
	if err := l.admit(gone, "lambda", "PublishLayerVersion"); err == nil {
		t.Error("a second one was admitted")
	}
	second, endSecond := upload(largeBody)
	defer endSecond()
	admitted := make(chan error)
	go func() { admitted <- l.admit(second, "lambda", "UpdateFunctionCode") }()
	end() // the first request is over
	if err := <-admitted; err != nil {
		t.Error(err)
	}
}

func TestSlowUploadGivesItsTurnUp(t *testing.T) {
	l := newLarge(1, time.Millisecond)
	for range 3 {
		r, end := upload(largeBody)
		defer end()
		if err := l.admit(r, "lambda", "CreateFunction"); err != nil {
			t.Fatal(err)
		}
	}
}

// certificate writes a certificate of its own for localhost, and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err1 := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	secret, err2 := x509.MarshalPKCS8PrivateKey(private)
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	err3 := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	err4 := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// A server with a certificate answers HTTPS beside HTTP, and lets what has
// connections of its own end before the engine does.
func TestTLSBesidePlain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // for an address that is free
	if err != nil {
		t.Fatal(err)
	}
	secure := l.Addr().String()
	l.Close()
	cert, key := certificate(t)
	data := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, cli.ServeOptions{Listen: "127.0.0.1:0", ListenTLS: secure, TLSCert: cert, TLSKey: key, Data: data, Region: "eu-central-1", Tier: "process"})
	}()
	plain := endpoint(t, data)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for _, url := range []string{plain.url, "https://" + secure} {
		r, err := client.Get(url + "/_mayfly/health")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK || (r.TLS != nil) != strings.HasPrefix(url, "https") {
			t.Errorf("%s: %s", url, r.Status)
		}
	}
	client.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRunWantsItsCertificate(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	err := Run(t.Context(), cli.ServeOptions{Listen: "127.0.0.1:0", ListenTLS: "127.0.0.1:0", TLSCert: "no.pem", TLSKey: "no.pem", Data: data, Tier: "process"})
	if !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a server without its certificate made its folder: %v", err)
	}
}
