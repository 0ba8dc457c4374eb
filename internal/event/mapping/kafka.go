package mapping

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/kafka"
	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/event/stream"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Kafka is the part of a Mapping that says which topic it reads.
type Kafka struct {
	Servers  []string       `json:",omitempty"` // of a cluster without an ARN
	Topic    string         // one
	Group    string         // of consumers; a new mapping's own when it is ""
	Access   []kafka.Access `json:",omitempty"`
	Windowed bool           `json:",omitempty"` // somebody has said how long a batch waits
}

// selfManaged begins the Source of a mapping whose cluster has no ARN.
const selfManaged = "kafka:"

// ByARN tells whether the mapping's source has an ARN.
func (m Mapping) ByARN() bool { return !strings.HasPrefix(m.Source, selfManaged) }

// kafkaWindow is how long a batch waits to fill when nobody says how long.
// https://docs.aws.amazon.com/lambda/latest/dg/with-kafka-configure.html
const kafkaWindow = 500 * time.Millisecond

// kafkaRetries are the retries of a batch that may be retried without end, but
// has somewhere to go.
// https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure-destination.html
const kafkaRetries = 10

// Topic makes a mapping from a topic to a function: from is the ARN of its
// cluster, or "" when k says where the servers are.
func (m *Manager) Topic(ctx context.Context, from string, k Kafka, e Edit, tags map[string]string) (Mapping, error) {
	if from == "" {
		servers := slices.Clone(k.Servers)
		slices.Sort(servers)
		from = selfManaged + strings.Join(slices.Compact(servers), ",")
	}
	one := fresh(from, tags)
	one.Plan = streamPlan()
	if k.Group == "" {
		k.Group = one.UUID
	}
	one.Kafka = &k
	return m.create(ctx, one, e)
}

// editKafka takes over what e has of a topic.
func (one *Mapping) editKafka(e Edit) error {
	switch {
	case one.Kafka == nil && e.Access != nil && len(*e.Access) > 0:
		return errUnsupported("SourceAccessConfigurations")
	case one.Kafka == nil && e.Group != nil:
		return errUnsupported("ConsumerGroupId")
	case one.Kafka == nil:
		return nil
	case e.Group != nil && *e.Group != one.Kafka.Group:
		return invalid("ConsumerGroupId cannot be changed.")
	}
	k := *one.Kafka
	set(&k.Access, e.Access)
	k.Windowed = k.Windowed || e.Window != nil
	one.Kafka = &k
	return nil
}

// topicOf is what a mapping reads. When nobody knows where the cluster is, it
// says so whenever it is asked.
func (m *Manager) topicOf(one Mapping) source.Stream {
	t, err := m.topic(one)
	if err != nil {
		return nowhere{err}
	}
	return t
}

// nowhere is a stream that cannot be reached.
type nowhere struct{ err error }

func (n nowhere) problem() error {
	return &source.Problem{Text: "The bootstrap servers of the cluster are not known.", Err: n.err}
}

func (n nowhere) Describe(context.Context, string) (source.StreamInfo, error) {
	return source.StreamInfo{}, n.problem()
}

func (n nowhere) Shards(context.Context, string) ([]source.Shard, error) { return nil, n.problem() }

func (n nowhere) Seek(context.Context, string, string, source.Start) (source.Place, error) {
	return "", n.problem()
}

func (n nowhere) Read(context.Context, string, string, source.Place, int) (source.Page, error) {
	return source.Page{}, n.problem()
}

// topic is what a mapping reads.
func (m *Manager) topic(one Mapping) (*kafka.Topic, error) {
	k := one.Kafka
	c := kafka.Config{Servers: k.Servers, Topic: k.Topic, Group: k.Group, Member: one.UUID, Access: k.Access, Secrets: m.c.Secrets, Log: m.c.Log}
	if one.ByARN() {
		var err error
		c.ARN = one.Source
		if c.Servers, err = m.c.Clusters.Servers(one.Source); err != nil {
			return nil, err
		}
	}
	return kafka.New(c), nil
}

// describeTopic checks what a mapping says of its topic. The cluster is not
// asked: it may be down for now, and then the mapping says so.
func (m *Manager) describeTopic(ctx context.Context, one Mapping) (kind, error) {
	info := source.StreamInfo{ARN: one.Source, Kind: source.Kafka}
	if err := kafka.CheckAccess(one.Kafka.Access); err != nil {
		return kind{}, invalid("Invalid SourceAccessConfigurations: %v.", err)
	}
	if _, err := m.topic(one); errors.Is(err, kafka.ErrNoCluster) {
		return kind{}, invalid("Mayfly does not know the bootstrap servers of cluster %s. Name them in clusters.json in its data folder, or use SelfManagedEventSource.", one.Source)
	} else if err != nil {
		return kind{}, err
	}
	for _, a := range one.Kafka.Access {
		if !a.Secret() {
			continue
		}
		if m.c.Secrets == nil {
			return kind{}, errNoSecret(a.URI)
		}
		if _, err := m.c.Secrets.Secret(ctx, a.URI); errors.Is(err, kafka.ErrNoSecret) {
			return kind{}, errNoSecret(a.URI)
		} else if err != nil {
			return kind{}, err
		}
	}
	return kind{stream: &info}, nil
}

func errNoSecret(uri string) error {
	return invalid("Cannot access secret manager value %s. Please ensure the role can perform the 'secretsmanager:GetSecretValue' action on your broker in IAM.", uri)
}

// checkKafka refuses what topics do not have.
func (one Mapping) checkKafka() error {
	p := one.Plan
	switch {
	case p.Factor > 1:
		return errUnsupported("ParallelizationFactor")
	case p.Tumbling > 0:
		return errUnsupported("TumblingWindowInSeconds")
	case one.Kafka != nil && p.OnFailure == kafka.Scheme+one.Kafka.Topic:
		return invalid("The topic of an on-failure destination must not be the one that is read.")
	}
	return nil
}

// twinTopic is the mapping of the same topic and function; "" for none. A cluster
// has many topics.
func twinTopic(tx store.Tx, one Mapping) (string, error) {
	all, err := list(tx, "", one.Source, one.FunctionARN, maxMappings)
	if err != nil {
		return "", err
	}
	for _, other := range all {
		if other.UUID != one.UUID && other.Kafka != nil && other.Kafka.Topic == one.Kafka.Topic {
			return other.UUID, nil
		}
	}
	return "", nil
}

// ofKafka adapts the plan of a job to topics.
func (one Mapping) ofKafka(p *stream.Plan) {
	if !one.Kafka.Windowed {
		p.Window = kafkaWindow
	}
	if p.OnFailure != "" && p.Retries < 0 && p.MaxAge < 0 {
		p.Retries = kafkaRetries
	}
}

// release lets go of a stream that was opened for one mapping. The others are
// shared.
func release(s source.Stream) {
	if t, ok := s.(*kafka.Topic); ok {
		t.Close()
	}
}
