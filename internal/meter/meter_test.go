package meter

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const hello = "arn:aws:lambda:us-east-1:000000000000:function:hello"

func open(t testing.TB) *Meter {
	t.Helper()
	db, err := store.OpenSQLite(filepath.Join(t.TempDir(), "usage.db"), store.Options{Sync: store.Normal})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return reopen(t, db, t.TempDir())
}

func reopen(t testing.TB, db store.DB, dir string) *Meter {
	t.Helper()
	m, err := Open(context.Background(), db, dir, DefaultPrices())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func use(t testing.TB, when string) Use {
	return Use{At: at(t, when), Function: hello, Version: "$LATEST", Arch: X86, BilledMS: 100, MemoryMB: 128, TmpMB: 512}
}

func add(t testing.TB, m *Meter, u Use) {
	t.Helper()
	if err := m.Add(u); err != nil {
		t.Fatal(err)
	}
}

func rows(t testing.TB, m *Meter) map[row]sum {
	t.Helper()
	if err := m.Fold(context.Background()); err != nil {
		t.Fatal(err)
	}
	all := map[row]sum{}
	err := m.db.View(context.Background(), func(tx store.Tx) error {
		return tx.Each(`SELECT day, function, version, arch, memory, tmp, provisioned, requests, billed_ms FROM meter_usage`, nil,
			func(scan func(...any) error) error {
				var r row
				var s sum
				err := scan(&r.day, &r.function, &r.version, &r.arch, &r.memory, &r.tmp, &r.provisioned, &s.requests, &s.billedMS)
				all[r] = s
				return err
			})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAddSumsByRow(t *testing.T) {
	m := open(t)
	a := use(t, "2026-11-01 23:59")
	b := a
	b.At = a.At.Add(time.Minute) // the next day
	c := a
	c.Provisioned = true
	for _, u := range []Use{a, a, b, c, a} {
		add(t, m, u)
	}
	ra, _ := rowOf(a)
	rb, _ := rowOf(b)
	rc, _ := rowOf(c)
	want := map[row]sum{ra: {3, 300}, rb: {1, 100}, rc: {1, 100}}
	got := rows(t, m)
	if len(got) != len(want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
	for r, s := range want {
		if got[r] != s {
			t.Errorf("row %v has %v, want %v", r, got[r], s)
		}
	}
}

func TestAddFromMany(t *testing.T) {
	m := open(t)
	const callers, each = 50, 20
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for range each {
				u := use(t, "2026-11-01 12:00")
				u.MemoryMB = 128 + i%3
				add(t, m, u)
			}
		})
	}
	wg.Wait()
	var requests, ms int64
	for _, s := range rows(t, m) {
		requests, ms = requests+s.requests, ms+s.billedMS
	}
	if requests != callers*each || ms != callers*each*100 {
		t.Errorf("%d requests and %d ms are stored, want %d and %d", requests, ms, callers*each, callers*each*100)
	}
}

// A brokenDB refuses Updates while it is told to.
type brokenDB struct {
	store.DB
	err error
}

func (d *brokenDB) Update(ctx context.Context, fn func(store.Tx) error) error {
	if d.err != nil {
		return d.err
	}
	return d.DB.Update(ctx, fn)
}

// What was acknowledged waits for a database that fails.
func TestFoldTriesAgain(t *testing.T) {
	m := open(t)
	broken := &brokenDB{DB: m.db, err: store.ErrFull}
	m.db = broken
	add(t, m, use(t, "2026-11-01 12:00"))
	for range 2 {
		if err := m.Fold(t.Context()); !errors.Is(err, store.ErrFull) {
			t.Errorf("Fold answers %v, want ErrFull", err)
		}
		add(t, m, use(t, "2026-11-01 12:00"))
	}
	broken.err = nil
	r, _ := rowOf(use(t, "2026-11-01 12:00"))
	if got := rows(t, m)[r]; got.requests != 3 {
		t.Errorf("%d requests, want 3", got.requests)
	}
}

// A write that fails is told, not counted, and hides nothing.
func TestAddTellsOfAFailedWrite(t *testing.T) {
	m := open(t)
	add(t, m, use(t, "2026-11-01 12:00"))
	m.open.file.Close() // nor can it be cut off
	if err := m.Add(use(t, "2026-11-01 12:00")); err == nil {
		t.Error("Add answers no error")
	}
	add(t, m, use(t, "2026-11-01 12:00"))
	r, _ := rowOf(use(t, "2026-11-01 12:00"))
	if got := rows(t, m)[r]; got.requests != 2 {
		t.Errorf("%d requests, want 2: the failed one must not come back", got.requests)
	}
}

func TestClosed(t *testing.T) {
	m := open(t)
	add(t, m, use(t, "2026-11-01 12:00"))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Add(use(t, "2026-11-01 12:00")); !errors.Is(err, ErrClosed) {
		t.Errorf("Add answers %v, want ErrClosed", err)
	}
	if n := len(rows(t, m)); n != 1 {
		t.Errorf("%d rows after Close, want 1", n)
	}
	if files, _ := os.ReadDir(m.dir); len(files) != 0 {
		t.Errorf("%d files stay", len(files))
	}
}

func TestAddRefusesNonsense(t *testing.T) {
	m := open(t)
	for name, spoil := range map[string]func(*Use){
		"time":     func(u *Use) { u.At = time.Time{} },
		"function": func(u *Use) { u.Function = "" },
		"arch":     func(u *Use) { u.Arch = "riscv" },
		"duration": func(u *Use) { u.BilledMS = -1 },
		"memory":   func(u *Use) { u.MemoryMB = 0 },
		"tmp":      func(u *Use) { u.TmpMB = -1 },
	} {
		u := use(t, "2026-11-01 12:00")
		spoil(&u)
		if err := m.Add(u); err == nil {
			t.Errorf("a use without sense in its %s is taken", name)
		}
	}
	if n := len(rows(t, m)); n != 0 {
		t.Errorf("%d rows are stored", n)
	}
}

func TestDays(t *testing.T) {
	for _, s := range []string{"1969-12-31 23:59", "1970-01-01 00:00", "2026-02-28 23:59", "2028-02-29 12:00"} {
		v := at(t, s)
		if got := dayTime(dayOf(v)).Format(time.DateOnly); got != s[:10] {
			t.Errorf("the day of %s is %s", s, got)
		}
	}
	east := time.FixedZone("", 9*3600)
	if d := dayTime(dayOf(time.Date(2026, 11, 2, 8, 0, 0, 0, east))).Format(time.DateOnly); d != "2026-11-01" {
		t.Errorf("8 o'clock in Tokyo is on %s, want UTC's 2026-11-01", d)
	}
}

func BenchmarkAdd(b *testing.B) {
	m := open(b)
	u := use(b, "2026-11-01 12:00")
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := m.Add(u); err != nil {
				b.Error(err)
			}
		}
	})
}
