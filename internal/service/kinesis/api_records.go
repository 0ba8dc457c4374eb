package kinesis

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// auto is the strategy that spreads records whatever their keys are.
const auto = "AUTO"

func (s *settings) strategy() string { return cmp.Or(s.Strategy, "USER_PARTITION_KEY") }

// putBytes is the most that the records of one request may weigh.
const putBytes = 10 << 20

// dryRun is the answer to a request that would have succeeded.
func dryRun() error {
	return awserr.New(400, "DryRunOperationException", "The request would have succeeded, but the DryRun parameter was specified.")
}

// A source of a draft is what PutRecord and an entry of PutRecords share.
type entry struct {
	key, hash *string
	data      []byte
	path      string // in front of a member's name in a violation
}

// draft checks an entry and gives it its hash key.
func (e entry) draft(set *settings) (draft, error) {
	limit := set.MaxKiB << 10
	d := draft{key: value0(e.key), data: e.data}
	switch {
	case len(d.data) > limit:
		return d, validation("1 validation error detected: Value at '%sdata' failed to satisfy constraint: Member must have length less than or equal to %d", e.path, limit)
	case len(d.data)+len(d.key) > limit:
		return d, invalid("Record size (data and partition key) of %d bytes exceeds the maximum of %d bytes.", len(d.data)+len(d.key), limit)
	case set.strategy() == auto:
		d.hash = hashKey{rand.Uint64(), rand.Uint64()}
		return d, nil
	case e.key == nil:
		return d, validation("1 validation error detected: Value null at '%spartitionKey' failed to satisfy constraint: Member must not be null", e.path)
	case e.hash == nil:
		d.hash = hashOf(d.key)
		return d, nil
	}
	var ok bool
	if d.hash, ok = parseHash(*e.hash); !ok {
		return d, invalid("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was %s", *e.hash)
	}
	return d, nil
}

// writable finds a stream that takes records.
func (a *api) writable(name, streamARN *string) (*stream, error) {
	st, err := a.find(name, streamARN)
	if err == nil && st.layout().status == creating {
		return nil, a.noStream(st.name)
	}
	return st, err
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html
func (a *api) putRecord(_ context.Context, in *PutRecordInput) (*PutRecordOutput, error) {
	st, err := a.writable(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	set := st.set.Load()
	d, err := entry{in.PartitionKey, in.ExplicitHashKey, in.Data, ""}.draft(set)
	if err != nil {
		return nil, err
	}
	if s := in.SequenceNumberForOrdering; s != nil {
		n, ok := parseNumber(*s)
		if !ok || n.at*1000 > a.ms() {
			return nil, invalid("ExclusiveMinimumSequenceNumber %s used in PutRecord on stream %s under account %s is invalid.", *s, st.name, a.account)
		}
	}
	if value0(in.DryRun) {
		return nil, dryRun()
	}
	p := &put{st: st, drafts: []draft{d}, kms: set.Encryption == "KMS"}
	if err := a.put(p); err != nil {
		return nil, a.fault(err, st.name)
	}
	where := p.placed[0]
	if where.throttled {
		return nil, a.overRate(where.shard)
	}
	return &PutRecordOutput{ShardId: new(where.shard.name()), SequenceNumber: new(where.shard.number(where.seq, where.at)), EncryptionType: encrypted(p.kms)}, nil
}

func encrypted(kms bool) *string {
	if kms {
		return new("KMS")
	}
	return nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
func (a *api) putRecords(_ context.Context, in *PutRecordsInput) (*PutRecordsOutput, error) {
	st, err := a.writable(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	set := st.set.Load()
	p := &put{st: st, drafts: make([]draft, len(in.Records)), kms: set.Encryption == "KMS"}
	size := 0
	for i, r := range in.Records {
		if p.drafts[i], err = (entry{r.PartitionKey, r.ExplicitHashKey, r.Data, "records." + digits(i+1) + ".member."}).draft(set); err != nil {
			return nil, err
		}
		size += len(r.Data) + len(value0(r.PartitionKey))
	}
	if size > putBytes {
		return nil, invalid("Records size exceeds 10 MB limit")
	}
	if value0(in.DryRun) {
		return nil, dryRun()
	}
	if err := a.put(p); err != nil {
		return nil, a.fault(err, st.name)
	}
	out := &PutRecordsOutput{FailedRecordCount: new(int32(0)), Records: make([]*PutRecordsResultEntry, len(p.placed)), EncryptionType: encrypted(p.kms)}
	for i, w := range p.placed {
		if w.throttled {
			*out.FailedRecordCount++
			e := a.overRate(w.shard)
			out.Records[i] = &PutRecordsResultEntry{ErrorCode: &e.Code, ErrorMessage: &e.Message}
			continue
		}
		out.Records[i] = &PutRecordsResultEntry{ShardId: new(w.shard.name()), SequenceNumber: new(w.shard.number(w.seq, w.at))}
	}
	return out, nil
}

// readable finds the shard that a request wants to read.
func (a *api) readable(st *stream, name string) (*shard, error) {
	sh := st.shard(name)
	if sh == nil {
		return nil, notFound("Shard %s in stream %s under account %s does not exist", name, st.name, a.account)
	}
	return sh, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html
func (a *api) getShardIterator(ctx context.Context, in *GetShardIteratorInput) (*GetShardIteratorOutput, error) {
	st, err := a.writable(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	sh, err := a.readable(st, *in.ShardId)
	if err != nil {
		return nil, err
	}
	seq, err := a.start(ctx, sh, *in.ShardIteratorType, in.StartingSequenceNumber, in.Timestamp, "GetShardIterator")
	if err != nil {
		return nil, err
	}
	if value0(in.DryRun) {
		return nil, dryRun()
	}
	return &GetShardIteratorOutput{ShardIterator: new(a.iterator(sh, seq))}, nil
}

func (a *api) iterator(sh *shard, seq int64) string {
	return iterator{stream: sh.stream.id, shard: sh.ix, seq: seq, at: a.ms()}.String()
}

// start is the counter of the first record that a kind of iterator means.
func (a *api) start(ctx context.Context, sh *shard, kind string, number *string, at *wire.Time, op string) (int64, error) {
	bySequence := kind == "AT_SEQUENCE_NUMBER" || kind == "AFTER_SEQUENCE_NUMBER"
	if bySequence != (number != nil) && kind != "AT_TIMESTAMP" {
		with := "no"
		if number != nil {
			with = "also a"
		}
		return 0, invalid("Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or "+
			"(2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified %s and %s StartingSequenceNumber.", kind, with)
	}
	switch kind {
	case "LATEST":
		return sh.view().next, nil
	case "AT_TIMESTAMP":
		if at == nil || number != nil {
			return 0, invalid("Must specify timestamp and no StartingSequenceNumber for iterator of type AT_TIMESTAMP.")
		}
		if at.UnixMilli() > a.ms() {
			return 0, invalid("The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: %d, currentTimestampInMillis: %d", at.UnixMilli(), a.ms())
		}
		return a.since(ctx, sh, at.UnixMilli())
	case "TRIM_HORIZON":
		return 0, nil
	}
	seq, err := a.counter(sh, *number, op)
	if err == nil && kind == "AFTER_SEQUENCE_NUMBER" && seq < lastSeq {
		seq++
	}
	return seq, err
}

// counter reads a sequence number of sh that a client gave.
func (a *api) counter(sh *shard, number, op string) (int64, error) {
	n, ok := parseNumber(number)
	switch {
	case !ok:
		return 0, invalid("StartingSequenceNumber %s used in %s on shard %s in stream %s under account %s is invalid.", number, op, sh.name(), sh.stream.name, a.account)
	case n.shard != sh.ix:
		return 0, invalid("Invalid StartingSequenceNumber. It encodes %s, while it was used in a call to a shard with %s", shardID(n.shard), sh.name())
	case n.created != sh.created:
		return 0, invalid("StartingSequenceNumber %s used in %s on shard %s in stream %s under account %s is invalid because it did not come from this stream.",
			number, op, sh.name(), sh.stream.name, a.account)
	}
	return n.seq, nil
}

// How much one GetRecords answers at most.
const (
	getRecords = 10000
	getBytes   = 10 << 20
)

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
func (a *api) getRecords(ctx context.Context, in *GetRecordsInput) (*GetRecordsOutput, error) {
	it, ok := parseIterator(*in.ShardIterator)
	if !ok {
		return nil, invalid("Invalid ShardIterator.")
	}
	now := a.ms()
	if now-it.at > iteratorLife {
		return nil, awserr.New(400, "ExpiredIteratorException",
			"Iterator expired. The iterator was created at time %s while right now it is %s which is further in the future than the tolerated delay of %d milliseconds.",
			utc(it.at), utc(now), iteratorLife)
	}
	st := a.byID(it.stream)
	if st == nil {
		return nil, notFound("The stream that the ShardIterator is about does not exist.")
	}
	if in.StreamARN != nil && *in.StreamARN != st.arn {
		return nil, invalid("StreamARN %s does not name the stream of the ShardIterator.", *in.StreamARN)
	}
	sh, err := a.readable(st, shardID(it.shard))
	if err != nil {
		return nil, err
	}
	if value0(in.DryRun) {
		return nil, dryRun()
	}
	if !sh.mayRead(now) {
		return nil, a.overRate(sh)
	}
	limit := getRecords
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	p, err := a.read(ctx, sh, it.seq, limit, getBytes)
	if err != nil {
		return nil, a.fault(err, st.name)
	}
	out := &GetRecordsOutput{Records: make([]*Record, len(p.records)), MillisBehindLatest: new(p.behind(now))}
	size := 0
	for i, r := range p.records {
		out.Records[i] = sh.record(r)
		size += len(r.data)
	}
	sh.charge(size)
	if p.ended {
		out.ChildShards = st.children(sh)
		return out, nil
	}
	out.NextShardIterator = new(a.iterator(sh, p.next))
	return out, nil
}

// behind is how far p is from the tip, in milliseconds: 0 there, and nowhere else.
func (p page) behind(now int64) int64 {
	if p.tip {
		return 0
	}
	if n := len(p.records); n > 0 {
		return max(now-p.records[n-1].at, 1)
	}
	return max(now-p.lastAt, 1)
}

// record is a record as the API shows it.
func (s *shard) record(r found) *Record {
	return &Record{Data: r.data, PartitionKey: &r.key, SequenceNumber: new(s.number(r.seq, r.at)), ApproximateArrivalTimestamp: moment(r.at), EncryptionType: encrypted(r.kms)}
}

// mayRead counts a call of GetRecords, if there may be one now.
func (s *shard) mayRead(now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads.bytes.fill(now)
	return s.reads.bytes.level > 0 && s.reads.take(now, 0)
}

// charge counts what a call has read: more than there is, is paid back in time.
func (s *shard) charge(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads.bytes.use(float64(bytes))
}

// children are the shards that sh was split or merged into.
func (st *stream) children(sh *shard) []*ChildShard {
	var list []*ChildShard
	for _, c := range st.layout().shards {
		if c.parents[0] != sh.ix && c.parents[1] != sh.ix {
			continue
		}
		child := &ChildShard{ShardId: new(c.name()), HashKeyRange: c.keys()}
		for _, p := range c.parents {
			if p != none {
				child.ParentShards = append(child.ParentShards, shardID(p))
			}
		}
		list = append(list, child)
	}
	return list
}

// utc is a time as the service writes it: "Thu Jan 22 01:22:02 UTC 2015".
func utc(ms int64) string { return time.UnixMilli(ms).UTC().Format("Mon Jan 02 15:04:05 UTC 2006") }
