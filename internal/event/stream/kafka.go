package stream

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/event/batch"
	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// resume has marks begin where the stream remembers that it was read to. Of a
// stream that does not they stay as they are.
func resume(ctx context.Context, j Job, marks map[string]mark) error {
	keeper, ok := j.Stream.(source.Keeper)
	if !ok {
		return nil
	}
	from := make(map[string]source.Place, len(marks))
	for id, k := range marks {
		from[id] = k.From
	}
	there, err := keeper.Resume(ctx, j.Source, from)
	if err != nil {
		return err
	}
	for id, at := range there {
		if k, ok := marks[id]; ok && k.From != at {
			marks[id] = mark{From: at, Parents: k.Parents}
		}
	}
	return nil
}

// kept tells a stream that remembers how far it is read by now.
func (s *shard) kept() {
	keeper, ok := s.r.job.Stream.(source.Keeper)
	if !ok {
		return
	}
	s.mu.Lock()
	at := s.low(nil)
	s.mu.Unlock()
	keeper.Keep(s.r.job.Source, s.id, at)
}

// topics begins the name of a destination that is a topic of the same cluster.
const topics = "kafka://"

// IsTopic tells whether a destination is a topic beside the stream's own.
func IsTopic(to string) bool { return strings.HasPrefix(to, topics) && len(to) > len(topics) }

// toTopic writes a report before the step. What the topic does not take is given
// up, as with buckets.
func (l *lane) toTopic(part []item, g *segment, condition string, p *step) (sent, ok bool) {
	r := l.s.r
	sender, ok := r.job.Stream.(source.Sender)
	if !ok {
		return false, l.s.keep(p)
	}
	key := r.job.UUID + ":" + l.s.id + ":" + part[0].ID
	err := sender.Send(context.WithoutCancel(r.ctx), r.job.OnFailure, []byte(key), l.report(part, g, condition, true))
	if err != nil {
		l.unsent(err)
	}
	return err == nil, l.s.keep(p)
}

// failures reads which records a function has failed at, by their IDs. Records of
// Kafka are named by their partition and offset.
//
// https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html
func (l *lane) failures(answer []byte, part []item) (failed map[string]bool, ok bool) {
	if l.s.r.info.Kind == source.Kafka {
		answer = offsetsOnly(answer, l.s.id)
	}
	return batch.Failures(answer, plain(part))
}

// offsetsOnly has an answer name records of a partition by their offsets alone.
// What it cannot read stays as it is, and so do records of other partitions:
// nothing is known by such names.
func offsetsOnly(answer []byte, partition string) []byte {
	var a struct {
		Failures []map[string]json.RawMessage `json:"batchItemFailures"`
	}
	if json.Unmarshal(answer, &a) != nil || len(a.Failures) == 0 {
		return answer
	}
	for _, f := range a.Failures {
		var id struct {
			Partition string
			Offset    *int64
		}
		if json.Unmarshal(f["itemIdentifier"], &id) == nil && id.Partition == partition && id.Offset != nil {
			f["itemIdentifier"] = strconv.AppendQuote(nil, strconv.FormatInt(*id.Offset, 10))
		}
	}
	out, err := json.Marshal(a)
	if err != nil {
		return answer
	}
	return out
}
