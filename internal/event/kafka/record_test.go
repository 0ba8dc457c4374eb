package kafka

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestEvent(t *testing.T) {
	r := &kgo.Record{
		Topic: "orders", Partition: 3, Offset: 15, Timestamp: time.UnixMilli(1545084650987), Key: []byte("k"), Value: []byte("Hello, this is a test."),
		Headers: []kgo.RecordHeader{{Key: "h", Value: []byte{118, 220, 0}}, {Key: "none"}, {Key: `"`, Value: []byte{}}},
	}
	want := `{"topic":"orders","partition":3,"offset":15,"timestamp":1545084650987,"timestampType":"CREATE_TIME","key":"aw==",` +
		`"value":"SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==","headers":[{"h":[118,-36,0]},{"none":[]},{"\"":[]}]}`
	if got := string(event(r)); got != want {
		t.Errorf("got\n%s want\n%s", got, want)
	}
}

// A tombstone has no value, and an empty value is one.
func TestEventWithoutValue(t *testing.T) {
	r := &kgo.Record{Topic: "t", Timestamp: time.UnixMilli(0), Value: []byte{}}
	want := `{"topic":"t","partition":0,"offset":0,"timestamp":0,"timestampType":"CREATE_TIME","value":"","headers":[]}`
	if got := string(event(r)); got != want {
		t.Errorf("got\n%s want\n%s", got, want)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add("t", []byte("k"), []byte(`{"a":1}`), "h", []byte{0xff})
	f.Add("\x00<\u2028", []byte(nil), []byte(nil), "\xff", []byte(nil))
	f.Fuzz(func(t *testing.T, topic string, key, value []byte, header string, content []byte) {
		r := &kgo.Record{Topic: topic, Key: key, Value: value, Timestamp: time.UnixMilli(1), Headers: []kgo.RecordHeader{{Key: header, Value: content}}}
		var got struct {
			Topic      string
			Key, Value []byte
			Headers    []map[string][]int8
		}
		if err := json.Unmarshal(event(r), &got); err != nil {
			t.Fatalf("%s: %v", event(r), err)
		}
		if utf8.ValidString(topic) && got.Topic != topic || string(got.Key) != string(key) || string(got.Value) != string(value) {
			t.Errorf("got %+v", got)
		}
		for name, bytes := range got.Headers[0] {
			if utf8.ValidString(header) && name != header || len(bytes) != len(content) {
				t.Errorf("got header %q %v", name, bytes)
			}
			for i, b := range bytes {
				if byte(b) != content[i] {
					t.Errorf("byte %d is %d, want %d", i, b, content[i])
				}
			}
		}
	})
}

func TestBehind(t *testing.T) {
	now := time.Unix(100, 0)
	last := &kgo.Record{Offset: 9, Timestamp: time.Unix(90, 0)}
	if got := behind(last, 10, now); got != 0 {
		t.Errorf("at the tip: %s", got)
	}
	if got := behind(last, 11, now); got != 10*time.Second {
		t.Errorf("before the tip: %s", got)
	}
}
