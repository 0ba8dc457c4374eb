package batch

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

func record(id string, size int) source.Record {
	return source.Record{ID: id, Event: json.RawMessage(`"` + strings.Repeat("x", size-2) + `"`)}
}

func TestABatchHoldsItsLimits(t *testing.T) {
	b := New(3)
	for i, want := range []bool{true, true, true, false} {
		if got := b.Add(record("m", 10)); got != want {
			t.Errorf("record %d: %v", i+1, got)
		}
	}
	if b.Room() != 0 || len(b.Records()) != 3 {
		t.Errorf("room for %d, %d records", b.Room(), len(b.Records()))
	}
	var event struct{ Records []string }
	if err := json.Unmarshal(b.Event(), &event); err != nil || len(event.Records) != 3 || event.Records[2] != "xxxxxxxx" {
		t.Errorf("the event is %s: %v", b.Event(), err)
	}
}

func TestABatchHoldsSixMegabytes(t *testing.T) {
	b, n := New(10000), 0
	for b.Add(record("m", 256<<10)) {
		n++
	}
	if n != 23 || len(b.Event()) > MaxBytes {
		t.Errorf("%d records, %d bytes", n, len(b.Event()))
	}
	huge := New(10)
	if !huge.Add(record("m", MaxBytes)) || huge.Add(record("n", 2)) {
		t.Error("a record that is too large does not go alone")
	}
}

func TestFailures(t *testing.T) {
	records := []source.Record{{ID: "a"}, {ID: "b"}, {ID: "c"}}
	for _, c := range []struct {
		answer string
		ok     bool
		failed []string
	}{
		{``, true, nil},
		{` `, true, nil},
		{`null`, true, nil},
		{`{}`, true, nil},
		{`{"other":1}`, true, nil},
		{`{"batchItemFailures":null}`, true, nil},
		{`{"batchItemFailures":[]}`, true, nil},
		{`{"batchItemFailures":[{"itemIdentifier":"b"}]}`, true, []string{"b"}},
		{`{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"},{"itemIdentifier":"a"}]}`, true, []string{"a", "c"}},
		{`{"batchItemFailures":[{"itemIdentifier":""}]}`, false, nil},
		{`{"batchItemFailures":[{"itemIdentifier":null}]}`, false, nil},
		{`{"batchItemFailures":[{"itemIdentifier":5}]}`, false, nil},
		{`{"batchItemFailures":[{"identifier":"a"}]}`, false, nil},
		{`{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"stranger"}]}`, false, nil},
		{`{"batchItemFailures":["a"]}`, false, nil},
		{`{"batchItemFailures":"a"}`, false, nil},
		{`{"batchItemFailures":[`, false, nil},
		{`"fine"`, false, nil},
		{`[]`, false, nil},
	} {
		failed, ok := Failures([]byte(c.answer), records)
		if got := slices.Sorted(maps.Keys(failed)); ok != c.ok || !slices.Equal(got, c.failed) {
			t.Errorf("%s: failed %v, %v", c.answer, got, ok)
		}
	}
}

func FuzzFailures(f *testing.F) {
	f.Add([]byte(`{"batchItemFailures":[{"itemIdentifier":"a"}]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		failed, ok := Failures(answer, []source.Record{{ID: "a"}})
		if !ok && failed != nil || len(failed) > 1 {
			t.Fatalf("%q: %v, %v", answer, failed, ok)
		}
	})
}
