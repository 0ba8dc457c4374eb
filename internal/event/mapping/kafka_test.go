package mapping

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/kafka"
	"github.com/mayfly-faas/mayfly/internal/function"
)

const clusterARN = "arn:aws:kafka:us-east-1:000000000000:cluster/shop/1"

// topic makes a mapping of a topic that is disabled: no broker is asked.
func (r *rig) topic(from string, k Kafka, e Edit) (Mapping, error) {
	r.Helper()
	if e.Function == nil {
		e.Function = new("f")
	}
	if e.Position == nil {
		e.Position = new(Horizon)
	}
	e.Enabled = new(false)
	one, err := r.Topic(r.Context(), from, k, e, nil)
	if err != nil {
		return one, err
	}
	return r.Get(r.Context(), r.settled(one.UUID)) // as it is stored
}

func TestAMappingOfATopic(t *testing.T) {
	simulate(t, func(r *rig) {
		one, err := r.topic("", Kafka{Servers: []string{"b:1", "a:1", "b:1"}, Topic: "orders"}, Edit{})
		r.must(err)
		if one.ByARN() || one.Source != "kafka:a:1,b:1" || fmt.Sprint(one.Kafka.Servers) != "[b:1 a:1 b:1]" || one.Kafka.Group != one.UUID || one.BatchSize != 100 {
			r.Errorf("it is %+v of %+v", one, one.Kafka)
		}
		if _, ok := r.streamOf(one).(*kafka.Topic); !ok {
			r.Errorf("it reads %T", r.streamOf(one))
		}
		// The same servers in another order are the same cluster, and another topic is another source.
		_, err = r.topic("", Kafka{Servers: []string{"a:1", "b:1"}, Topic: "orders"}, Edit{})
		if refusal, ok := errors.AsType[*function.Refusal](err); !ok || refusal.Kind != function.ErrConflict {
			r.Errorf("the same again: %v", err)
		}
		_, err = r.topic("", Kafka{Servers: []string{"a:1", "b:1"}, Topic: "others"}, Edit{})
		r.must(err)
	})
}

func TestThePlanOfATopic(t *testing.T) {
	for _, test := range []struct {
		name    string
		e       Edit
		window  time.Duration
		retries int
	}{
		{"nothing is said", Edit{}, 500 * time.Millisecond, -1},
		{"no window", Edit{Window: new(int32(0))}, 0, -1},
		{"a window", Edit{Window: new(int32(3))}, 3 * time.Second, -1},
		{"a destination ends retries", Edit{OnFailure: new("kafka://dead")}, 500 * time.Millisecond, 10},
		{"so does an age", Edit{OnFailure: new("kafka://dead"), MaxAge: new(int32(60))}, 500 * time.Millisecond, -1},
		{"retries are counted as they are", Edit{OnFailure: new("kafka://dead"), Retries: new(int32(3))}, 500 * time.Millisecond, 3},
	} {
		simulate(t, func(r *rig) {
			one, err := r.topic("", Kafka{Servers: []string{"a:1"}, Topic: "orders", Group: "g"}, test.e)
			r.must(err)
			j := r.job(one, r.streamOf(one))
			if j.Window != test.window || j.Retries != test.retries {
				r.Errorf("%s: window %s, retries %d", test.name, j.Window, j.Retries)
			}
		})
	}
}

func TestUpdatesOfATopic(t *testing.T) {
	simulate(t, func(r *rig) {
		one, err := r.topic("", Kafka{Servers: []string{"a:1"}, Topic: "orders", Group: "g"}, Edit{})
		r.must(err)
		_, err = r.Update(r.Context(), one.UUID, Edit{Group: new("other")})
		wantInvalid(r, err, "ConsumerGroupId cannot be changed.")
		vpc := []kafka.Access{{Type: "VPC_SUBNET", URI: "subnet:s"}}
		_, err = r.Update(r.Context(), one.UUID, Edit{Group: new("g"), Access: &vpc, Window: new(int32(0))})
		r.must(err)
		one, err = r.Get(r.Context(), r.settled(one.UUID))
		r.must(err)
		if len(one.Kafka.Access) != 1 || !one.Kafka.Windowed || one.Kafka.Group != "g" {
			r.Errorf("it is %+v", one.Kafka)
		}
		s := r.follow(Edit{})
		_, err = r.Update(r.Context(), r.settled(s.UUID), Edit{Access: &vpc})
		wantInvalid(r, err, "Unsupported SourceAccessConfigurations")
		_, err = r.Update(r.Context(), s.UUID, Edit{Access: &[]kafka.Access{}})
		r.must(err)
	})
}

func wantInvalid(r *rig, err error, text string) {
	r.Helper()
	if refusal, ok := errors.AsType[*function.Refusal](err); !ok || refusal.Kind != function.ErrInvalid || !strings.HasPrefix(refusal.Text, text) {
		r.Errorf("got %v, want %s", err, text)
	}
}

func TestWhatTopicsDoNotHave(t *testing.T) {
	simulate(t, func(r *rig) {
		secret := func(kind string) *[]kafka.Access {
			return &[]kafka.Access{{Type: kind, URI: "arn:aws:secretsmanager:us-east-1:000000000000:secret:none"}}
		}
		for _, test := range []struct {
			e    Edit
			want string
		}{
			{Edit{Factor: new(int32(2))}, "Unsupported ParallelizationFactor"},
			{Edit{Tumbling: new(int32(2))}, "Unsupported TumblingWindowInSeconds"},
			{Edit{OnFailure: new("kafka://orders")}, "The topic of an on-failure destination"},
			{Edit{OnFailure: new("kafka://")}, "The provided destination config"},
			{Edit{Filters: &[]string{`{"value":"text"}`}}, "Invalid filter pattern"},
			{Edit{Access: secret("IAM_AUTH")}, "Invalid SourceAccessConfigurations: IAM_AUTH"},
			{Edit{Access: secret("BASIC_AUTH")}, "Cannot access secret manager value arn:"},
		} {
			_, err := r.topic("", Kafka{Servers: []string{"a:1"}, Topic: "orders"}, test.e)
			wantInvalid(r, err, test.want)
		}
		r.c.Secrets = kafka.Folder(r.TempDir())
		_, err := r.topic("", Kafka{Servers: []string{"a:1"}, Topic: "orders"}, Edit{Access: secret("BASIC_AUTH")})
		wantInvalid(r, err, "Cannot access secret manager value arn:")
	})
}

func TestAClusterWithAnARN(t *testing.T) {
	simulate(t, func(r *rig) {
		path := filepath.Join(r.TempDir(), "clusters.json")
		r.c.Clusters = kafka.Clusters(path)
		_, err := r.topic(clusterARN, Kafka{Topic: "orders"}, Edit{})
		wantInvalid(r, err, "Mayfly does not know the bootstrap servers")
		r.must(os.WriteFile(path, []byte(`{"`+clusterARN+`":["a:1"]}`), 0o600))
		one, err := r.topic(clusterARN, Kafka{Topic: "orders"}, Edit{})
		r.must(err)
		if !one.ByARN() || one.Source != clusterARN {
			r.Errorf("it is %+v", one)
		}
		if _, ok := r.streamOf(one).(*kafka.Topic); !ok {
			r.Errorf("it reads %T", r.streamOf(one))
		}
		r.must(os.Remove(path))
		lost := r.streamOf(one)
		if _, err := lost.Describe(r.Context(), ""); !errors.Is(err, kafka.ErrNoCluster) {
			r.Errorf("without the file: %v", err)
		}
		if _, err := lost.Shards(r.Context(), ""); !errors.Is(err, kafka.ErrNoCluster) {
			r.Errorf("without the file: %v", err)
		}
	})
}
