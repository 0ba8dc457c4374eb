package kinesis

import (
	"reflect"
	"testing"
)

func TestChunks(t *testing.T) {
	c := &chunk{first: 7, at: 99}
	for _, r := range []record{{key: "k", data: []byte("data")}, {key: "", data: []byte{}, kms: true}, {key: "\x00é", data: make([]byte, 70000)}} {
		c.add(r)
	}
	got, err := decodeChunk(7, 99, 3, c.encode())
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("%+v, %v", got, err)
	}
	b := c.encode()
	for _, bad := range [][]byte{b[:len(b)-1], b[1:], append([]byte{2}, b[1:]...), append(b[:len(b):len(b)], 0)} {
		if c, err := decodeChunk(7, 99, 3, bad); err == nil {
			t.Errorf("damaged, and read as %+v", c)
		}
	}
	if _, err := decodeChunk(7, 99, 2, b); err == nil {
		t.Error("a record more than was said")
	}
}

func FuzzChunk(f *testing.F) {
	c := &chunk{}
	c.add(record{key: "k", data: []byte("data")})
	f.Add(1, c.encode())
	f.Add(1<<40, []byte{0, 1, 'k', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, n int, b []byte) {
		c, err := decodeChunk(1, 1, n, b)
		if err != nil {
			return
		}
		again, err := decodeChunk(1, 1, n, c.encode())
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%x: %+v, then %+v, %v", b, c, again, err)
		}
	})
}

func TestIterators(t *testing.T) {
	i := iterator{stream: 3, shard: 12, seq: lastSeq, at: 1_700_000_000_000}
	if got, ok := parseIterator(i.String()); !ok || got != i {
		t.Errorf("%+v, %v", got, ok)
	}
	if s := i.String(); s[:10] != "AAAAAAAAAA" {
		t.Errorf("an iterator begins as AWS's do: %s", s)
	}
}

func FuzzIterator(f *testing.F) {
	f.Add(iterator{1, 2, 3, 4}.String())
	f.Add("AAAAAAAAAAE=")
	f.Fuzz(func(t *testing.T, s string) {
		i, ok := parseIterator(s)
		if ok && i.String() != s {
			t.Errorf("%q is %+v, which is %q", s, i, i.String())
		}
		_, _ = parseToken("shards", s)
	})
}
