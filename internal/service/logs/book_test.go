package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// noon is when tests play.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// A fakeClock is a clock that only a test moves.
type fakeClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *fakeClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *fakeClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func openDB(t testing.TB, dir string) store.DB {
	t.Helper()
	db, err := store.OpenSQLite(filepath.Join(dir, "x.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// openBook opens a book in dir until the test ends; change may alter its configuration.
func openBook(t testing.TB, dir string, change func(*Config)) *Book {
	t.Helper()
	b, end := tryBook(t, dir, change)
	t.Cleanup(end)
	return b
}

// tryBook opens a book that the caller ends.
func tryBook(t testing.TB, dir string, change func(*Config)) (b *Book, end func()) {
	t.Helper()
	db := openDB(t, dir)
	c := Config{DB: db, Dir: filepath.Join(dir, "logs"), Account: "000000000000", Region: "us-east-1", Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	b, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return b, func() {
		b.Close()
		db.Close()
	}
}

// settle waits until everything that was put has been written.
func (b *Book) settle(t testing.TB) {
	t.Helper()
	if err := b.wait(&job{do: func() error { return nil }}); err != nil {
		t.Fatal(err)
	}
}

func lines(at time.Time, n int, format string) ([]time.Time, []string) {
	var times []time.Time
	var messages []string
	for i := range n {
		times, messages = append(times, at), append(messages, fmt.Sprintf(format, i))
	}
	return times, messages
}

// messages reads all of a group in order through a cursor.
func messages(t testing.TB, b *Book, group string, newest bool) []string {
	t.Helper()
	var id int64
	err := b.db.View(context.Background(), func(tx store.Tx) (err error) {
		id, err = groupID(tx, group)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c := b.cursor(&query{group: id, to: 1 << 60, newest: newest})
	defer c.close()
	var all []string
	for {
		e, ok, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		all = append(all, e.message)
	}
}

func TestPutKeepsOrder(t *testing.T) {
	dir := t.TempDir()
	b := openBook(t, dir, nil)
	for i := range 10_000 {
		b.Put("g", "s", []time.Time{noon}, []string{fmt.Sprintf("line %05d", i)})
	}
	b.settle(t)
	got := messages(t, b, "g", false)
	if len(got) != 10_000 {
		t.Fatalf("%d lines, want 10000", len(got))
	}
	if !slices.IsSorted(got) {
		t.Error("lines are out of order")
	}
	back := messages(t, b, "g", true)
	if slices.Reverse(back); !slices.Equal(got, back) {
		t.Error("the newest first is not the other way round")
	}
}

func TestMergeOfStreamsAndDays(t *testing.T) {
	b := openBook(t, t.TempDir(), nil)
	want := []string{}
	for i := range 600 { // four days, ten streams, times going forward
		at := noon.Add(time.Duration(i) * 10 * time.Minute)
		m := fmt.Sprintf("%04d", i)
		b.Put("g", fmt.Sprint("s", i%10), []time.Time{at}, []string{m})
		want = append(want, m)
	}
	b.settle(t)
	if got := messages(t, b, "g", false); !slices.Equal(got, want) {
		t.Errorf("merged wrongly: %v", got)
	}
	slices.Reverse(want)
	if got := messages(t, b, "g", true); !slices.Equal(got, want) {
		t.Errorf("merged wrongly from the end: %v", got)
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	at, m := lines(noon, 500, "line %05d")
	b, end := tryBook(t, dir, nil)
	b.Put("g", "s", at, m)
	end()
	b.Put("g", "s", at, m) // after the end: lost, but not in the way
	b = openBook(t, dir, nil)
	b.Put("g", "s", at[:1], []string{"one more"})
	b.settle(t)
	if got := messages(t, b, "g", false); len(got) != 501 || got[500] != "one more" {
		t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
	}
}

// sliceFiles are the files of all groups.
func sliceFiles(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "logs", "*", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	at, m := lines(noon, 3, "line %d")
	b, end := tryBook(t, dir, nil)
	b.Put("g", "s", at, m)
	b.settle(t)
	b.Put("g", "s", at, m)
	end()

	file := sliceFiles(t, dir)[0]
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, info.Size()-1); err != nil {
		t.Fatal(err)
	}
	b = openBook(t, dir, nil)
	if got := messages(t, b, "g", false); len(got) != 3 {
		t.Errorf("%d lines before the next write, want the 3 whole ones", len(got))
	}
	b.Put("g", "s", at, m)
	b.settle(t)
	if got := messages(t, b, "g", false); len(got) != 6 {
		t.Errorf("%d lines, want 6", len(got))
	}
	if n := len(sliceFiles(t, dir)); n != 1 {
		t.Errorf("%d files, want the torn one mended", n)
	}
}

func TestDamageIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	at, m := lines(noon, 3, "line %d")
	b, end := tryBook(t, dir, nil)
	for range 3 {
		b.Put("g", "s", at, m)
		b.settle(t)
	}
	end()
	file := sliceFiles(t, dir)[0]
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	b = openBook(t, dir, nil)
	b.Put("g", "s", at, m)
	b.settle(t)
	if got := messages(t, b, "g", false); len(got) != 6 {
		t.Errorf("%d lines, want the 3 before the damage and the 3 new ones", len(got))
	}
	after, err := os.ReadFile(file)
	if err != nil || !slices.Equal(after, data) {
		t.Errorf("the damaged file was changed (%v)", err)
	}
}

func TestRetention(t *testing.T) {
	dir := t.TempDir()
	clock := &fakeClock{t: noon}
	b := openBook(t, dir, func(c *Config) { c.Now = clock.now })
	for d := range 5 {
		at, m := lines(noon.AddDate(0, 0, -d), 1, fmt.Sprintf("day -%d", d)+"%.0d")
		b.Put("g", "s", at, m)
	}
	b.settle(t)
	a := &api{b}
	if _, err := a.putRetentionPolicy(t.Context(), &PutRetentionPolicyRequest{LogGroupName: new("g"), RetentionInDays: new(int32(3))}); err != nil {
		t.Fatal(err)
	}
	sweep := &job{do: func() error { b.writer.sweep(context.Background()); return nil }}
	if err := b.wait(sweep); err != nil {
		t.Fatal(err)
	}
	if n := len(sliceFiles(t, dir)); n != 4 { // the day that is half over is still there
		t.Errorf("%d slices, want 4", n)
	}
	clock.add(time.Minute)
	out, err := a.filterLogEvents(t.Context(), &FilterLogEventsRequest{LogGroupName: new("g")})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Events) != 3 { // but what has expired is not shown
		t.Errorf("%d events, want 3", len(out.Events))
	}
}

func TestSizeLimit(t *testing.T) {
	dir := t.TempDir()
	const limit = 1 << 20
	b := openBook(t, dir, func(c *Config) { c.MaxBytes = limit })
	for i := range 60 {
		at, m := lines(noon, 500, fmt.Sprintf("batch %02d line %%03d %0100d", i, 0))
		b.Put(fmt.Sprint("g", i%3), "s", at, m)
		b.settle(t)
		var total int64
		for _, f := range sliceFiles(t, dir) {
			info, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			total += info.Size()
		}
		if total > limit {
			t.Fatalf("%d bytes on disk, over the limit of %d", total, limit)
		}
	}
	for _, g := range []string{"g0", "g1", "g2"} {
		got := messages(t, b, g, true)
		if len(got) == 0 || !slices.IsSortedFunc(got, func(a, o string) int { return -strings.Compare(a, o) }) {
			t.Errorf("%s: %d lines", g, len(got))
		}
	}
}

func TestManyStreams(t *testing.T) {
	b := openBook(t, t.TempDir(), nil)
	var wg sync.WaitGroup
	for w := range 10 {
		wg.Go(func() {
			for i := range 100 {
				at, m := lines(noon.Add(time.Duration(i)*time.Millisecond), 10, fmt.Sprintf("%d/%d ", w, i)+"%d")
				b.Put("g", fmt.Sprintf("stream-%d-%d", w, i), at, m)
			}
		})
	}
	wg.Wait()
	b.settle(t)
	a := &api{b}
	out, err := a.getLogEvents(t.Context(), &GetLogEventsRequest{LogGroupName: new("g"), LogStreamName: new("stream-7-42")})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Events) != 10 || *out.Events[3].Message != "7/42 3" {
		t.Errorf("got %d events", len(out.Events))
	}
	all, err := a.filterLogEvents(t.Context(), &FilterLogEventsRequest{LogGroupName: new("g")})
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Events) != 10_000 || all.NextToken != nil {
		t.Errorf("%d events, token %v", len(all.Events), all.NextToken)
	}
	ids := map[string]bool{}
	for i, e := range all.Events {
		ids[*e.EventId] = true
		if i > 0 && *e.EventId <= *all.Events[i-1].EventId {
			t.Fatalf("ids do not grow: %s after %s", *e.EventId, *all.Events[i-1].EventId)
		}
	}
	if len(ids) != 10_000 {
		t.Errorf("%d different ids, want 10000", len(ids))
	}
}

// TestIndexBudget makes readers push each other's indexes out of memory.
func TestIndexBudget(t *testing.T) {
	b := openBook(t, t.TempDir(), nil)
	b.indexes.budget = 5
	for d := range 20 {
		for s := range 3 {
			at, m := lines(noon.AddDate(0, 0, d), 2, fmt.Sprintf("day %d stream %d ", d, s)+"%d")
			b.Put("g", fmt.Sprint(s), at, m)
		}
	}
	b.settle(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if got := messages(t, b, "g", i%2 == 0); len(got) != 120 {
				t.Errorf("%d lines, want 120", len(got))
			}
		})
	}
	wg.Wait()
}

// TestLossesAreToldOnce lets the disk fail for a while.
func TestLossesAreToldOnce(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	clock := &fakeClock{t: noon}
	b := openBook(t, dir, func(c *Config) { c.Now, c.Log = clock.now, slog.New(slog.NewTextHandler(&out, nil)) })
	at, m := lines(noon, 1, "%d")
	b.Put("g", "s", at, m)
	b.settle(t)
	folder := filepath.Dir(sliceFiles(t, dir)[0])
	other := noon.AddDate(0, 0, 1) // a slice that has to be made
	if err := errors.Join(os.RemoveAll(folder), os.WriteFile(folder, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for range 50 {
			b.Put("g", "s", []time.Time{other, other}, []string{"a", "b"})
			b.settle(t)
		}
		clock.add(2 * tellEvery)
	}
	if err := b.wait(&job{group: "g", stream: "s", existing: true, entries: []entry{{other.UnixMilli(), "x"}}}); err == nil {
		t.Error("what is lost was acknowledged")
	}
	if n := strings.Count(out.String(), "are lost"); n != 2 || !strings.Contains(out.String(), "lines=2 ") || !strings.Contains(out.String(), "lines=100 ") {
		t.Errorf("%d records:\n%s", n, out.String())
	}
}

// TestNamesAreKeptWhenEventsAre waits for the disk only where somebody was told
// that events are on it.
func TestNamesAreKeptWhenEventsAre(t *testing.T) {
	b := openBook(t, t.TempDir(), nil)
	kept := func(want bool) {
		t.Helper()
		b.settle(t)
		b.shelves.each(func(_ int64, sh *shelf) {
			for _, s := range sh.list() {
				if s.kept != want {
					t.Errorf("%s: kept is %v", s.path, s.kept)
				}
			}
		})
	}
	at, m := lines(noon, 1, "%d")
	b.Put("g", "s", at, m)
	kept(false)
	if err := b.wait(&job{group: "g", stream: "s", existing: true, entries: []entry{{noon.UnixMilli(), "x"}}}); err != nil {
		t.Fatal(err)
	}
	kept(true)
}

func TestLongMessageIsCut(t *testing.T) {
	b := openBook(t, t.TempDir(), nil)
	long := make([]byte, 5<<20)
	for i := range long {
		long[i] = "é"[i%2]
	}
	b.Put("g", "s", []time.Time{noon}, []string{string(long)})
	b.settle(t)
	whole := ""
	for _, m := range messages(t, b, "g", false) {
		if len(m) > maxMessage || len(m)%2 != 0 {
			t.Errorf("a piece of %d bytes", len(m))
		}
		whole += m
	}
	if whole != string(long) {
		t.Error("the pieces do not make the message")
	}
}
