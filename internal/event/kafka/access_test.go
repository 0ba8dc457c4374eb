package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

const prefix = "arn:aws:secretsmanager:us-east-1:000000000000:secret:"

// keep writes a secret, and answers its ARN.
func keep(t *testing.T, f Folder, name string, content any) string {
	t.Helper()
	b, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(string(f), name+".json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return prefix + name
}

func TestFolder(t *testing.T) {
	f := Folder(filepath.Join(t.TempDir(), "secrets"))
	if _, err := f.Secret(t.Context(), prefix+"none"); !errors.Is(err, ErrNoSecret) {
		t.Errorf("without a folder: %v", err)
	}
	keep(t, f, "prod/kafka", "one")
	keep(t, f, "other-abcdef", "two")
	if err := os.WriteFile(filepath.Join(filepath.Dir(string(f)), "outside.json"), []byte(`"x"`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ arn, want string }{
		{prefix + "prod/kafka", `"one"`},
		{prefix + "prod/kafka-a1B2c3", `"one"`},
		{prefix + "other-abcdef", `"two"`},
	} {
		if got, err := f.Secret(t.Context(), test.arn); err != nil || string(got) != test.want {
			t.Errorf("%s: got %s, %v", test.arn, got, err)
		}
	}
	for _, bad := range []string{"", "kafka", prefix, prefix + "../outside", prefix + "/etc/passwd", prefix + "prod", "arn:aws:sqs:us-east-1:1:secret:prod/kafka"} {
		if got, err := f.Secret(t.Context(), bad); !errors.Is(err, ErrNoSecret) {
			t.Errorf("%s: got %s, %v", bad, got, err)
		}
	}
	if err := os.WriteFile(filepath.Join(string(f), "bad.json"), []byte(`{`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Secret(t.Context(), prefix+"bad"); err == nil {
		t.Error("what is not JSON is a secret")
	}
}

func TestCheckAccess(t *testing.T) {
	for _, test := range []struct {
		types string
		ok    bool
	}{
		{"", true},
		{"VPC_SUBNET VPC_SUBNET VPC_SECURITY_GROUP", true},
		{"SASL_SCRAM_512_AUTH SERVER_ROOT_CA_CERTIFICATE VPC_SUBNET", true},
		{"CLIENT_CERTIFICATE_TLS_AUTH SERVER_ROOT_CA_CERTIFICATE", true},
		{"SASL_SCRAM_512_AUTH BASIC_AUTH", false},
		{"SERVER_ROOT_CA_CERTIFICATE SERVER_ROOT_CA_CERTIFICATE", false},
		{"VIRTUAL_HOST", false},
	} {
		var all []Access
		for _, one := range strings.Fields(test.types) {
			all = append(all, Access{Type: one})
		}
		if err := CheckAccess(all); (err == nil) != test.ok {
			t.Errorf("%q: %v", test.types, err)
		}
	}
}

func describe(t *testing.T, c Config) error {
	t.Helper()
	c.Topic, c.Group = "orders", "g"
	one := New(c)
	defer one.Close()
	_, err := one.Describe(t.Context(), "")
	return err
}

func TestAuthentication(t *testing.T) {
	f := Folder(t.TempDir())
	for access, method := range map[string]string{Plain: "PLAIN", Scram256: "SCRAM-SHA-256", Scram512: "SCRAM-SHA-512"} {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"), kfake.EnableSASL(), kfake.Superuser(method, "ada", "secret"))
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		login := map[string]string{"username": "ada", "password": "secret", "securityProtocol": "SASL_PLAINTEXT"}
		good := keep(t, f, "good", login)
		login["password"] = "other"
		bad := keep(t, f, "bad", login)
		c := Config{Servers: cluster.ListenAddrs(), Secrets: f, Access: []Access{{Type: access, URI: good}}}
		if err := describe(t, c); err != nil {
			t.Errorf("%s: %v", access, err)
		}
		c.Access[0].URI = bad
		// This broker hangs up; a real one says why, see e2e.
		if p, ok := errors.AsType[*source.Problem](describe(t, c)); !ok {
			t.Errorf("%s with a wrong password: %v", access, p)
		}
		c.Access[0].URI = prefix + "none"
		if p, ok := errors.AsType[*source.Problem](describe(t, c)); !ok || p.Text != "Cannot access secret manager value "+prefix+"none." || !errors.Is(p, ErrNoSecret) {
			t.Errorf("%s without a secret: %v", access, p)
		}
	}
}

// issue makes a certificate for 127.0.0.1 that signs itself.
func issue(t *testing.T) (pair tls.Certificate, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: inner}))
	if pair, err = tls.X509KeyPair([]byte(cert), []byte(key)); err != nil {
		t.Fatal(err)
	}
	return pair, cert, key
}

func TestCertificates(t *testing.T) {
	server, root, _ := issue(t)
	_, shown, key := issue(t)
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM([]byte(shown))
	conf := &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"), kfake.TLS(conf))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	f := Folder(t.TempDir())
	trusted := Access{Root, keep(t, f, "root", map[string]string{"certificate": root})}
	other := Access{Root, keep(t, f, "other", map[string]string{"certificate": shown})}
	mine := Access{Client, keep(t, f, "mine", map[string]string{"certificate": shown, "privateKey": key})}
	torn := Access{Client, keep(t, f, "torn", map[string]string{"certificate": shown, "privateKey": root})}
	empty := Access{Root, keep(t, f, "empty", map[string]string{})}
	c := Config{Servers: cluster.ListenAddrs(), Secrets: f}
	for _, test := range []struct {
		name   string
		access []Access
		want   string
	}{
		{"both", []Access{trusted, mine}, ""},
		{"an unknown authority", []Access{other, mine}, "Connection error."},
		{"no certificate", []Access{trusted}, "Connection error."},
		{"a key that does not fit", []Access{trusted, torn}, "The secret of CLIENT_CERTIFICATE_TLS_AUTH is not valid."},
		{"an empty secret", []Access{empty}, "The secret of SERVER_ROOT_CA_CERTIFICATE is not valid."},
	} {
		c.Access = test.access
		err := describe(t, c)
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		if p, ok := errors.AsType[*source.Problem](err); !ok || !strings.HasPrefix(p.Text, test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
