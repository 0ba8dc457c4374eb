package kinesis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/source"
)

var _ source.Stream = (*Book)(nil)

// sourceBytes is how much one Read answers at most: a batch for a function is
// never larger.
const sourceBytes = 6 << 20

// byARN answers the stream that an ARN names, its own or that of one of its
// consumers, which is nil for the stream's own.
func (b *Book) byARN(s string) (*stream, *consumer) {
	a, err := arn.Parse(s)
	if err != nil || a.Service != "kinesis" || a.Account != b.account || a.Region != b.region {
		return nil, nil
	}
	rest, ok := strings.CutPrefix(a.Resource, "stream/")
	name, who, hasConsumer := strings.Cut(rest, "/consumer/")
	st := b.stream(name)
	if !ok || st == nil || !hasConsumer {
		return st, nil
	}
	name, created, _ := strings.Cut(who, ":")
	c, ok := st.set.Load().Consumers[name]
	if !ok || strconv.FormatInt(c.Created, 10) != created {
		return nil, nil
	}
	return st, &c
}

// at is byARN for a reader.
func (b *Book) at(s string) (*stream, error) {
	st, _ := b.byARN(s)
	if st == nil {
		return nil, fmt.Errorf("%w: %s", source.ErrNotFound, s)
	}
	return st, nil
}

// sourceShard finds a shard for a reader.
func (b *Book) sourceShard(arn, name string) (*shard, error) {
	st, err := b.at(arn)
	if err != nil {
		return nil, err
	}
	sh := st.shard(name)
	if sh == nil {
		return nil, fmt.Errorf("%w: %s of %s", source.ErrNotFound, name, arn)
	}
	return sh, nil
}

// Describe implements source.Stream.
func (b *Book) Describe(_ context.Context, arn string) (source.StreamInfo, error) {
	st, err := b.at(arn)
	if err != nil {
		return source.StreamInfo{}, err
	}
	return source.StreamInfo{ARN: st.arn}, nil
}

// Shards implements source.Stream.
func (b *Book) Shards(_ context.Context, arn string) ([]source.Shard, error) {
	st, err := b.at(arn)
	if err != nil {
		return nil, err
	}
	var list []source.Shard
	for _, sh := range st.layout().shards { // by number, and children have higher ones
		s := source.Shard{ID: sh.name()}
		for _, p := range sh.parents {
			if p != none {
				s.Parents = append(s.Parents, shardID(p))
			}
		}
		list = append(list, s)
	}
	return list, nil
}

// Seek implements source.Stream. A place is the counter of the next record.
func (b *Book) Seek(ctx context.Context, arn, shard string, at source.Start) (source.Place, error) {
	sh, err := b.sourceShard(arn, shard)
	if err != nil {
		return "", err
	}
	switch at.At {
	case source.AtLatest:
		return place(sh.view().next), nil
	case source.AtTime:
		seq, err := b.since(ctx, sh, at.Time.UnixMilli())
		return place(seq), err
	}
	return "", nil
}

func place(seq int64) source.Place { return source.Place(strconv.FormatInt(seq, 10)) }

// Read implements source.Stream.
func (b *Book) Read(ctx context.Context, arn, shard string, from source.Place, max int) (source.Page, error) {
	sh, err := b.sourceShard(arn, shard)
	if err != nil {
		return source.Page{}, err
	}
	seq := int64(0)
	if from != "" {
		if seq, err = strconv.ParseInt(string(from), 10, 64); err != nil || seq < 0 {
			return source.Page{}, fmt.Errorf("kinesis: %q is no place of a shard", from)
		}
	}
	for {
		err := sh.wait(ctx, seq)
		var p page
		if err == nil {
			p, err = b.read(ctx, sh, seq, max, sourceBytes)
		}
		if errors.Is(err, errNoStream) {
			err = fmt.Errorf("%w: %s", source.ErrNotFound, arn)
		}
		if err != nil {
			return source.Page{}, err
		}
		if len(p.records) > 0 || p.ended {
			return b.sourcePage(sh, p)
		}
		seq = p.next // all of them had expired
	}
}

func (b *Book) sourcePage(sh *shard, p page) (source.Page, error) {
	out := source.Page{Next: place(p.next), Ended: p.ended, Records: make([]source.StreamRecord, len(p.records))}
	for i, r := range p.records {
		number := sh.number(r.seq, r.at)
		event, err := b.event(sh, r, number)
		if err != nil {
			return source.Page{}, err
		}
		out.Records[i] = source.StreamRecord{
			Record: source.Record{ID: number, Group: r.key, Event: event},
			Place:  place(r.seq + 1), Arrived: time.UnixMilli(r.at), Size: len(r.data),
		}
		if !p.tip {
			out.Behind = max(time.Duration(p.lastAt-r.at)*time.Millisecond, time.Millisecond)
		}
	}
	return out, nil
}

// An event is a record in the event that a function gets. Whose identity reads
// the stream is added by who knows it.
//
// https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html#services-kinesis-event-example
type event struct {
	Kinesis struct {
		Schema   string      `json:"kinesisSchemaVersion"`
		Key      string      `json:"partitionKey"`
		Sequence string      `json:"sequenceNumber"`
		Data     []byte      `json:"data"`
		Arrived  json.Number `json:"approximateArrivalTimestamp"`
	} `json:"kinesis"`
	Source    string `json:"eventSource"`
	Version   string `json:"eventVersion"`
	ID        string `json:"eventID"`
	Name      string `json:"eventName"`
	Region    string `json:"awsRegion"`
	SourceARN string `json:"eventSourceARN"`
}

func (b *Book) event(sh *shard, r found, number string) (json.RawMessage, error) {
	e := event{Source: "aws:kinesis", Version: "1.0", ID: sh.name() + ":" + number, Name: "aws:kinesis:record", Region: b.region, SourceARN: sh.stream.arn}
	e.Kinesis.Schema, e.Kinesis.Key, e.Kinesis.Sequence, e.Kinesis.Data = "1.0", r.key, number, r.data
	e.Kinesis.Arrived = json.Number(strconv.FormatFloat(float64(r.at)/1000, 'f', 3, 64))
	return json.Marshal(e)
}
