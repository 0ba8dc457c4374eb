package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Why records are given up.
const (
	exhausted = "RetryAttemptsExhausted"
	tooOld    = "RecordAgeExceeded"
	looped    = "RecursiveInvocation" // a name of ours
)

// A report is what the destination of failures gets.
//
// https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
type report struct {
	Request   requestContext   `json:"requestContext"`
	Response  *responseContext `json:"responseContext,omitempty"`
	Version   string           `json:"version"`
	Timestamp string           `json:"timestamp"`
	Kinesis   *batchInfo       `json:"KinesisBatchInfo,omitempty"`
	DynamoDB  *batchInfo       `json:"DDBStreamBatchInfo,omitempty"`
	Kafka     *kafkaInfo       `json:"KafkaBatchInfo,omitempty"`
	Payload   string           `json:"payload,omitempty"` // the event, in a bucket alone
}

type requestContext struct {
	ID        string `json:"requestId"`
	Function  string `json:"functionArn"`
	Condition string `json:"condition"`
	Invoked   int    `json:"approximateInvokeCount"`
}

type responseContext struct {
	Status  int    `json:"statusCode"`
	Version string `json:"executedVersion"`
	Error   string `json:"functionError,omitempty"`
}

type batchInfo struct {
	Shard  string `json:"shardId"`
	First  string `json:"startSequenceNumber"`
	Last   string `json:"endSequenceNumber"`
	Came   string `json:"approximateArrivalOfFirstRecord"`
	Ceased string `json:"approximateArrivalOfLastRecord"`
	Size   int    `json:"batchSize"`
	Stream string `json:"streamArn"`
}

// https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure.html
type kafkaInfo struct {
	Size    int                     `json:"batchSize"`
	Source  string                  `json:"eventSourceArn,omitempty"`
	Servers string                  `json:"bootstrapServers"`
	Bytes   int                     `json:"payloadSize"`
	Records map[string]kafkaRecords `json:"recordsInfo"`
}

type kafkaRecords struct {
	First  string `json:"firstRecordOffset"`
	Last   string `json:"lastRecordOffset"`
	Came   string `json:"firstRecordTimestamp"`
	Ceased string `json:"lastRecordTimestamp"`
}

// stamp is a time as reports have it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// discard gives items up, and tells the destination of failures, if there is
// one: at least once. False means that the reader ends before.
func (l *lane) discard(part []item, g *segment, condition string) bool {
	r := l.s.r
	r.m.c.Log.Warn("records of a stream are given up", "mapping", r.job.UUID, "shard", l.s.id, "records", len(part), "condition", condition)
	p := &step{lane: l, items: len(part), window: l.openWindow(part)}
	sent, ok := false, true
	switch {
	case r.job.OnFailure == "":
		ok = l.s.keep(p)
	case IsTopic(r.job.OnFailure):
		sent, ok = l.toTopic(part, g, condition, p)
	default:
		sent, ok = l.toTarget(part, g, condition, p)
	}
	if ok {
		r.stats.dropped(len(part))
	}
	if sent {
		r.stats.delivered(len(part))
	}
	return ok
}

// toTarget sends a report within the transaction of the step. In a bucket it has
// the records, and a key of its own.
func (l *lane) toTarget(part []item, g *segment, condition string, p *step) (sent, ok bool) {
	r := l.s.r
	d := target.Delivery{Principal: "lambda.amazonaws.com", SourceARN: r.job.FunctionARN}
	to, err := arn.Parse(r.job.OnFailure)
	inBucket := err == nil && to.Service == "s3"
	if inBucket {
		d.Key = "aws/lambda/" + r.job.UUID + "/" + l.s.id + r.m.c.Now().UTC().Format("/2006/01/02/2006-01-02T15.04.05-") + uuid.NewString()
	}
	d.Payload = l.report(part, g, condition, inBucket)
	var committed func()
	var refused error
	ok = l.s.keep(p, func(tx store.Tx) (err error) {
		committed, err = r.m.c.Router.Enqueue(tx, r.job.OnFailure, d)
		refused = err
		if errors.Is(err, target.ErrNotFound) || errors.Is(err, target.ErrDenied) || errors.Is(err, target.ErrInvalid) {
			err = nil // that is final, and the shard is to go on
		}
		return err
	})
	switch {
	case !ok:
		return false, false
	case refused != nil:
		l.unsent(refused)
		return false, true
	case committed != nil:
		committed()
	}
	return true, true
}

func (l *lane) unsent(err error) {
	l.s.r.m.c.Log.Warn("a failure could not be told to its destination", "mapping", l.s.r.job.UUID, "destination", l.s.r.job.OnFailure, "error", err)
}

// report is what is told of records that are given up.
func (l *lane) report(part []item, g *segment, condition string, whole bool) []byte {
	r := l.s.r
	rep := report{
		Request: requestContext{Function: r.job.FunctionARN, Condition: condition, Invoked: g.invoked},
		Version: "1.0", Timestamp: stamp(r.m.c.Now()),
	}
	if a := g.last; a != nil {
		rep.Request.ID = a.requestID
		if condition != tooOld {
			rep.Response = &responseContext{Status: 200, Version: a.version}
			if a.failed {
				rep.Response.Error = "Unhandled"
			}
		}
	} else {
		rep.Request.ID = uuid.NewString()
	}
	event := r.event(l.s.id, plain(part), l.openWindow(part), false)
	if whole {
		rep.Payload = string(event)
	}
	first, last := part[0], part[len(part)-1]
	info := &batchInfo{l.s.id, first.ID, last.ID, stamp(first.Arrived), stamp(last.Arrived), len(part), r.info.ARN}
	switch r.info.Kind {
	case source.Kinesis:
		rep.Kinesis = info
	case source.DynamoDB:
		rep.DynamoDB = info
	case source.Kafka:
		rep.Kafka = r.kafkaInfo(info, len(event))
	}
	return encode(rep)
}

func (r *reader) kafkaInfo(b *batchInfo, size int) *kafkaInfo {
	var head struct{ BootstrapServers, EventSourceArn string }
	_ = json.Unmarshal(r.info.Head, &head) // it is ours
	return &kafkaInfo{b.Size, head.EventSourceArn, head.BootstrapServers, size, map[string]kafkaRecords{
		b.Shard: {b.First, b.Last, b.Came, b.Ceased},
	}}
}

// encode writes v with its texts as they are.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("stream: a report does not encode: " + err.Error()) // it has texts and numbers alone
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
