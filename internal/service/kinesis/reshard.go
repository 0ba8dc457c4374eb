package kinesis

import (
	"context"
	"slices"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A reshaping is a change of a stream's shards while it is made up: splits and
// merges that will happen all at once. A shard that one of them makes and another
// ends is kept, empty, so that each child has at most two parents.
type reshaping struct {
	st      *stream
	now     int64
	ix      int // of the next new shard
	parents []*shard
	fresh   []*shard
}

func (r *reshaping) child(low, high hashKey, parent, adjacent *shard) *shard {
	other := none
	if adjacent != nil {
		other = adjacent.ix
	}
	sh := newShard(r.st, r.ix, low, high, r.now, parent.ix, other)
	// The sequence numbers of children are higher than those of their parents.
	sh.created = max(sh.created, parent.created+1)
	if adjacent != nil {
		sh.created = max(sh.created, adjacent.created+1)
	}
	r.ix++
	r.fresh = append(r.fresh, sh)
	return sh
}

// split ends sh; its children divide its keys at key.
func (r *reshaping) split(sh *shard, key hashKey) (below, above *shard) {
	r.close(sh)
	return r.child(sh.low, key.minus(1), sh, nil), r.child(key, sh.high, sh, nil)
}

// merge ends a and b, which is beside it.
func (r *reshaping) merge(a, b *shard) *shard {
	r.close(a)
	r.close(b)
	return r.child(a.low, b.high, a, b)
}

func (r *reshaping) close(sh *shard) {
	if slices.Contains(r.fresh, sh) {
		sh.closedAt = r.now // nobody else knows of it yet
		return
	}
	r.parents = append(r.parents, sh)
}

// uniform makes n shards of equal ranges out of open: it splits where one of
// them is to begin, and merges what lies between.
func (r *reshaping) uniform(open []*shard, n int) {
	var pieces []*shard
	next := 1 // of the boundaries
	for _, sh := range open {
		for next < n && sliceStart(next, n).compare(sh.low) <= 0 {
			next++
		}
		for ; next < n && sliceStart(next, n).compare(sh.high) <= 0; next++ {
			var below *shard
			below, sh = r.split(sh, sliceStart(next, n))
			pieces = append(pieces, below)
		}
		pieces = append(pieces, sh)
	}
	for i := range n {
		end := maxHash
		if i < n-1 {
			end = sliceStart(i+1, n).minus(1)
		}
		sh := pieces[0]
		for pieces = pieces[1:]; sh.high != end; pieces = pieces[1:] {
			sh = r.merge(sh, pieces[0])
		}
	}
}

// reshape changes the shards of a stream between two commits. The caller holds
// admin.
func (b *Book) reshape(st *stream, plan func(*reshaping, layout)) error {
	return b.alone(func(ctx context.Context) error {
		l := st.layout()
		if l.gone {
			return errNoStream
		}
		r := &reshaping{st: st, now: b.ms(), ix: l.count}
		for _, sh := range l.open { // a closed shard is not younger than its records
			r.now = max(r.now, sh.mintedAt)
		}
		plan(r, l)
		if len(r.fresh) == 0 {
			return nil
		}
		err := b.db.Update(ctx, func(tx store.Tx) error {
			for _, sh := range r.parents {
				if _, err := tx.Exec(`UPDATE kinesis_shard SET closed = ? WHERE id = ?`, r.now, sh.id); err != nil {
					return err
				}
			}
			return insertShards(tx, r.fresh)
		})
		if err != nil {
			return err
		}
		st.extend(r.fresh) // before a reader learns that a parent has ended, and asks for its children
		for _, sh := range r.parents {
			sh.end(r.now, false)
		}
		st.extend(nil)
		b.passing(st, updating)
		return nil
	})
}

// extend adds shards and looks at which are open.
func (st *stream) extend(fresh []*shard) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.shards = append(slices.Clip(st.shards), fresh...)
	if n := len(fresh); n > 0 {
		st.count = fresh[n-1].ix + 1
	}
	st.sortOpen()
}
