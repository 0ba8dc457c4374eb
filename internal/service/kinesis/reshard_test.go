package kinesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// lay says how the shards of a stream lie: open ones by range, with their parents.
func lay(st *stream) string {
	var b strings.Builder
	for _, sh := range st.layout().open {
		fmt.Fprintf(&b, "%d%v ", sh.ix, sh.parents)
	}
	return b.String()
}

// checkRing holds the open shards of a stream to what they always are: all hash
// keys, each once.
func checkRing(t *testing.T, st *stream) {
	t.Helper()
	l := st.layout()
	next := hashKey{}
	for i, sh := range l.open {
		if sh.low != next || sh.high.compare(sh.low) < 0 || !sh.isOpen() {
			t.Fatalf("shard %d of %d is %s to %s, want it from %s", i, len(l.open), sh.low, sh.high, next)
		}
		next = sh.high.plus(1)
	}
	if next != (hashKey{}) {
		t.Fatalf("the last shard ends before %s", next)
	}
	for _, sh := range l.shards {
		for _, p := range sh.parents {
			if p >= sh.ix {
				t.Errorf("shard %d is its parent's elder: %d", sh.ix, p)
			}
		}
	}
}

func TestSplitAndMerge(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 2)
	split := func(shard, key string) error {
		_, err := w.api.splitShard(t.Context(), &SplitShardInput{StreamName: &st.name, ShardToSplit: &shard, NewStartingHashKey: &key})
		return err
	}
	merge := func(a, b string) error {
		_, err := w.api.mergeShards(t.Context(), &MergeShardsInput{StreamName: &st.name, ShardToMerge: &a, AdjacentShardToMerge: &b})
		return err
	}
	for i, tt := range []struct {
		err  error
		text string
		lay  string
	}{
		{split(shardID(0), "1"), "is not both greater than one plus the shard's StartingHashKey 0 and less than the shard's EndingHashKey 170141183460469231731687303715884105727.", "0[-1 -1] 1[-1 -1] "},
		{split(shardID(0), "170141183460469231731687303715884105727"), "is not both", "0[-1 -1] 1[-1 -1] "},
		{split(shardID(9), "5"), "Could not find shard shardId-000000000009 in stream s under account 000000000000.", "0[-1 -1] 1[-1 -1] "},
		{split(shardID(0), "1000"), "", "2[0 -1] 3[0 -1] 1[-1 -1] "},
		{split(shardID(0), "1000"), "is not open", "2[0 -1] 3[0 -1] 1[-1 -1] "},
		{merge(shardID(2), shardID(1)), "are not an adjacent pair of shards eligible for merging", "2[0 -1] 3[0 -1] 1[-1 -1] "},
		{merge(shardID(1), shardID(2)), "are not an adjacent pair", "2[0 -1] 3[0 -1] 1[-1 -1] "},
		{merge(shardID(1), shardID(3)), "", "2[0 -1] 4[1 3] "},
		{merge(shardID(2), shardID(4)), "", "5[2 4] "},
	} {
		_ = i
		if got := fmt.Sprint(tt.err); tt.text == "" && tt.err != nil || !strings.Contains(got, tt.text) {
			t.Errorf("%d: %s", i, got)
		}
	}
	if got := lay(st); got != "5[2 4] " {
		t.Errorf("shards %s", got)
	}
	checkRing(t, st)
	w.again()
	st = w.stream("s")
	if got := lay(st); got != "5[2 4] " || len(st.layout().shards) != 6 {
		t.Errorf("after a restart: %s", got)
	}
	out, err := w.api.describeStream(t.Context(), &DescribeStreamInput{StreamName: &st.name})
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range out.StreamDescription.Shards {
		from, _ := parseNumber(*d.SequenceNumberRange.StartingSequenceNumber)
		if open := d.SequenceNumberRange.EndingSequenceNumber == nil; open != (i == 5) {
			t.Errorf("shard %d: %+v", i, d.SequenceNumberRange)
		} else if !open {
			to, ok := parseNumber(*d.SequenceNumberRange.EndingSequenceNumber)
			if !ok || to.seq != lastSeq || to.created != from.created {
				t.Errorf("shard %d ends with %+v", i, to)
			}
		}
		if p := d.ParentShardId; p != nil {
			parent := out.StreamDescription.Shards[slices.IndexFunc(out.StreamDescription.Shards, func(s *Shard) bool { return *s.ShardId == *p })]
			if *parent.SequenceNumberRange.EndingSequenceNumber >= *d.SequenceNumberRange.StartingSequenceNumber { // of one length
				t.Errorf("the numbers of %s do not follow those of %s", *d.ShardId, *p)
			}
		}
	}
}

// TestNumbersOfChildren follow those of their parents, also where the digit of the
// shard that stands before the counter begins anew.
func TestNumbersOfChildren(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 15)
	for range 3 {
		sh := st.layout().open[14]
		if _, err := w.api.splitShard(t.Context(), &SplitShardInput{StreamName: &st.name, ShardToSplit: new(sh.name()), NewStartingHashKey: new(middle(sh.low, sh.high).String())}); err != nil {
			t.Fatal(err)
		}
		end := *sh.describe().SequenceNumberRange.EndingSequenceNumber
		for _, c := range st.layout().open[14:16] {
			if start := *c.describe().SequenceNumberRange.StartingSequenceNumber; start <= end { // of one length
				t.Errorf("shard %d begins with %s, and %d ended with %s", c.ix, start, sh.ix, end)
			}
		}
	}
}

// TestRoute: the last key of a range is the shard's own.
func TestRoute(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 3)
	for i, sh := range st.layout().open {
		for _, key := range []hashKey{sh.low, sh.low.plus(1), sh.high.minus(1), sh.high} {
			out, err := w.api.putRecord(t.Context(), &PutRecordInput{StreamName: &st.name, PartitionKey: new("k"), ExplicitHashKey: new(key.String()), Data: []byte("v")})
			if err != nil || *out.ShardId != shardID(i) {
				t.Errorf("%s of %s to %s: %+v, %v", key, sh.low, sh.high, out, err)
			}
		}
	}
}

// TestUniform: whatever a stream was before, UpdateShardCount makes equal shards.
func TestUniform(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 1)
	rnd := rand.New(rand.NewPCG(1, 2))
	now := 1
	for range 60 {
		w.pass(3 * time.Hour) // ten a day
		want := (now+1)/2 + rnd.IntN(now*2-(now+1)/2+1)
		if want == now || want > 40 {
			continue
		}
		if rnd.IntN(3) == 0 { // not uniform before
			sh := st.layout().open[rnd.IntN(now)]
			key := sh.low.plus(1000)
			if _, err := w.api.splitShard(t.Context(), &SplitShardInput{StreamName: &st.name, ShardToSplit: new(sh.name()), NewStartingHashKey: new(key.String())}); err != nil {
				t.Fatal(err)
			}
			checkRing(t, st)
			if want *= 1; want == now+1 || 2*want < now+1 {
				now++
				continue
			}
		}
		out, err := w.api.updateShardCount(t.Context(), &UpdateShardCountInput{StreamName: &st.name, TargetShardCount: new(int32(want)), ScalingType: new("UNIFORM_SCALING")})
		if err != nil {
			t.Fatalf("from %d to %d: %v", now, want, err)
		}
		checkRing(t, st)
		open := st.layout().open
		if len(open) != want || *out.TargetShardCount != int32(want) {
			t.Fatalf("%d shards, want %d", len(open), want)
		}
		for i, sh := range open {
			if sh.low != sliceStart(i, want) {
				t.Errorf("shard %d of %d begins at %s", i, want, sh.low)
			}
		}
		now = want
	}
}

func TestShardCountLimits(t *testing.T) {
	w := newWorld(t)
	st := w.make("s", 4)
	update := func(n int) error {
		_, err := w.api.updateShardCount(t.Context(), &UpdateShardCountInput{StreamName: &st.name, TargetShardCount: new(int32(n)), ScalingType: new("UNIFORM_SCALING")})
		return err
	}
	for _, tt := range []struct {
		n    int
		want string
	}{
		{9, "LimitExceededException: UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 4, Target shard count: 9"},
		{1, "LimitExceededException: UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: 4, Target shard count: 1"},
		{10001, "LimitExceededException: Target shard count or number of open shards cannot be greater than 10000. Current open shard count: 4, Target shard count: 10001"},
		{4, "InvalidArgumentException: Target shard count of 4 is the current open shard count of stream s under account 000000000000."},
	} {
		if err := update(tt.n); fmt.Sprint(err) != tt.want {
			t.Errorf("%d: %v", tt.n, err)
		}
	}
	for i := range 10 {
		if err := update(5 - i%2); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := update(5); code(err) != "LimitExceededException" {
		t.Errorf("an eleventh time in a day: %v", err)
	}
	w.pass(25 * time.Hour)
	if err := update(5); err != nil {
		t.Errorf("on the next day: %v", err)
	}
}

// TestReshardingUnderLoad: while shards are split, merged and counted anew,
// writers put and a reader follows the shards from parents to children. Nothing
// is lost, twice there, or out of its key's order.
func TestReshardingUnderLoad(t *testing.T) {
	w := newWorld(t)
	w.mu.Lock()
	w.time = time.Time{} // the real one: writers wait for their second
	w.mu.Unlock()
	st := w.make("s", 2)
	const writers, each = 8, 400
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var put sync.WaitGroup
	for i := range writers {
		put.Go(func() {
			for n := range each {
				w.mustPut(st, fmt.Sprintf("key-%d", i), fmt.Sprint(n))
			}
		})
	}
	go func() {
		put.Wait()
		cancel()
	}()
	var reshape sync.WaitGroup
	reshape.Go(func() { w.reshapeUntil(ctx, st) })
	r := &follower{t: t, w: w, st: st, last: map[string]int{}, seen: map[string]bool{}, want: writers * each}
	r.follow()
	reshape.Wait()
	for i := range writers {
		if got := r.last[fmt.Sprintf("key-%d", i)]; got != each {
			t.Errorf("of key-%d %d records were read, of %d", i, got, each)
		}
	}
	if n := len(st.layout().shards); n < 10 {
		t.Errorf("there were %d shards: that is no load", n)
	}
	checkRing(t, st)
}

// mustPut puts a record until there is room for it.
func (w *world) mustPut(st *stream, key, data string) {
	d := draft{hash: hashOf(key), key: key, data: []byte(data)}
	for {
		p := &put{st: st, drafts: []draft{d}}
		if err := w.Book.put(p); err != nil {
			w.t.Error(err)
			return
		}
		if !p.placed[0].throttled {
			return
		}
	}
}

// reshapeUntil splits and merges at random.
func (w *world) reshapeUntil(ctx context.Context, st *stream) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for ctx.Err() == nil {
		w.admin.Lock()
		err := w.reshape(st, func(r *reshaping, l layout) {
			switch i := rnd.IntN(len(l.open)); {
			case len(l.open) < 3 || i%2 == 0 && len(l.open) < 12:
				r.split(l.open[i], middle(l.open[i].low, l.open[i].high))
			case i+1 < len(l.open):
				r.merge(l.open[i], l.open[i+1])
			default:
				r.uniform(l.open, 2+rnd.IntN(5))
			}
		})
		w.admin.Unlock()
		if err != nil {
			w.t.Error(err)
			return
		}
	}
}

// A follower reads a stream as a mapping does: a shard when its parents have ended.
type follower struct {
	t    *testing.T
	w    *world
	st   *stream
	want int

	mu   sync.Mutex // guards what follows
	last map[string]int
	seen map[string]bool // shards that are being read, or were
	done map[string]bool
	got  int
	all  sync.WaitGroup
}

func (f *follower) follow() {
	f.done = map[string]bool{}
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	f.start(ctx, cancel)
	f.all.Wait()
}

// start begins with the shards whose parents have ended.
func (f *follower) start(ctx context.Context, cancel func()) {
	shards, err := f.w.Shards(ctx, f.st.arn)
	if err != nil {
		f.t.Error(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range shards {
		if !f.seen[s.ID] && !slices.ContainsFunc(s.Parents, func(p string) bool { return !f.done[p] }) {
			f.seen[s.ID] = true
			f.all.Go(func() { f.read(ctx, cancel, s.ID) })
		}
	}
}

func (f *follower) read(ctx context.Context, cancel func(), shard string) {
	at := source.Place("")
	for {
		p, err := f.w.Read(ctx, f.st.arn, shard, at, 7)
		if err != nil {
			if ctx.Err() == nil {
				f.t.Error(err)
			}
			return
		}
		f.mu.Lock()
		for _, r := range p.Records {
			f.note(shard, r)
		}
		if f.got == f.want {
			cancel()
		}
		f.done[shard] = p.Ended
		f.mu.Unlock()
		if p.Ended {
			f.start(ctx, cancel)
			return
		}
		at = p.Next
	}
}

// note checks that a record is the next of its key. The caller holds mu.
func (f *follower) note(shard string, r source.StreamRecord) {
	f.got++
	n := decoded(f.t, dataOf(r))
	if n != f.last[r.Group] {
		f.t.Errorf("%s: record %d of %s comes after %d others", shard, n, r.Group, f.last[r.Group])
	}
	f.last[r.Group] = n + 1
}
