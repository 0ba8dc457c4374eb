package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A broker is Apache Kafka in a process of its own, in KRaft mode. It has three
// doors: one that is open, one for names and passwords over TLS, and one for
// certificates.
type broker struct {
	t                testing.TB
	open, sasl, mtls string // addresses
	root             string // the authority's certificate
	cert, key        string // of a client
	restart          func() // kills and starts it again
	client           *kgo.Client
	admin            *kadm.Client
}

// startBroker runs one, and ends it with the test.
func startBroker(t testing.TB) *broker {
	t.Helper()
	libs := filepath.Join(root(t), ".cache", "kafka", "libs")
	if _, err := os.Stat(libs); err != nil {
		t.Skip("there is no broker of Kafka in .cache/kafka: run e2e/setup.sh where java and mvn are")
	}
	b := &broker{t: t, open: freeAddr(t), sasl: freeAddr(t), mtls: freeAddr(t)}
	dir := t.TempDir()
	b.certificates(dir)
	conf := filepath.Join(dir, "server.properties")
	write(t, conf, b.properties(dir, freeAddr(t)))
	java := func(args ...string) *exec.Cmd {
		return exec.Command("java", append([]string{"-Xmx256m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", libs + "/*"}, args...)...)
	}
	out, err := java("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", conf,
		"--add-scram", "SCRAM-SHA-512=[name=ada,password=engine]", "--add-scram", "SCRAM-SHA-256=[name=ada,password=engine]").CombinedOutput()
	if err != nil {
		t.Fatalf("format: %v\n%s", err, out)
	}
	log := new(syncBuffer)
	var cmd *exec.Cmd
	run := func() {
		cmd = java("kafka.Kafka", conf)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	stop := func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	run()
	b.restart = func() { stop(); run() }
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("broker log:\n%s", log.tail(4000))
		}
	})
	b.dial()
	return b
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *broker) properties(dir, controller string) string {
	return fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[4]s
controller.listener.names=CONTROLLER
listeners=OPEN://%[1]s,SASL://%[2]s,MTLS://%[3]s,CONTROLLER://%[4]s
advertised.listeners=OPEN://%[1]s,SASL://%[2]s,MTLS://%[3]s
listener.security.protocol.map=OPEN:PLAINTEXT,SASL:SASL_SSL,MTLS:SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=OPEN
log.dirs=%[5]s/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
ssl.keystore.type=PEM
ssl.keystore.location=%[5]s/server.pem
ssl.truststore.type=PEM
ssl.truststore.location=%[5]s/root.pem
listener.name.mtls.ssl.client.auth=required
listener.name.sasl.sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_ada="engine";
`, b.open, b.sasl, b.mtls, controller, dir)
}

// certificates are an authority's, and what it signs for the broker and a client.
func (b *broker) certificates(dir string) {
	b.t.Helper()
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	sign := func(form *x509.Certificate) (cert, key string) {
		own := private
		if form != authority {
			if own, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
				b.t.Fatal(err)
			}
		}
		der, err := x509.CreateCertificate(rand.Reader, form, authority, own.Public(), private)
		if err != nil {
			b.t.Fatal(err)
		}
		inner, err := x509.MarshalPKCS8PrivateKey(own)
		if err != nil {
			b.t.Fatal(err)
		}
		return pemOf("CERTIFICATE", der), pemOf("PRIVATE KEY", inner)
	}
	b.root, _ = sign(authority)
	server, key := sign(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "broker"}, NotAfter: authority.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	b.cert, b.key = sign(&x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "ada"}, NotAfter: authority.NotAfter})
	write(b.t, filepath.Join(dir, "root.pem"), b.root)
	write(b.t, filepath.Join(dir, "server.pem"), key+server)
}

func pemOf(kind string, der []byte) string {
	var out bytes.Buffer
	pem.Encode(&out, &pem.Block{Type: kind, Bytes: der})
	return out.String()
}

// dial waits until the broker answers.
func (b *broker) dial() {
	b.t.Helper()
	var err error
	b.client, err = kgo.NewClient(kgo.SeedBrokers(b.open), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(b.client.Close)
	b.admin = kadm.NewClient(b.client)
	await(b.t, "the broker", func() bool { return b.client.Ping(b.t.Context()) == nil })
	await(b.t, "the coordinator of groups", func() bool { _, err := b.admin.FetchOffsets(b.t.Context(), "none"); return err == nil })
}

// topic makes one.
func (b *broker) topic(name string, partitions int32) {
	b.t.Helper()
	if _, err := b.admin.CreateTopic(b.t.Context(), partitions, 1, nil, name); err != nil {
		b.t.Fatal(err)
	}
}

// put appends values to a partition.
func (b *broker) put(topic string, partition int32, values ...string) {
	b.t.Helper()
	var all []*kgo.Record
	for _, v := range values {
		all = append(all, &kgo.Record{Topic: topic, Partition: partition, Key: []byte("k"), Value: []byte(v), Timestamp: time.UnixMilli(1545084650987),
			Headers: []kgo.RecordHeader{{Key: "h", Value: []byte{118, 220}}}})
	}
	if err := b.client.ProduceSync(b.t.Context(), all...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// lag is how many records of a topic a group has not done.
func (b *broker) lag(group, topic string) (n int64) {
	b.t.Helper()
	ends, err := b.admin.ListEndOffsets(b.t.Context(), topic)
	if err != nil {
		b.t.Fatal(err)
	}
	done, err := b.admin.FetchOffsets(b.t.Context(), group)
	if err != nil {
		b.t.Fatal(err)
	}
	ends.Each(func(e kadm.ListedOffset) {
		n += e.Offset
		if at, ok := done.Lookup(topic, e.Partition); ok && at.At >= 0 {
			n -= at.At
		}
	})
	return n
}

// read reads all of a topic that has one partition.
func (b *broker) read(topic string, want int) (all []*kgo.Record) {
	b.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(b.open), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	for len(all) < want {
		f := c.PollFetches(b.t.Context())
		if err := f.Err(); err != nil {
			b.t.Fatal(err)
		}
		all = append(all, f.Records()...)
	}
	return all
}

// bookLines are those of a file; none when it is not there.
func bookLines(path string) []string {
	b, _ := os.ReadFile(path)
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}
