package logs

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func file(frames ...[]byte) []byte {
	return slices.Concat(append([][]byte{[]byte(magic)}, frames...)...)
}

func TestFrame(t *testing.T) {
	want := []event{
		{key{1000, 7}, 3, "a"}, {key{999, 8}, 3, ""}, {key{5000, 9}, 3, strings.Repeat("long", 5000)},
	}
	b := appendFrame(nil, 3, 7, []entry{{1000, "a"}, {999, ""}, {5000, want[2].message}})
	body, rest, err := frame(b)
	if err != nil || len(rest) != 0 {
		t.Fatalf("%d bytes left, %v", len(rest), err)
	}
	var got []event
	if err := readBlock(body, func(e event) { got = append(got, e) }); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestScan(t *testing.T) {
	one := appendFrame(nil, 1, 100, []entry{{10, "a"}, {30, "b"}})
	two := appendFrame(nil, 1, 102, []entry{{20, "c"}})
	other := appendFrame(nil, 2, 103, []entry{{40, "d"}})
	runs, good, err := scan(bytes.NewReader(file(one, two, other)))
	if err != nil {
		t.Fatal(err)
	}
	want := []run{
		{stream: 1, off: 8, size: int64(len(one) + len(two)), min: 10, max: 30, last: 102},
		{stream: 2, off: 8 + int64(len(one)+len(two)), size: int64(len(other)), min: 40, max: 40, last: 103},
	}
	if !slices.Equal(runs, want) {
		t.Errorf("got %v, want %v", runs, want)
	}
	if all := int64(len(file(one, two, other))); good != all {
		t.Errorf("%d of %d bytes are good", good, all)
	}
}

// TestScanCut cuts a file at every place: what is whole before stays.
func TestScanCut(t *testing.T) {
	one := appendFrame(nil, 1, 100, []entry{{10, "aaaa"}})
	two := appendFrame(nil, 2, 101, []entry{{20, "bbbb"}})
	whole := file(one, two)
	for n := range whole {
		_, good, err := scan(bytes.NewReader(whole[:n]))
		if err != nil {
			t.Fatalf("at %d: %v", n, err)
		}
		want := 0
		for _, end := range []int{len(magic), len(magic) + len(one)} {
			if n >= end {
				want = end
			}
		}
		if good != int64(want) {
			t.Errorf("cut at %d: %d bytes are good, want %d", n, good, want)
		}
	}
}

func TestRunsDoNotGrowForEver(t *testing.T) {
	f := appendFrame(nil, 1, 1, []entry{{10, strings.Repeat("x", 20_000)}})
	runs, _, err := scan(bytes.NewReader(file(f, f, f, f, f, f, f)))
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) != 3 {
		t.Errorf("%d runs, want 3", len(runs))
	}
}

// FuzzScan reads any bytes as a slice: what the index says must be readable.
func FuzzScan(f *testing.F) {
	one := appendFrame(nil, 1, 100, []entry{{10, "a"}, {30, "b"}})
	two := appendFrame(nil, 1, 102, []entry{{20, "c"}})
	f.Add(file(one, two))
	f.Add(file(one, two)[:40])
	f.Add(file(make([]byte, 64)))
	f.Fuzz(func(t *testing.T, data []byte) {
		runs, good, err := scan(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if good > int64(len(data)) {
			t.Fatalf("%d bytes are good of %d", good, len(data))
		}
		q := &query{to: 1 << 62, from: -1 << 62}
		c := &cursor{query: q}
		for _, r := range runs {
			if _, err := c.decode(data[r.off : r.off+r.size]); err != nil {
				t.Errorf("run %v: %v", r, err)
			}
		}
	})
}

// FuzzBlock reads any bytes as the body of a frame whose checksum is right.
func FuzzBlock(f *testing.F) {
	f.Add(appendFrame(nil, 1, 100, []entry{{10, "a"}, {30, "b"}})[frameHead:])
	f.Fuzz(func(t *testing.T, body []byte) {
		n := 0
		if err := readBlock(body, func(e event) { n += len(e.message) }); err == nil && n > len(body) {
			t.Errorf("%d bytes of messages in %d", n, len(body))
		}
	})
}
