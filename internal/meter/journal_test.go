package meter

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const childDir = "MAYFLY_METER_CHILD"

// TestMain is also the child that the crash test kills: it meters as fast as it
// can and prints a letter for each acknowledged use.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		meterForever(dir)
	}
	os.Exit(m.Run())
}

func meterForever(dir string) {
	t := &testing.B{}
	m := reopen(t, openDB(t, dir), filepath.Join(dir, "usage"))
	for worker := range 4 {
		go func() {
			for i := 0; ; i++ {
				u := use(t, "2026-11-01 12:00")
				u.Version = fmt.Sprint(i % 3)
				add(t, m, u)
				os.Stdout.Write([]byte("+")) // one system call: it is whole or not there
				if worker == 0 && i%50 == 0 {
					if err := m.Fold(t.Context()); err != nil {
						panic(err)
					}
				}
			}
		}()
	}
	select {}
}

func openDB(t testing.TB, dir string) store.DB {
	t.Helper()
	db, err := store.OpenSQLite(filepath.Join(dir, "usage.db"), store.Options{Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestKill: after kill -9 the bill has every acknowledged use, and no more than
// those that were under way beside them. It goes on where it was killed.
func TestKill(t *testing.T) {
	dir, acked, rounds := t.TempDir(), 0, 8
	for range rounds {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		child := exec.Command(exe)
		child.Env = append(os.Environ(), childDir+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(out)
		for n, end := 0, 100+rand.IntN(3000); ; n++ {
			if n == end {
				child.Process.Kill()
			}
			c, err := in.ReadByte()
			if err != nil {
				break
			}
			if c != '+' {
				rest, _ := in.ReadString(0)
				t.Fatalf("the child says %q", string(c)+rest)
			}
			acked++
		}
		child.Wait() // it was killed
	}
	db := openDB(t, dir)
	defer db.Close()
	m := reopen(t, db, filepath.Join(dir, "usage"))
	billed := int64(0)
	for _, s := range rows(t, m) {
		billed += s.requests
	}
	if billed < int64(acked) || billed > int64(acked+4*rounds) {
		t.Errorf("%d uses are billed, %d were acknowledged", billed, acked)
	}
	if files, _ := os.ReadDir(m.dir); len(files) != 0 {
		t.Errorf("%d journals stay", len(files))
	}
}

// left is the one journal in m's folder, as a killed process leaves it.
func left(t testing.TB, m *Meter) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(m.dir, "*"+journalName))
	if err != nil || len(files) != 1 {
		t.Fatalf("journals: %v, %v", files, err)
	}
	return files[0]
}

// Wherever the last frame was cut, those before it count.
func TestTorn(t *testing.T) {
	m := open(t)
	add(t, m, use(t, "2026-11-01 12:00"))
	path := left(t, m)
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	add(t, m, use(t, "2026-11-01 12:00"))
	both, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(both) + 1 {
		if err := os.WriteFile(path, both[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := readJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		want := int64(0)
		if n >= len(first) {
			want++
		}
		if n == len(both) {
			want++
		}
		r, _ := rowOf(use(t, "2026-11-01 12:00"))
		if got := j.sums[r].requests; got != want {
			t.Fatalf("%d uses of %d bytes of %d, want %d", got, n, len(both), want)
		}
	}
}

// A crash between any two steps of a fold counts nothing twice.
func TestFoldedOnce(t *testing.T) {
	m := open(t)
	add(t, m, use(t, "2026-11-01 12:00"))
	if err := m.db.Update(t.Context(), m.open.store); err != nil { // then it was killed
		t.Fatal(err)
	}
	again := reopen(t, m.db, m.dir)
	r, _ := rowOf(use(t, "2026-11-01 12:00"))
	if got := rows(t, again)[r]; got.requests != 1 {
		t.Errorf("%d requests, want 1", got.requests)
	}
	var rest int
	err := m.db.View(t.Context(), func(tx store.Tx) error { return tx.Get([]any{&rest}, `SELECT count(*) FROM meter_folded`) })
	if err != nil || rest != 0 {
		t.Errorf("%d folded journals are remembered, %v", rest, err)
	}
}

func FuzzFrame(f *testing.F) {
	r := row{day: 20000, function: hello, version: "$LATEST", arch: ARM, memory: 128, tmp: 512, provisioned: true}
	f.Add(appendFrame(nil, r, 1))
	f.Add([]byte{0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ms, rest, err := cutFrame(b)
		if err != nil {
			return
		}
		again, ms2, rest2, err := cutFrame(appendFrame(nil, r, ms))
		if err != nil || again != r || ms2 != ms || len(rest2) != 0 || len(rest) > len(b) {
			t.Errorf("%v, %d became %v, %d, %v", r, ms, again, ms2, err)
		}
	})
}

// Whatever can be counted comes back from a frame.
func TestFrames(t *testing.T) {
	var b []byte
	var want []row
	for i := range 200 {
		u := use(t, "2026-11-01 12:00")
		u.Version, u.MemoryMB, u.BilledMS = strings.Repeat("9", i), 1+rand.IntN(10240), rand.Int64N(maxNumber)
		u.Provisioned = i%2 == 0
		if i%3 == 0 {
			u.Arch = ARM
		}
		r, err := rowOf(u)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, r)
		b = appendFrame(b, r, u.BilledMS)
	}
	var got []row
	for len(b) > 0 {
		r, _, rest, err := cutFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		got, b = append(got, r), rest
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the rows became %v", got)
	}
}
