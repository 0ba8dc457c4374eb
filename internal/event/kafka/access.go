package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// An Access is one of a mapping's SourceAccessConfigurations.
//
// https://docs.aws.amazon.com/lambda/latest/api/API_SourceAccessConfiguration.html
type Access struct {
	Type string
	URI  string // the ARN of a secret
}

// The types of Access that are heeded. Those of networks, which begin with VPC_,
// say nothing here.
const (
	Plain    = "BASIC_AUTH"
	Scram256 = "SASL_SCRAM_256_AUTH"
	Scram512 = "SASL_SCRAM_512_AUTH"
	Client   = "CLIENT_CERTIFICATE_TLS_AUTH"
	Root     = "SERVER_ROOT_CA_CERTIFICATE"
	networks = "VPC_"
)

// Secret tells whether a has a secret.
func (a Access) Secret() bool { return !strings.HasPrefix(a.Type, networks) }

// CheckAccess tells whether a mapping may have such Access: its types are known,
// none is there twice, and there is one way at most to say who reads.
func CheckAccess(all []Access) error {
	seen := map[string]bool{}
	names := 0
	for _, a := range all {
		switch {
		case !a.Secret():
			continue
		case a.Type == Plain, a.Type == Scram256, a.Type == Scram512, a.Type == Client:
			names++
		case a.Type != Root:
			return fmt.Errorf("%s is not supported for Kafka", a.Type)
		}
		if seen[a.Type] {
			return fmt.Errorf("%s is given twice", a.Type)
		}
		seen[a.Type] = true
	}
	if names > 1 {
		return errors.New("only one authentication method may be given")
	}
	return nil
}

// A credential is a secret's content, in AWS's words.
//
// https://docs.aws.amazon.com/lambda/latest/dg/kafka-cluster-auth.html
type credential struct {
	Username    string `json:"username"`
	Password    string `json:"password"`
	Certificate string `json:"certificate"`
	Key         string `json:"privateKey"`
	KeyPassword string `json:"privateKeyPassword"`

	// Protocol is ours: "SASL_PLAINTEXT" is without TLS, which AWS does not do.
	Protocol string `json:"securityProtocol"`
}

// options are those of every client: where the brokers are, and how to be let in.
func (t *Topic) options(ctx context.Context) ([]kgo.Opt, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(t.c.Servers...), kgo.ClientID("mayfly"), kgo.MetadataMaxAge(metadata)}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	secure := false
	for _, a := range t.c.Access {
		if !a.Secret() {
			continue
		}
		c, err := t.credential(ctx, a)
		if err != nil {
			return nil, err
		}
		switch a.Type {
		case Root:
			err = c.trust(conf)
		case Client:
			err = c.present(conf)
		default:
			opts = append(opts, kgo.SASL(t.mechanism(a)))
		}
		if err != nil {
			return nil, &source.Problem{Text: "The secret of " + a.Type + " is not valid.", Err: fmt.Errorf("secret %s: %w", a.URI, err)}
		}
		secure = secure || c.Protocol != "SASL_PLAINTEXT"
	}
	if secure {
		opts = append(opts, kgo.DialTLSConfig(conf))
	}
	return opts, nil
}

// credential reads the secret of an Access.
func (t *Topic) credential(ctx context.Context, a Access) (c credential, err error) {
	if t.c.Secrets == nil {
		return c, noSecret(a, ErrNoSecret)
	}
	b, err := t.c.Secrets.Secret(ctx, a.URI)
	if err != nil {
		return c, noSecret(a, err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, &source.Problem{Text: "The secret of " + a.Type + " is not valid.", Err: fmt.Errorf("secret %s: %w", a.URI, err)}
	}
	return c, nil
}

func noSecret(a Access, err error) error {
	return &source.Problem{Text: "Cannot access secret manager value " + a.URI + ".", Err: fmt.Errorf("secret of %s: %w", a.Type, err)}
}

// mechanism reads the secret at each connection: a new password needs no restart.
func (t *Topic) mechanism(a Access) sasl.Mechanism {
	switch a.Type {
	case Plain:
		return plain.Plain(func(ctx context.Context) (plain.Auth, error) {
			c, err := t.credential(ctx, a)
			return plain.Auth{User: c.Username, Pass: c.Password}, err
		})
	case Scram256:
		return scram.Sha256(t.scram(a))
	}
	return scram.Sha512(t.scram(a))
}

func (t *Topic) scram(a Access) func(context.Context) (scram.Auth, error) {
	return func(ctx context.Context) (scram.Auth, error) {
		c, err := t.credential(ctx, a)
		return scram.Auth{User: c.Username, Pass: c.Password}, err
	}
}

// trust has the certificates of authorities in c trusted, and no others.
func (c credential) trust(conf *tls.Config) error {
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM([]byte(c.Certificate)) {
		return errors.New("there is no certificate in it")
	}
	return nil
}

// present has the client show a certificate.
func (c credential) present(conf *tls.Config) error {
	key, err := openKey([]byte(c.Key), c.KeyPassword)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair([]byte(c.Certificate), key)
	if err != nil {
		return err
	}
	conf.Certificates = []tls.Certificate{pair}
	return nil
}
