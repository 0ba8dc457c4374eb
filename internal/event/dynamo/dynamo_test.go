package dynamo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

const arn = "arn:aws:dynamodb:eu-west-1:000000000000:table/t/stream/2026"

// table is the API of a table's stream, in memory. Iterators are named
// "shard:place:made", and live for fifteen minutes as the real ones do.
type table struct {
	mu     sync.Mutex
	status string
	shards []*part
	calls  map[string]int
	region string
	fail   *Error
	name   string // "" is arn
}

type part struct {
	id, parent string
	records    []string
	trimmed    int
	closed     bool
}

func newTable() *table {
	return &table{status: "ENABLED", shards: []*part{{id: "shardId-1"}}, calls: map[string]int{}}
}

func (t *table) with(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
}

// put appends a change to a shard.
func (t *table) put(shard int, key, value string) {
	t.with(func() {
		p := t.shards[shard]
		p.records = append(p.records, fmt.Sprintf(`{"eventID":"e","eventName":"INSERT","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"eu-west-1",
			"dynamodb":{"ApproximateCreationDateTime":%d.5,"Keys":{"id":{"S":%q}},"NewImage":{"v":{"S":%q}},"SequenceNumber":"%d","SizeBytes":7,"StreamViewType":"NEW_IMAGE"}}`,
			time.Now().Unix(), key, value, 1000+len(p.records)))
	})
}

func (t *table) Call(_ context.Context, region, operation string, body []byte) (int, []byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls[operation]++
	t.region = region
	var in struct {
		StreamArn, ShardID, ShardIteratorType, SequenceNumber, ShardIterator, ExclusiveStartShardID string
		Limit                                                                                       int
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return 0, nil, err
	}
	out, refusal := map[string]any{}, t.fail
	switch {
	case refusal != nil:
	case operation == "DescribeStream" && in.StreamArn != cmp.Or(t.name, arn):
		refusal = &Error{"ResourceNotFoundException", "no stream"}
	case operation == "DescribeStream":
		out["StreamDescription"] = t.describe(in.ExclusiveStartShardID)
	case operation == "GetShardIterator":
		out["ShardIterator"], refusal = t.iterator(in.ShardID, in.ShardIteratorType, in.SequenceNumber)
	case operation == "GetRecords":
		out, refusal = t.records(in.ShardIterator, in.Limit)
	}
	if refusal != nil {
		b, _ := json.Marshal(map[string]string{"__type": "com.amazonaws.dynamodb.v20120810#" + refusal.Code, "message": refusal.Message})
		return 400, b, nil
	}
	b, _ := json.Marshal(out)
	return 200, b, nil
}

// describe answers one shard a page.
func (t *table) describe(after string) map[string]any {
	i := 1 + slices.IndexFunc(t.shards, func(p *part) bool { return p.id == after })
	out := map[string]any{"StreamStatus": t.status, "Shards": []any{}}
	if i < len(t.shards) {
		out["Shards"] = []any{map[string]any{"ShardId": t.shards[i].id, "ParentShardId": t.shards[i].parent}}
	}
	if i+1 < len(t.shards) {
		out["LastEvaluatedShardId"] = t.shards[i].id
	}
	return out
}

func (t *table) find(id string) *part {
	return t.shards[slices.IndexFunc(t.shards, func(p *part) bool { return p.id == id })]
}

func (t *table) iterator(id, kind, number string) (string, *Error) {
	p, at := t.find(id), 0
	switch kind {
	case "LATEST":
		at = len(p.records)
	case "AFTER_SEQUENCE_NUMBER":
		n, _ := strconv.Atoi(number)
		if at = n - 1000 + 1; at < p.trimmed {
			return "", &Error{"TrimmedDataAccessException", "too old"}
		}
	default:
		at = p.trimmed
	}
	return fmt.Sprintf("%s:%d:%d", id, at, time.Now().Unix()), nil
}

func (t *table) records(name string, most int) (map[string]any, *Error) {
	f := strings.Split(name, ":")
	at, _ := strconv.Atoi(f[1])
	made, _ := strconv.Atoi(f[2])
	if time.Now().Unix()-int64(made) > 900 {
		return nil, &Error{"ExpiredIteratorException", "expired"}
	}
	p := t.find(f[0])
	end := min(at+most, len(p.records))
	all := []json.RawMessage{}
	for _, r := range p.records[at:end] {
		all = append(all, json.RawMessage(r))
	}
	out := map[string]any{"Records": all}
	if !p.closed || end < len(p.records) {
		out["NextShardIterator"] = fmt.Sprintf("%s:%d:%d", f[0], end, time.Now().Unix())
	}
	return out, nil
}

func values(p source.Page) string {
	all := []string{}
	for _, r := range p.Records {
		var e struct {
			Dynamo struct {
				NewImage struct{ V struct{ S string } }
			} `json:"dynamodb"`
		}
		json.Unmarshal(r.Event, &e)
		all = append(all, e.Dynamo.NewImage.V.S)
	}
	return strings.Join(all, ",")
}

func read(t *testing.T, s *Streams, shard string, from source.Place, most int) source.Page {
	t.Helper()
	p, err := s.Read(t.Context(), arn, shard, from, most)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRecordsOfATable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTable()
		s := New(Config{Call: api.Call})
		info, err := s.Describe(t.Context(), arn)
		if err != nil || info.Kind != source.DynamoDB || info.ARN != arn || api.region != "eu-west-1" {
			t.Errorf("it is %+v in %s: %v", info, api.region, err)
		}
		api.put(0, "k", "a")
		api.put(0, "k", "b")
		api.put(0, "l", "c")
		p := read(t, s, "shardId-1", "", 2)
		if values(p) != "a,b" || p.Next != "1001" || p.Ended {
			t.Errorf("the first page is %s, next %s", values(p), p.Next)
		}
		r := p.Records[0]
		var e map[string]any
		json.Unmarshal(r.Event, &e)
		if e["eventSourceARN"] != arn || e["eventName"] != "INSERT" || r.ID != "1000" || r.Group != `{"id":{"S":"k"}}` || r.Size != 7 || time.Since(r.Arrived) > time.Second {
			t.Errorf("the record is %+v: %s", r, r.Event)
		}
		if p := read(t, s, "shardId-1", p.Next, 100); values(p) != "c" || p.Records[0].Group == r.Group {
			t.Errorf("the second page is %s", values(p))
		}
		other := New(Config{Call: api.Call}) // after a restart
		if p := read(t, other, "shardId-1", "1000", 100); values(p) != "b,c" {
			t.Errorf("behind the first record there is %s", values(p))
		}
		api.with(func() { api.shards[0].trimmed = 2 })
		if p := read(t, other, "shardId-1", "1000", 100); values(p) != "c" {
			t.Errorf("behind what is gone there is %s", values(p))
		}
	})
}

func TestReadingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTable()
		s := New(Config{Call: api.Call})
		at, err := s.Seek(t.Context(), arn, "shardId-1", source.Start{At: source.AtLatest})
		if err != nil {
			t.Fatal(err)
		}
		pages := make(chan source.Page)
		go func() { pages <- read(t, s, "shardId-1", at, 100) }()
		time.Sleep(time.Hour) // longer than an iterator lives
		api.put(0, "k", "a")
		if p := <-pages; values(p) != "a" {
			t.Errorf("what came is %s", values(p))
		}
		if n := api.calls["GetRecords"]; n > 4*3600+8 {
			t.Errorf("it asked %d times in an hour", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := s.Read(ctx, arn, "shardId-1", "1000", 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("at its end the read answers %v", err)
		}
	})
}

func TestTheLatestPlaceLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTable()
		api.put(0, "k", "old")
		time.Sleep(2 * time.Minute)
		at, err := New(Config{Call: api.Call}).Seek(t.Context(), arn, "shardId-1", source.Start{At: source.AtLatest})
		if err != nil || !at.Before("000000000000000000001") {
			t.Fatalf("the end is %s: %v", at, err)
		}
		time.Sleep(time.Hour)
		api.put(0, "k", "new")
		if p := read(t, New(Config{Call: api.Call}), "shardId-1", at, 100); values(p) != "new" {
			t.Errorf("after a restart there is %s", values(p))
		}
		if _, err := New(Config{Call: api.Call}).Seek(t.Context(), arn, "shardId-1", source.Start{At: source.AtTime}); err == nil {
			t.Error("it can be read from a time")
		}
	})
}

func TestAnIteratorThatExpiredIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTable()
		s := New(Config{Call: api.Call})
		api.put(0, "k", "a")
		p := read(t, s, "shardId-1", "", 100)
		time.Sleep(time.Hour)
		api.put(0, "k", "b")
		if p := read(t, s, "shardId-1", p.Next, 100); values(p) != "b" {
			t.Errorf("an hour later there is %s", values(p))
		}
	})
}

func TestShardsEndWithTheirChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTable()
		s := New(Config{Call: api.Call})
		api.put(0, "k", "a")
		api.with(func() { api.shards[0].closed = true })
		begin := time.Now()
		time.AfterFunc(5*time.Second, func() {
			api.with(func() { api.shards = append(api.shards, &part{id: "shardId-2", parent: "shardId-1"}) })
		})
		if p := read(t, s, "shardId-1", "", 100); values(p) != "a" || !p.Ended || time.Since(begin) < 5*time.Second {
			t.Errorf("the page is %s, the end %v, after %v", values(p), p.Ended, time.Since(begin))
		}
		all, err := s.Shards(t.Context(), arn)
		if err != nil || len(all) != 2 || len(all[0].Parents) != 0 || !slices.Equal(all[1].Parents, []string{"shardId-1"}) {
			t.Errorf("the shards are %+v: %v", all, err)
		}
		api.with(func() { api.status = "DISABLED"; api.shards[1].closed = true })
		begin = time.Now()
		if p := read(t, s, "shardId-2", "", 100); !p.Ended || time.Since(begin) > time.Second {
			t.Errorf("a stream that is off ends %v, after %v", p.Ended, time.Since(begin))
		}
	})
}

func TestNewShardsAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTable()
		time.AfterFunc(time.Hour, func() { api.with(func() { api.shards = append(api.shards, &part{id: "shardId-9"}) }) })
		if err := New(Config{Call: api.Call}).Grown(t.Context(), arn, []string{"shardId-1"}); err != nil {
			t.Error(err)
		}
	})
}

// TestReadersOfOneShard has one reader at the end, and others behind it.
func TestReadersOfOneShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTable()
		s := New(Config{Call: api.Call})
		api.put(0, "k", "old") // in the same minute as the end
		at, err := s.Seek(t.Context(), arn, "shardId-1", source.Start{At: source.AtLatest})
		if err != nil {
			t.Fatal(err)
		}
		if p := read(t, s, "shardId-1", "", 1); values(p) != "old" {
			t.Errorf("from the oldest there is %s", values(p))
		}
		api.put(0, "k", "new")
		for range 2 {
			if p := read(t, s, "shardId-1", "1000", 1); values(p) != "new" {
				t.Errorf("behind the first there is %s", values(p))
			}
		}
		if p := read(t, s, "shardId-1", at, 100); values(p) != "new" {
			t.Errorf("from the end there is %s", values(p))
		}
	})
}

func TestAStreamOfDynamoDBLocal(t *testing.T) {
	api := newTable()
	api.name = strings.Replace(arn, "eu-west-1", "ddblocal", 1)
	api.put(0, "k", "a")
	s := New(Config{Call: api.Call})
	if info, err := s.Describe(t.Context(), arn); err != nil || info.ARN != arn {
		t.Errorf("it is %+v: %v", info, err)
	}
	if all, err := s.Shards(t.Context(), arn); err != nil || len(all) != 1 {
		t.Errorf("the shards are %+v: %v", all, err)
	}
	api.name = "none"
	for range 2 {
		if _, err := s.Describe(t.Context(), arn); !errors.Is(err, source.ErrNotFound) {
			t.Errorf("once it is gone, it is %v", err)
		}
	}
	api.name = arn
	if _, err := s.Describe(t.Context(), arn); err != nil {
		t.Errorf("once it is AWS's, it is %v", err)
	}
}

func TestRefusals(t *testing.T) {
	api := newTable()
	s := New(Config{Call: api.Call})
	if _, err := s.Describe(t.Context(), arn+"x"); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("a stream that is not there answers %v", err)
	}
	api.fail = &Error{"ThrottlingException", "slowly"}
	if _, err := s.Shards(t.Context(), arn); !is(err, "ThrottlingException") || errors.Is(err, source.ErrNotFound) {
		t.Errorf("a refusal is %v", err)
	}
	down := New(Config{Call: func(context.Context, string, string, []byte) (int, []byte, error) {
		return 0, nil, errors.New("no route")
	}})
	if _, err := down.Shards(t.Context(), arn); err == nil {
		t.Error("a server that is down answers")
	}
	html := New(Config{Call: func(context.Context, string, string, []byte) (int, []byte, error) { return 502, []byte("<html>"), nil }})
	if _, err := html.Shards(t.Context(), arn); !is(err, "status 502") {
		t.Errorf("a gateway's answer is %v", err)
	}
}

// FuzzRecord holds what is made of a record to what a reader counts on.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"dynamodb":{"SequenceNumber":"1","Keys":{"a":{"S":"b"}},"ApproximateCreationDateTime":1.5}}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{"dynamodb":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := record(arn, raw)
		if err == nil && (r.ID == "" || r.Place == "" || !json.Valid(r.Event)) {
			t.Errorf("%q became %+v", raw, r)
		}
	})
}
