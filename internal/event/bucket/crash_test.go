package bucket

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const childDir = "MAYFLY_BUCKET_CHILD"

// TestMain is also the children that the crash tests kill.
func TestMain(m *testing.M) {
	for name, run := range map[string]func(string) error{childDir: changeForever, writerDir: writeForever} {
		dir := os.Getenv(name)
		if dir == "" {
			continue
		}
		if err := run(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// kills is how often to kill.
func kills(t *testing.T) int {
	if n, err := strconv.Atoi(os.Getenv("MAYFLY_KILLS")); err == nil {
		return n
	}
	if testing.Short() {
		return 2
	}
	return 6
}

// A diskShelf is an outbox on disk. It gives the numbers of what is gone again.
type diskShelf struct {
	db   store.DB
	wake chan struct{} // capacity 1
}

func (s *diskShelf) add(ctx context.Context, c object.Change) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	err = s.db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(`INSERT INTO changes (doc) VALUES (?)`, text)
		return err
	})
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return err
}

func (s *diskShelf) Changes(ctx context.Context, after int64, limit int) ([]object.Change, error) {
	for {
		all, err := store.Read(ctx, s.db, func(tx store.Tx) ([]object.Change, error) {
			return store.All(tx, func(scan func(...any) error) (c object.Change, err error) {
				var text []byte
				var seq int64
				if err := scan(&seq, &text); err != nil {
					return c, err
				}
				err = json.Unmarshal(text, &c)
				c.Seq = seq
				return c, err
			}, `SELECT seq, doc FROM changes WHERE seq > ? ORDER BY seq LIMIT ?`, after, limit)
		})
		if err != nil || len(all) > 0 {
			return all, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *diskShelf) Told(ctx context.Context, seqs ...int64) error {
	return s.db.Update(ctx, func(tx store.Tx) error {
		for _, seq := range seqs {
			if _, err := tx.Exec(`DELETE FROM changes WHERE seq = ?`, seq); err != nil {
				return err
			}
		}
		return nil
	})
}

// sink writes down what it takes, within the transaction.
type sink struct{}

func (sink) Enqueue(tx store.Tx, _ arn.ARN, d target.Delivery) (func(), error) {
	_, err := tx.Exec(`INSERT INTO sink (doc) VALUES (?)`, d.Payload)
	return func() {}, err
}

// openHouse opens two databases, and a forwarder between them.
func openHouse(ctx context.Context, dir string) (objects *diskShelf, events store.DB, f *Forwarder, err error) {
	open := func(name, schema string) (db store.DB) {
		if err == nil {
			db, err = store.OpenSQLite(filepath.Join(dir, name), store.Options{Sync: store.Full, Ballast: -1})
		}
		if err == nil {
			err = db.Migrate(ctx, "test", schema)
		}
		return db
	}
	objects = &diskShelf{wake: make(chan struct{}, 1)}
	objects.db = open("objects.db", `CREATE TABLE changes (seq INTEGER PRIMARY KEY, doc BLOB NOT NULL)`)
	events = open("queue.db", `CREATE TABLE sink (id INTEGER PRIMARY KEY, doc BLOB NOT NULL)`)
	if err != nil {
		return nil, nil, nil, err
	}
	r := new(target.Router)
	r.Register("sqs", sink{})
	f, err = Open(ctx, Config{DB: events, Changes: objects, Router: r, Account: "000000000000", Region: "us-east-1", Log: slog.New(slog.DiscardHandler)})
	return objects, events, f, err
}

// changeForever changes objects as fast as it can, and prints what is on disk.
func changeForever(dir string) error {
	objects, _, _, err := openHouse(context.Background(), dir)
	if err != nil {
		return err
	}
	failed := make(chan error)
	var mu sync.Mutex // guards standard output
	for i := range 8 {
		go func() {
			for n := 0; ; n++ {
				key := fmt.Sprintf("%d-%d", os.Getpid(), i)
				c := of(key)[0]
				c.Time, c.Object.Sequencer = time.Now(), fmt.Sprintf("%08x", n)
				if err := objects.add(context.Background(), c); err != nil {
					failed <- err
				}
				mu.Lock()
				fmt.Println(key, n)
				mu.Unlock()
				if n%8 == 7 {
					time.Sleep(time.Millisecond) // let the forwarder catch up, and numbers come again
				}
			}
		}()
	}
	return <-failed
}

// TestKilledAtAnyTime kills whoever changes objects and tells of it, again and
// again: each change is told once, and those of a key in order. MAYFLY_KILLS makes
// it longer.
func TestKilledAtAnyTime(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	kills, dir, acked := kills(t), t.TempDir(), map[string]int{} // of each key the last
	for range kills {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for left := 100 + rand.IntN(400); lines.Scan(); left-- {
			key, n, _ := strings.Cut(lines.Text(), " ")
			if acked[key], err = strconv.Atoi(n); err != nil {
				t.Fatal(lines.Text())
			}
			if left == 0 {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
	}
	told := finish(t, dir)
	total := 0
	for key, last := range acked {
		if n := told[key]; n <= last {
			t.Errorf("%s: %d changes are on disk, and %d were told", key, last+1, n)
		}
		total += last + 1
	}
	t.Logf("%d kills, %d changes", kills, total)
	if total < 100*kills {
		t.Errorf("only %d changes", total)
	}
}

// finish tells what is left, and answers how many of each key were told.
func finish(t *testing.T, dir string) map[string]int {
	objects, events, f, err := openHouse(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer objects.db.Close()
	defer events.Close()
	for left := 1; left > 0; time.Sleep(5 * time.Millisecond) {
		err := objects.db.View(t.Context(), func(tx store.Tx) error { return tx.Get([]any{&left}, `SELECT COUNT(*) FROM changes`) })
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	err = events.View(t.Context(), func(tx store.Tx) error {
		return tx.Each(`SELECT doc FROM sink ORDER BY id`, nil, func(scan func(...any) error) error {
			var doc []byte
			var n notice
			if err := scan(&doc); err != nil {
				return err
			}
			if err := json.Unmarshal(doc, &n); err != nil {
				return err
			}
			o := n.Records[0].S3.Object
			if want := fmt.Sprintf("%08X", told[o.Key]); o.Sequencer != want {
				t.Errorf("%s: %s was told, want %s", o.Key, o.Sequencer, want)
			}
			told[o.Key]++
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return told
}
