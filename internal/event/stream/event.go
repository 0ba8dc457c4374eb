package stream

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/filter"
	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// event is what the function gets of the records of a shard.
func (r *reader) event(shard string, records []source.Record, w *window, final bool) []byte {
	role, n := r.role(), r.overhead(w)
	for _, one := range records {
		n += len(one.Event) + len(identity) + len(role) + 1
	}
	out := make([]byte, 0, n)
	if r.info.Kind == source.Kafka {
		out = append(out, kafkaHead(r.info.Head)...)
		out = appendRecords(append(strconv.AppendQuote(out, shard), ':'), records)
		return append(out, "}}"...)
	}
	if r.info.Kind == source.Kinesis {
		out = appendSigned(append(out, `{"Records":`...), records, role)
	} else {
		out = appendRecords(append(out, `{"Records":`...), records)
	}
	if w != nil {
		out = w.append(out, shard, r.info.ARN, final)
	}
	return append(out, '}')
}

// identity begins the member of a Kinesis record that says who reads the stream:
// the function's role.
const identity = `,"invokeIdentityArn":`

// role is the function's, as JSON.
func (r *reader) role() []byte {
	h, err := r.m.c.Functions.Handling(context.WithoutCancel(r.ctx), r.job.Function)
	if err != nil {
		return []byte(`""`) // there is no function, and nobody to get the event
	}
	b, _ := json.Marshal(h.Role) // a string always encodes
	return b
}

func appendRecords(out []byte, records []source.Record) []byte {
	out = append(out, '[')
	for i, one := range records {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, one.Event...)
	}
	return append(out, ']')
}

// appendSigned is appendRecords, and says of each record who reads it.
func appendSigned(out []byte, records []source.Record, role []byte) []byte {
	out = append(out, '[')
	for i, one := range records {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, one.Event[:len(one.Event)-1]...)
		out = append(append(append(out, identity...), role...), '}')
	}
	return append(out, ']')
}

// kafkaHead opens a Kafka event: the members of head, and its records.
func kafkaHead(head json.RawMessage) []byte {
	if len(head) <= len("{}") {
		return []byte(`{"records":{`)
	}
	return append(append([]byte(nil), head[:len(head)-1]...), `,"records":{`...)
}

// append adds what an event says of its window.
func (w *window) append(out []byte, shard, arn string, final bool) []byte {
	state := w.State
	if len(state) == 0 {
		state = json.RawMessage("{}")
	}
	out = append(out, `,"window":{"start":"`...)
	out = w.Start.AppendFormat(out, time.RFC3339Nano)
	out = append(out, `","end":"`...)
	out = w.End.AppendFormat(out, time.RFC3339Nano)
	out = append(append(out, `"},"state":`...), state...)
	out = strconv.AppendQuote(append(out, `,"shardId":`...), shard)
	out = strconv.AppendQuote(append(out, `,"eventSourceARN":`...), arn)
	out = strconv.AppendBool(append(out, `,"isFinalInvokeForWindow":`...), final)
	return strconv.AppendBool(append(out, `,"isWindowTerminatedEarly":`...), final && w.Early)
}

// brackets is about what an event holds beside its records and its window.
const brackets = 512

// overhead is about how much of an event is not records.
func (r *reader) overhead(w *window) int {
	n := brackets + len(r.info.Head)
	if w != nil {
		n += len(w.State)
	}
	return n
}

// criteria reads filters for records of a kind. What a producer sent is matched
// as text or as JSON, though it stands in the record as base64.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
func criteria(k source.Kind, filters []string) (*filter.Criteria, error) {
	switch k {
	case source.DynamoDB:
		return filter.ParseCriteria("", filters)
	case source.Kafka:
		return filter.ParseCriteria("value", filters, "key")
	}
	return filter.ParseCriteria("data", filters)
}

// CheckFilters tells whether filters may be used with streams of a kind.
func CheckFilters(k source.Kind, filters []string) error {
	_, err := criteria(k, filters)
	return err
}

// matches tells whether a record, as it stands in the event, passes.
func matches(c *filter.Criteria, k source.Kind, event json.RawMessage) bool {
	if c.Empty() {
		return true
	}
	view, ok := bare(k, event)
	return ok && c.Match(view)
}

// bare is a record as filters see it.
func bare(k source.Kind, event json.RawMessage) (json.RawMessage, bool) {
	if k == source.DynamoDB {
		return event, true
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(event, &members) != nil {
		return nil, false
	}
	names := []string{"key", "value"}
	if k == source.Kinesis {
		var inner map[string]json.RawMessage
		if json.Unmarshal(members["kinesis"], &inner) != nil {
			return nil, false
		}
		for name, v := range inner {
			members[name] = v
		}
		names = []string{"data"}
	}
	for _, name := range names {
		var coded []byte // base64 in JSON
		if json.Unmarshal(members[name], &coded) == nil && coded != nil {
			members[name], _ = json.Marshal(string(coded))
		}
	}
	view, err := json.Marshal(members)
	return view, err == nil
}
