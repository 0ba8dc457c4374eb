package stream

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

func TestFiltersDropRecords(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Filters = []string{`{"data":{"order":{"type":["buy"]}}}`}
		r.put(0, "k", `{"order":{"type":"sell"}}`, `{"order":{"type":"buy"}}`, `no JSON`)
		r.start()
		r.want("batches", r.fs.batches(), [][]string{{`{"order":{"type":"buy"}}`}})
		r.want("what is dropped is done", r.mark("shardId-000000000000").From, "3")
		r.put(0, "k", `{"order":{"type":"sell"}}`)
		r.settle()
		r.want("even when nothing else came", r.mark("shardId-000000000000").From, "4")
		r.want("counts", r.m.Stats()[0].Counts, Counts{Polled: 4, FilteredOut: 3, Invoked: 1})
	})
}

func TestWhatFiltersSee(t *testing.T) {
	kinesis := func(data string) string {
		b, _ := json.Marshal([]byte(data))
		return fmt.Sprintf(`{"kinesis":{"partitionKey":"1","data":%s},"eventSource":"aws:kinesis"}`, b)
	}
	kafka := func(key, value string) string {
		k, _ := json.Marshal([]byte(key))
		v, _ := json.Marshal([]byte(value))
		return fmt.Sprintf(`{"topic":"t","partition":0,"key":%s,"value":%s}`, k, v)
	}
	row := `{"eventName":"INSERT","dynamodb":{"NewImage":{"n":{"N":"1"}}}}`
	for i, test := range []struct {
		kind    source.Kind
		record  string
		pattern string
		want    bool
	}{
		{source.Kinesis, kinesis(`{"a":1}`), `{"data":{"a":[1]}}`, true},
		{source.Kinesis, kinesis(`{"a":2}`), `{"data":{"a":[1]}}`, false},
		{source.Kinesis, kinesis(`text`), `{"data":["text"]}`, true},
		{source.Kinesis, kinesis(`text`), `{"data":{"a":[1]}}`, false},
		{source.Kinesis, kinesis(`{"a":1}`), `{"data":["text"]}`, false},
		{source.Kinesis, kinesis(`text`), `{"partitionKey":["1"]}`, true},
		{source.Kinesis, kinesis(`text`), `{"partitionKey":["2"]}`, false},
		{source.Kinesis, kinesis(`text`), `{"eventSource":["aws:kinesis"]}`, true},
		{source.Kinesis, `[]`, `{"data":["text"]}`, false},
		{source.Kinesis, `{}`, `{"data":["text"]}`, false},
		{source.Kafka, kafka("k", `{"a":1}`), `{"value":{"a":[1]}}`, true},
		{source.Kafka, kafka("k", `{"a":1}`), `{"value":{"a":[2]}}`, false},
		{source.Kafka, kafka("k", `v`), `{"value":["v"],"key":["k"]}`, true},
		{source.Kafka, kafka("l", `v`), `{"key":["k"]}`, false},
		{source.DynamoDB, row, `{"eventName":["INSERT"],"dynamodb":{"NewImage":{"n":{"N":["1"]}}}}`, true},
		{source.DynamoDB, row, `{"eventName":["REMOVE"]}`, false},
	} {
		c, err := criteria(test.kind, []string{test.pattern})
		if err != nil {
			t.Fatal(err)
		}
		if got := matches(c, test.kind, json.RawMessage(test.record)); got != test.want {
			t.Errorf("%d: %s passes %s: %v", i, test.record, test.pattern, got)
		}
	}
}

func TestFiltersThatAreNone(t *testing.T) {
	for _, k := range []source.Kind{source.Kinesis, source.DynamoDB, source.Kafka} {
		if CheckFilters(k, []string{`{"data":"text"}`}) == nil {
			t.Errorf("kind %d takes a filter that is none", k)
		}
	}
}

func TestAKafkaEvent(t *testing.T) {
	for head, want := range map[string]string{
		`{"eventSource":"SelfManagedKafka","bootstrapServers":"b:9092"}`: `{"eventSource":"SelfManagedKafka","bootstrapServers":"b:9092","records":{"orders-0":[{"offset":1},{"offset":2}]}}`,
		``: `{"records":{"orders-0":[{"offset":1},{"offset":2}]}}`,
	} {
		r := &reader{m: &Manager{c: Config{Functions: &fakes{}}}, ctx: t.Context(), info: source.StreamInfo{Kind: source.Kafka, Head: json.RawMessage(head)}}
		got := r.event("orders-0", []source.Record{{Event: json.RawMessage(`{"offset":1}`)}, {Event: json.RawMessage(`{"offset":2}`)}}, nil, false)
		if string(got) != want {
			t.Errorf("the event is %s, want %s", got, want)
		}
	}
}

// FuzzBare holds what filters see of a record to JSON.
func FuzzBare(f *testing.F) {
	for _, s := range []string{`{"kinesis":{"data":"YQ=="}}`, `{"kinesis":1}`, `{"value":"YQ=="}`, `{"value":null}`, `{`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		for _, k := range []source.Kind{source.Kinesis, source.Kafka} {
			if view, ok := bare(k, record); ok && !json.Valid(view) {
				t.Errorf("%q is seen as %q", record, view)
			}
		}
	})
}
