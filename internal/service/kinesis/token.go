package kinesis

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// makeToken is where a list goes on, for a client to bring back.
func makeToken(list, at string) string {
	return base64.StdEncoding.EncodeToString([]byte(list + ":" + at))
}

func parseToken(list, token string) (at string, ok bool) {
	b, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(string(b), list+":")
}

// A shardToken is where a list of shards goes on. It has all that the request
// said, which may not be said again.
type shardToken struct {
	Stream int64  `json:"s"`
	From   string `json:"f"`
	Made   int64  `json:"m"`
	Type   string `json:"t,omitempty"`
	Shard  string `json:"h,omitempty"`
	Time   int64  `json:"a,omitempty"`
}

func (a *api) shardsToken(st *stream, from string, f *ShardFilter) string {
	t := shardToken{Stream: st.id, From: from, Made: a.ms()}
	if f != nil {
		t.Type, t.Shard = value0(f.Type), value0(f.ShardId)
		if f.Timestamp != nil {
			t.Time = f.Timestamp.UnixMilli()
		}
	}
	b, _ := json.Marshal(t) // texts and numbers
	return makeToken("shards", string(b))
}

// shardsWanted says what a request for a list of shards is about.
func (a *api) shardsWanted(in *ListShardsInput) (st *stream, from string, f *ShardFilter, err error) {
	if in.NextToken == nil {
		if st, err = a.find(in.StreamName, in.StreamARN); err == nil {
			err = a.checkTime(st, in.StreamCreationTimestamp)
		}
		return st, value0(in.ExclusiveStartShardId), in.ShardFilter, err
	}
	switch {
	case in.StreamName != nil:
		return nil, "", nil, invalid("NextToken and StreamName cannot be provided together.")
	case in.StreamCreationTimestamp != nil:
		return nil, "", nil, invalid("NextToken and StreamCreationTimestamp cannot be provided together.")
	case in.ExclusiveStartShardId != nil:
		return nil, "", nil, invalid("NextToken and ExclusiveStartShardId cannot be provided together.")
	}
	text, ok := parseToken("shards", *in.NextToken)
	var t shardToken
	if !ok || json.Unmarshal([]byte(text), &t) != nil {
		return nil, "", nil, invalid("NextToken is invalid.")
	}
	if a.ms()-t.Made > iteratorLife {
		return nil, "", nil, awserr.New(400, "ExpiredNextTokenException", "The NextToken has expired: it was made more than %d seconds ago.", iteratorLife/1000)
	}
	if st = a.byID(t.Stream); st == nil {
		return nil, "", nil, notFound("The stream that NextToken is about does not exist.")
	}
	if t.Type != "" {
		f = &ShardFilter{Type: &t.Type, Timestamp: &wire.Time{Time: time.UnixMilli(t.Time)}}
		if t.Shard != "" {
			f.ShardId = &t.Shard
		}
	}
	return st, t.From, f, nil
}

// byID answers a stream by its number, nil when there is none.
func (b *Book) byID(id int64) *stream {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, st := range b.streams {
		if st.id == id {
			return st
		}
	}
	return nil
}

// filtered are the shards of st that a filter asks for.
//
// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ShardFilter.html
func (a *api) filtered(st *stream, f *ShardFilter) ([]*shard, error) {
	l := st.layout()
	if f == nil {
		return l.shards, nil
	}
	horizon := st.horizon(a.ms())
	var at int64
	if f.Timestamp != nil {
		at = max(f.Timestamp.UnixMilli(), horizon)
	}
	var want func(opened, closed int64) bool
	switch kind := value0(f.Type); kind {
	case "AFTER_SHARD_ID":
		if f.ShardId == nil {
			return nil, invalid("ShardId must be specified in the ShardFilter when the type is AFTER_SHARD_ID.")
		}
		return after(l.shards, *f.ShardId), nil
	case "AT_LATEST":
		want = func(_, closed int64) bool { return closed == 0 }
	case "AT_TRIM_HORIZON":
		want = func(opened, closed int64) bool {
			return opened <= max(horizon, st.created) && (closed == 0 || closed >= horizon)
		}
	case "FROM_TRIM_HORIZON":
		want = func(_, closed int64) bool { return closed == 0 || closed >= horizon }
	case "AT_TIMESTAMP", "FROM_TIMESTAMP":
		if f.Timestamp == nil {
			return nil, invalid("Timestamp must be specified in the ShardFilter when the type is %s.", kind)
		}
		want = func(opened, closed int64) bool {
			return (kind == "FROM_TIMESTAMP" || opened <= at) && (closed == 0 || closed >= at)
		}
	}
	var list []*shard
	for _, sh := range l.shards {
		if want(sh.openedAt, sh.view().closedAt) {
			list = append(list, sh)
		}
	}
	return list, nil
}
