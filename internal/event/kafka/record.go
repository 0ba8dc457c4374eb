package kafka

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// record makes of a record of Kafka what a mapping reads.
func record(r *kgo.Record) source.StreamRecord {
	return source.StreamRecord{
		Record:  source.Record{ID: strconv.FormatInt(r.Offset, 10), Group: string(r.Key), Event: event(r)},
		Place:   place(r.Offset + 1),
		Arrived: r.Timestamp,
		Size:    len(r.Key) + len(r.Value),
	}
}

// event is a record as it stands in the event that a function gets. A key or a
// value that the record does not have is left out.
//
// https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html#smaa-sample-event
func event(r *kgo.Record) json.RawMessage {
	out := make([]byte, 0, 160+len(r.Topic)+base64.StdEncoding.EncodedLen(len(r.Key)+len(r.Value)))
	out = text(append(out, `{"topic":`...), r.Topic)
	out = strconv.AppendInt(append(out, `,"partition":`...), int64(r.Partition), 10)
	out = strconv.AppendInt(append(out, `,"offset":`...), r.Offset, 10)
	out = strconv.AppendInt(append(out, `,"timestamp":`...), r.Timestamp.UnixMilli(), 10)
	out = text(append(out, `,"timestampType":`...), stampType(r))
	if r.Key != nil {
		out = append(base64.StdEncoding.AppendEncode(append(out, `,"key":"`...), r.Key), '"')
	}
	if r.Value != nil {
		out = append(base64.StdEncoding.AppendEncode(append(out, `,"value":"`...), r.Value), '"')
	}
	out = append(out, `,"headers":[`...)
	for i, h := range r.Headers {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(signed(append(text(append(out, '{'), h.Key), ':'), h.Value), '}')
	}
	return append(out, "]}"...)
}

// text appends s as JSON.
func text(out []byte, s string) []byte {
	b, _ := json.Marshal(s) // a string always encodes
	return append(out, b...)
}

// signed appends bytes as AWS does: as Java has them, from -128 to 127.
func signed(out, value []byte) []byte {
	out = append(out, '[')
	for i, b := range value {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(int8(b)), 10)
	}
	return append(out, ']')
}

// stampType says whose clock a record's time is from.
func stampType(r *kgo.Record) string {
	switch r.Attrs.TimestampType() {
	case 0:
		return "CREATE_TIME"
	case 1:
		return "LOG_APPEND_TIME"
	}
	return "NO_TIMESTAMP_TYPE"
}

// behind is how far a reader at a record is behind the end of its partition.
func behind(last *kgo.Record, end int64, now time.Time) time.Duration {
	if last.Offset+1 >= end {
		return 0
	}
	return max(now.Sub(last.Timestamp), 0)
}
