package kinesis

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"testing"

	fxcbor "github.com/fxamacker/cbor/v2"
)

// FuzzBodies sends what it likes, in both protocols, to operations that read
// bytes, times and tokens: each is answered, and none is a failure of ours.
func FuzzBodies(f *testing.F) {
	ops := []string{"PutRecord", "PutRecords", "GetRecords", "GetShardIterator", "ListShards", "ListStreams", "SplitShard", "AddTagsToStream"}
	for i, in := range []m{
		{"StreamName": "s", "PartitionKey": "k", "Data": []byte("v"), "ExplicitHashKey": "5", "SequenceNumberForOrdering": "49590338271490256608559692538361571095921575989136588898"},
		{"StreamName": "s", "Records": []any{m{"PartitionKey": "k", "Data": []byte("v")}}},
		{"ShardIterator": iterator{1, 0, 0, 1_700_000_000_000}.String(), "Limit": 1},
		{"StreamName": "s", "ShardId": shard0, "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": fxcbor.Tag{Number: 1, Content: 1_700_000_000_000}},
		{"NextToken": makeToken("shards", `{"s":1,"f":"shardId-000000000000","m":1700000000500,"t":"AT_TIMESTAMP","a":5}`)},
		{"NextToken": makeToken("streams", "a"), "Limit": 1},
		{"StreamName": "s", "ShardToSplit": shard0, "NewStartingHashKey": "1"},
		{"StreamName": "s", "Tags": m{"a": "b"}},
	} {
		body, err := fxcbor.Marshal(in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, true, body)
		if i != 3 {
			body, err = json.Marshal(in)
			f.Add(i, false, body)
		}
		if err != nil {
			f.Fatal(err)
		}
	}
	w := newWorld(f)
	w.make("s", 1)
	h := Service(w.Book).Protocol.Handler(Service(w.Book), nil)
	f.Fuzz(func(t *testing.T, op int, binary bool, body []byte) {
		w.pass(1e9)
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("X-Amz-Target", "Kinesis_20131202."+ops[uint(op)%uint(len(ops))])
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		if binary {
			r.Header.Set("Content-Type", "application/x-amz-cbor-1.1")
		}
		out := httptest.NewRecorder()
		h.ServeHTTP(out, r)
		if out.Code != 200 && (out.Code < 400 || out.Code > 413) {
			t.Errorf("%s: %d %q", r.Header.Get("X-Amz-Target"), out.Code, out.Body)
		}
	})
}
