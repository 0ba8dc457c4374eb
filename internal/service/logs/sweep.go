package logs

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// sweep unlinks the slices that their group's retention has passed, and then
// the oldest of all while there is too much. A slice goes as a whole, once the
// last of its day has expired; readers hide what has expired before that.
func (w *writer) sweep(ctx context.Context) {
	w.total = 0
	w.shelves.each(func(_ int64, sh *shelf) { w.total += sh.size() })
	retention := map[int64]int64{}
	err := w.db.View(ctx, func(tx store.Tx) error {
		return tx.Each(`SELECT id, retention FROM logs_group WHERE retention > 0`, nil, func(scan func(...any) error) error {
			var id, days int64
			err := scan(&id, &days)
			retention[id] = days
			return err
		})
	})
	w.warn("read retention", err)
	for id, days := range retention {
		w.expire(w.shelves.of(id), w.now().UnixMilli()-days*day)
	}
	if w.total > w.maxBytes {
		w.shrink()
	}
}

// expire unlinks what ended before oldest.
func (w *writer) expire(sh *shelf, oldest int64) {
	for _, s := range sh.list() {
		if (s.day+1)*day <= oldest {
			w.drop(sh, s)
		}
	}
}

// shrink unlinks the oldest slices of all groups until there is room again. It
// leaves some room, so that it need not run for each batch.
func (w *writer) shrink() {
	type aged struct {
		shelf *shelf
		slice *slice
	}
	var all []aged
	w.shelves.each(func(_ int64, sh *shelf) {
		for _, s := range sh.list() {
			all = append(all, aged{sh, s})
		}
	})
	slices.SortFunc(all, func(a, b aged) int {
		return cmp.Or(cmp.Compare(a.slice.day, b.slice.day), cmp.Compare(a.slice.part, b.slice.part), cmp.Compare(a.slice.path, b.slice.path))
	})
	before, dropped := w.total, 0
	for _, a := range all {
		if w.total <= w.maxBytes-w.maxBytes/16 {
			break
		}
		w.drop(a.shelf, a.slice)
		dropped++
	}
	w.log.Info("logs: over the size limit, the oldest are dropped",
		slog.Int64("bytes", before), slog.Int64("limit", w.maxBytes), slog.Int("slices", dropped))
}

func (w *writer) drop(sh *shelf, s *slice) {
	w.closeFile(s)
	if err := sh.drop(s); err != nil {
		w.warn("drop slice", err)
		return
	}
	w.indexes.drop(s)
	w.total -= s.bytes()
}

// touch notes that r was added to its stream.
func (w *writer) touch(r run) {
	st, ok := w.dirty[r.stream]
	if !ok {
		st = stat{first: r.min, last: r.max}
	}
	w.dirty[r.stream] = stat{min(st.first, r.min), max(st.last, r.max), max(st.ingested, key{seq: r.last}.ingested())}
}

// flush tells SQL what streams look like now.
func (w *writer) flush(ctx context.Context) error {
	if len(w.dirty) == 0 {
		return nil
	}
	at := w.now().UnixMilli()
	err := w.db.Update(ctx, func(tx store.Tx) error {
		for id, st := range w.dirty {
			_, err := tx.Exec(`UPDATE logs_stream SET
				first_event = CASE WHEN first_event < 0 OR first_event > ? THEN ? ELSE first_event END,
				last_event = CASE WHEN last_event < ? THEN ? ELSE last_event END,
				ingested = CASE WHEN ingested < ? THEN ? ELSE ingested END
				WHERE id = ?`, st.first, st.first, st.last, st.last, st.ingested, st.ingested, id)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(`INSERT INTO logs_mark (name, at) VALUES ('flushed', ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at`, at)
		return err
	})
	if err != nil {
		return fmt.Errorf("update log streams: %w", err)
	}
	clear(w.dirty)
	return nil
}

// slack is how much longer than since the last flush a crash is looked back on.
const slack = 2000

// recover reads again what was written after the last flush, so that streams'
// times are right after a crash.
func (w *writer) recover(ctx context.Context) error {
	mark := int64(0)
	err := w.db.View(ctx, func(tx store.Tx) error {
		return tx.Each(`SELECT at FROM logs_mark WHERE name = 'flushed'`, nil, func(scan func(...any) error) error { return scan(&mark) })
	})
	if err != nil {
		return fmt.Errorf("read mark: %w", err)
	}
	w.shelves.each(func(_ int64, sh *shelf) {
		for _, s := range sh.list() {
			if s.modified < mark-slack {
				continue
			}
			w.warn("read slice", w.indexes.load(s))
			s.each(w.touch)
		}
	})
	return w.flush(ctx)
}
