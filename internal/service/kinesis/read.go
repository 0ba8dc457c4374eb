package kinesis

import (
	"context"
	"errors"
	"sort"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// What rooms are told; the API says it in AWS's words.
var (
	errNoStream = errors.New("kinesis: there is no such stream")
	errEnough   = errors.New("enough")
)

func errIsNoRows(err error) bool { return errors.Is(err, store.ErrNoRows) }

// A found is a record with its place.
type found struct {
	record
	seq, at int64
}

// A page is what one read found.
type page struct {
	records []found
	next    int64 // the counter to go on with
	ended   bool  // the shard is closed and next is its end
	lastAt  int64 // when the newest record of the shard came
	tip     bool  // nothing is behind next now
}

// read answers the records of sh from seq on that have not expired: at most max
// and some bytes, but one in any case. It does not wait.
func (b *Book) read(ctx context.Context, sh *shard, seq int64, max, bytes int) (page, error) {
	v := sh.view()
	if v.gone {
		return page{}, errNoStream
	}
	c := collector{from: seq, end: v.next, horizon: sh.stream.horizon(b.ms()), max: max, bytes: bytes, next: seq}
	switch i := chunkAt(v.tail, seq); {
	case seq >= v.next:
	case i >= 0:
		for ; i < len(v.tail) && c.take(v.tail[i]); i++ {
		}
	default:
		if err := b.chunksFrom(ctx, sh, seq, c.take); err != nil {
			return page{}, err
		}
		if !c.full {
			c.next = v.next // what is missing has expired
		}
	}
	p := page{records: c.records, next: c.next, lastAt: v.lastAt, tip: c.next >= v.next}
	p.ended = v.closedAt != 0 && p.tip
	return p, nil
}

// chunkAt is the index of the chunk in tail that holds seq, -1 if the tail does
// not go back so far.
func chunkAt(tail []*chunk, seq int64) int {
	return sort.Search(len(tail), func(i int) bool { return tail[i].first > seq }) - 1
}

// A collector takes records from chunks until it has enough.
type collector struct {
	from, end  int64 // counters between which records are wanted
	horizon    int64
	max, bytes int

	records []found
	next    int64
	full    bool
}

// take adds c's records and tells whether there is room for more.
func (t *collector) take(c *chunk) bool {
	if c.first >= t.end {
		return false
	}
	if c.at < t.horizon {
		t.next = max(t.next, c.end())
		return true
	}
	for i := max(t.from-c.first, 0); i < int64(len(c.records)); i++ {
		r := c.records[i]
		size := len(r.data) + len(r.key)
		if len(t.records) == t.max || len(t.records) > 0 && size > t.bytes {
			t.full = true
			return false
		}
		t.bytes -= size
		t.records = append(t.records, found{r, c.first + i, c.at})
		t.next = c.first + i + 1
	}
	return true
}

// since is the counter of the first record of sh that came at or after a time.
func (b *Book) since(ctx context.Context, sh *shard, at int64) (int64, error) {
	v := sh.view()
	if v.lastAt < at {
		return v.next, nil
	}
	return b.chunkSince(ctx, sh, at)
}
