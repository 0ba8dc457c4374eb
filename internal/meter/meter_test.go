package meter

import (
	"context"
	"errors"
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
	m, err := Open(context.Background(), db, DefaultPrices())
	if err != nil {
		t.Fatal(err)
	}
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
	if err := m.Add(context.Background(), u); err != nil {
		t.Fatal(err)
	}
}

func rows(t testing.TB, m *Meter) map[row]sum {
	t.Helper()
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

// A slowDB answers an Update when it is told to.
type slowDB struct {
	store.DB
	began   chan struct{}
	proceed chan error
	updates int
}

func (d *slowDB) Update(ctx context.Context, fn func(store.Tx) error) error {
	d.updates++
	d.began <- struct{}{}
	if err := <-d.proceed; err != nil {
		return err
	}
	return d.DB.Update(ctx, fn)
}

func TestAddCoalescesWhatWaits(t *testing.T) {
	m := open(t)
	slow := &slowDB{DB: m.db, began: make(chan struct{}), proceed: make(chan error)}
	m.db = slow
	var wg sync.WaitGroup
	wg.Go(func() { add(t, m, use(t, "2026-11-01 12:00")) })
	<-slow.began
	for range 20 {
		wg.Go(func() { add(t, m, use(t, "2026-11-01 12:00")) })
	}
	for waiting := int64(0); waiting < 20; {
		m.mu.Lock()
		for _, s := range m.open.sums {
			waiting = s.requests
		}
		m.mu.Unlock()
	}
	slow.proceed <- nil
	<-slow.began
	slow.proceed <- nil
	wg.Wait()
	if slow.updates != 2 {
		t.Errorf("%d writes for one and twenty uses, want 2", slow.updates)
	}
	r, _ := rowOf(use(t, "2026-11-01 12:00"))
	if got := rows(t, m)[r]; got.requests != 21 {
		t.Errorf("%d requests, want 21", got.requests)
	}
}

func TestAddTellsOfAFailedWrite(t *testing.T) {
	m := open(t)
	db := m.db
	slow := &slowDB{DB: db, began: make(chan struct{}, 2), proceed: make(chan error, 2)}
	m.db = slow
	slow.proceed <- store.ErrFull
	if err := m.Add(context.Background(), use(t, "2026-11-01 12:00")); !errors.Is(err, store.ErrFull) {
		t.Errorf("Add answers %v, want ErrFull", err)
	}
	slow.proceed <- nil
	add(t, m, use(t, "2026-11-01 12:00"))
	r, _ := rowOf(use(t, "2026-11-01 12:00"))
	if got := rows(t, m)[r]; got.requests != 1 {
		t.Errorf("%d requests, want 1: the failed one must not come back", got.requests)
	}
}

func TestAddOutlivesItsCaller(t *testing.T) {
	m := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := m.Add(ctx, use(t, "2026-11-01 12:00")); err != nil {
		t.Errorf("Add answers %v: what ran must be counted", err)
	}
	if len(rows(t, m)) != 1 {
		t.Error("the use is not stored")
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
		if err := m.Add(context.Background(), u); err == nil {
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
			if err := m.Add(context.Background(), u); err != nil {
				b.Error(err)
			}
		}
	})
}
