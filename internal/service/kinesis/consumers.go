package kinesis

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
)

// How many consumers a stream may have.
//
// https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
const maxConsumers = 20

func (c consumer) arn(st *stream) string {
	return fmt.Sprintf("%s/consumer/%s:%d", st.arn, c.Name, c.Created)
}

// status is the state that a consumer is in.
func (b *Book) status(c consumer) string {
	if b.settle > 0 && b.ms() < c.Created*1000+b.settle.Milliseconds() {
		return creating
	}
	return active
}

func (b *Book) consumerOut(st *stream, c consumer) *Consumer {
	return &Consumer{ConsumerARN: new(c.arn(st)), ConsumerName: &c.Name, ConsumerStatus: new(b.status(c)), ConsumerCreationTimestamp: moment(c.Created * 1000)}
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_RegisterStreamConsumer.html
func (a *api) registerConsumer(ctx context.Context, in *RegisterStreamConsumerInput) (*RegisterStreamConsumerOutput, error) {
	st, err := a.find(nil, in.StreamARN)
	if err == nil {
		err = checkTags(in.Tags)
	}
	if err != nil {
		return nil, err
	}
	c := consumer{Name: *in.ConsumerName, Created: a.ms() / 1000, Tags: in.Tags}
	err = a.change(ctx, st, func(s *settings) error {
		if _, ok := s.Consumers[c.Name]; ok {
			return inUse("Consumer %s under stream %s already exists for account %s.", c.Name, st.arn, a.account)
		}
		if len(s.Consumers) >= maxConsumers {
			return overLimit("Stream %s under account %s has %d consumers, which is the limit.", st.name, a.account, maxConsumers)
		}
		if s.Consumers == nil {
			s.Consumers = map[string]consumer{}
		}
		s.Consumers[c.Name] = c
		return nil
	})
	if err != nil {
		return nil, a.fault(err, st.name)
	}
	out := a.consumerOut(st, c)
	*out.ConsumerStatus = creating // as AWS answers, whatever follows
	return &RegisterStreamConsumerOutput{Consumer: out}, nil
}

// who finds a consumer by its ARN, or by its stream's and its name.
func (a *api) who(arn, streamARN, name *string) (*stream, consumer, error) {
	if arn != nil {
		st, c := a.byARN(*arn)
		if c == nil {
			return nil, consumer{}, notFound("Consumer %s under account %s not found.", *arn, a.account)
		}
		if name != nil && *name != c.Name || streamARN != nil && *streamARN != st.arn {
			return nil, consumer{}, invalid("ConsumerARN does not match the StreamARN or the ConsumerName.")
		}
		return st, *c, nil
	}
	if streamARN == nil || name == nil {
		return nil, consumer{}, invalid("Either ConsumerARN or both StreamARN and ConsumerName should be provided.")
	}
	st, err := a.find(nil, streamARN)
	if err != nil {
		return nil, consumer{}, err
	}
	c, ok := st.set.Load().Consumers[*name]
	if !ok {
		return nil, consumer{}, notFound("Consumer %s, account %s not found.", *name, a.account)
	}
	return st, c, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DeregisterStreamConsumer.html
func (a *api) deregisterConsumer(ctx context.Context, in *DeregisterStreamConsumerInput) (*DeregisterStreamConsumerResponse, error) {
	st, c, err := a.who(in.ConsumerARN, in.StreamARN, in.ConsumerName)
	if err != nil {
		return nil, err
	}
	err = a.change(ctx, st, func(s *settings) error {
		delete(s.Consumers, c.Name)
		return nil
	})
	if err != nil {
		return nil, a.fault(err, st.name)
	}
	a.subs.end(func(k subscriber) bool { return k.arn == c.arn(st) }, a.lost(c.arn(st)))
	return &DeregisterStreamConsumerResponse{}, nil
}

func (b *Book) lost(arn string) error {
	return notFound("Consumer %s under account %s not found.", arn, b.account)
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DescribeStreamConsumer.html
func (a *api) describeConsumer(_ context.Context, in *DescribeStreamConsumerInput) (*DescribeStreamConsumerOutput, error) {
	st, c, err := a.who(in.ConsumerARN, in.StreamARN, in.ConsumerName)
	if err != nil {
		return nil, err
	}
	return &DescribeStreamConsumerOutput{ConsumerDescription: &ConsumerDescription{ConsumerARN: new(c.arn(st)), ConsumerName: &c.Name,
		ConsumerStatus: new(a.status(c)), ConsumerCreationTimestamp: moment(c.Created * 1000), StreamARN: &st.arn}}, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ListStreamConsumers.html
func (a *api) listConsumers(_ context.Context, in *ListStreamConsumersInput) (*ListStreamConsumersOutput, error) {
	st, err := a.find(nil, in.StreamARN)
	if err == nil {
		err = a.checkTime(st, in.StreamCreationTimestamp)
	}
	if err != nil {
		return nil, err
	}
	all := st.set.Load().Consumers
	names := slices.Sorted(maps.Keys(all))
	if in.NextToken != nil {
		from, ok := parseToken("consumers", *in.NextToken)
		if !ok {
			return nil, invalid("NextToken is invalid.")
		}
		names = slices.DeleteFunc(names, func(n string) bool { return n <= from })
	}
	limit := cmp.Or(int(value0(in.MaxResults)), 100)
	out := &ListStreamConsumersOutput{Consumers: []*Consumer{}}
	for _, n := range names[:min(limit, len(names))] {
		out.Consumers = append(out.Consumers, a.consumerOut(st, all[n]))
	}
	if len(names) > limit {
		out.NextToken = new(makeToken("consumers", names[limit-1]))
	}
	return out, nil
}
