package lambda

import (
	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/kafka"
	"github.com/mayfly-faas/mayfly/internal/event/mapping"
)

// bootstrap is the endpoint of a cluster that AWS does not manage.
const bootstrap = "KAFKA_BOOTSTRAP_SERVERS"

// ofKafka tells whether a mapping is to read a topic.
func ofKafka(in *CreateEventSourceMappingRequest) bool {
	if in.SelfManagedEventSource != nil {
		return true
	}
	a, err := arn.Parse(text(in.EventSourceArn))
	return err == nil && a.Service == "kafka"
}

// kafkaOf is the topic that a new mapping reads.
//
// https://docs.aws.amazon.com/lambda/latest/dg/with-kafka-configure.html
func kafkaOf(in *CreateEventSourceMappingRequest) (k mapping.Kafka, err error) {
	switch {
	case in.SelfManagedEventSource != nil && in.EventSourceArn != nil:
		return k, invalidParameter("EventSourceArn and SelfManagedEventSource cannot be used together.")
	case len(in.Topics) == 0:
		return k, invalidParameter("Topics must be specified for Kafka event source mappings.")
	case len(in.Queues) > 0:
		return k, invalidParameter("Unsupported Queues parameter for given event source mapping type.")
	}
	k.Topic = in.Topics[0]
	if in.SelfManagedEventSource == nil {
		if in.SelfManagedKafkaEventSourceConfig != nil {
			return k, invalidParameter("Unsupported SelfManagedKafkaEventSourceConfig parameter for given event source mapping type.")
		}
		k.Group = text(groupOf(in.AmazonManagedKafkaEventSourceConfig, nil))
		return k, nil
	}
	if in.AmazonManagedKafkaEventSourceConfig != nil {
		return k, invalidParameter("Unsupported AmazonManagedKafkaEventSourceConfig parameter for given event source mapping type.")
	}
	k.Servers = in.SelfManagedEventSource.Endpoints[bootstrap]
	if len(k.Servers) == 0 {
		return k, invalidParameter("SelfManagedEventSource must have the endpoint KAFKA_BOOTSTRAP_SERVERS.")
	}
	if err := checkSelfManaged(in.SelfManagedKafkaEventSourceConfig); err != nil {
		return k, err
	}
	k.Group = text(groupOf(nil, in.SelfManagedKafkaEventSourceConfig))
	return k, nil
}

func groupOf(managed *AmazonManagedKafkaEventSourceConfig, self *SelfManagedKafkaEventSourceConfig) *string {
	switch {
	case managed != nil:
		return managed.ConsumerGroupId
	case self != nil:
		return self.ConsumerGroupId
	}
	return nil
}

func checkSelfManaged(c *SelfManagedKafkaEventSourceConfig) error {
	if c != nil && text(c.ConsumptionMode) == "Queue" {
		return unsupported("share groups of Kafka")
	}
	return nil
}

// kafkaEdit adds what a request wants of a mapping of a topic.
func kafkaEdit(e *mapping.Edit, in *UpdateEventSourceMappingRequest) error {
	managed, self := in.AmazonManagedKafkaEventSourceConfig, in.SelfManagedKafkaEventSourceConfig
	if managed != nil && managed.SchemaRegistryConfig != nil || self != nil && self.SchemaRegistryConfig != nil {
		return unsupported("schema registries")
	}
	if err := checkSelfManaged(self); err != nil {
		return err
	}
	e.Group = groupOf(managed, self)
	if in.SourceAccessConfigurations == nil {
		return nil
	}
	access := []kafka.Access{}
	for _, a := range in.SourceAccessConfigurations {
		if a != nil {
			access = append(access, kafka.Access{Type: text(a.Type), URI: text(a.URI)})
		}
	}
	e.Access = &access
	return nil
}

// showKafka adds what mappings of topics alone have, and takes away what they do
// not.
func showKafka(c *EventSourceMappingConfiguration, one mapping.Mapping) {
	k := one.Kafka
	c.Topics = []string{k.Topic}
	for _, a := range k.Access {
		c.SourceAccessConfigurations = append(c.SourceAccessConfigurations, &SourceAccessConfiguration{Type: new(a.Type), URI: new(a.URI)})
	}
	if one.ByARN() {
		c.AmazonManagedKafkaEventSourceConfig = &AmazonManagedKafkaEventSourceConfig{ConsumerGroupId: new(k.Group)}
	} else {
		c.SelfManagedEventSource = &SelfManagedEventSource{Endpoints: map[string][]string{bootstrap: k.Servers}}
		c.SelfManagedKafkaEventSourceConfig = &SelfManagedKafkaEventSourceConfig{ConsumerGroupId: new(k.Group)}
	}
	if !k.Windowed {
		c.MaximumBatchingWindowInSeconds = nil // half a second, which is not to be said in seconds
	}
	c.ParallelizationFactor, c.TumblingWindowInSeconds = nil, nil
}
