package kinesis

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const childDir = "MAYFLY_KINESIS_TEST_DIR" // set in a child that is there to be killed

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Println("error", workUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// workUntilKilled puts records under several keys while shards are split and
// merged, and says which were acknowledged: "put" key, number, sequence number.
func workUntilKilled(dir string) error {
	db, err := store.OpenSQLite(filepath.Join(dir, "streams.db"), store.Options{Ballast: -1})
	if err != nil {
		return err
	}
	b, err := Open(context.Background(), Config{DB: db, Account: testAccount, Region: "us-east-1"})
	if err != nil {
		return err
	}
	st := b.stream("s")
	failed := make(chan error)
	var mu sync.Mutex // guards the output
	for i := range 6 {
		key := fmt.Sprintf("%d/%d", os.Getpid(), i)
		go func() {
			for n := 0; ; n++ {
				p := &put{st: st, drafts: []draft{{hashOf(key), key, fmt.Appendf(nil, "%06d", n)}}}
				if err := b.put(p); err != nil {
					failed <- err
					return
				}
				if w := p.placed[0]; !w.throttled {
					mu.Lock()
					fmt.Println("put", key, n, w.shard.ix, w.seq)
					mu.Unlock()
				}
			}
		}()
	}
	go func() { failed <- reshapeForever(b, st) }()
	return <-failed
}

func reshapeForever(b *Book, st *stream) error {
	for {
		b.admin.Lock()
		err := b.reshape(st, func(r *reshaping, l layout) {
			if len(l.open) < 4 {
				r.split(l.open[0], middle(l.open[0].low, l.open[0].high))
				return
			}
			r.uniform(l.open, 2)
		})
		b.admin.Unlock()
		if err != nil {
			return err
		}
	}
}

// TestKill: after kill -9, again and again, every acknowledged record is there
// once, where it was said to be, and those of a key are in order.
func TestKill(t *testing.T) {
	w := newWorld(t)
	w.make("s", 2)
	type where struct {
		shard int
		seq   int64
	}
	said := map[string]where{}
	for round := range 6 {
		w.shut()
		killChild(t, filepath.Dir(w.path), 100+250*round, func(line string) {
			var key string
			var n int
			var at where
			if _, err := fmt.Sscanf(line, "put %s %d %d %d", &key, &n, &at.shard, &at.seq); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			said[fmt.Sprintf("%s %06d", key, n)] = at
		})
		w.open()
		st := w.stream("s")
		checkRing(t, st)
		last := map[string]string{}
		there := map[string]where{}
		for _, sh := range st.layout().shards { // parents first
			for _, r := range w.everything(sh) {
				name := r.key + " " + string(r.data)
				if _, twice := there[name]; twice || string(r.data) <= last[r.key] {
					t.Errorf("%s is there after %s", name, last[r.key])
				}
				there[name], last[r.key] = where{sh.ix, r.seq}, string(r.data)
			}
		}
		for name, at := range said {
			if there[name] != at {
				t.Errorf("%s was put at %v, and is at %v", name, at, there[name])
			}
		}
		if t.Failed() || len(said) == 0 {
			t.Fatalf("round %d, of %d records", round, len(said))
		}
	}
}

// everything reads a shard as it is on disk.
func (w *world) everything(sh *shard) (list []found) {
	w.t.Helper()
	seq := int64(0)
	for {
		p, err := w.read(context.Background(), sh, seq, 1000, 1<<20)
		if err != nil {
			w.t.Fatal(err)
		}
		list, seq = append(list, p.records...), p.next
		if p.tip {
			return list
		}
	}
}

// killChild kills a child after so many lines, and notes all that it said.
func killChild(t *testing.T, dir string, lines int, note func(string)) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(out)
	for n := 0; s.Scan(); n++ {
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
		if strings.Count(s.Text(), " ") == 4 { // the last line may be cut off
			note(s.Text())
		}
	}
	cmd.Wait() // killed, as wanted
}
