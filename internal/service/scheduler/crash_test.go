package scheduler

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const childDir = "MAYFLY_SCHEDULER_TEST_DIR" // set in a child that is there to be killed

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fireUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// A loud desk says on its output what it took.
type loud struct{ desk }

func (l *loud) Enqueue(tx store.Tx, to arn.ARN, e target.Delivery) (func(), error) {
	_, err := l.desk.Enqueue(tx, to, e)
	return func() { fmt.Println("sent", string(e.Payload)) }, err
}

func fireUntilKilled(dir string) {
	db, err := store.OpenSQLite(filepath.Join(dir, "x.db"), store.Options{})
	if err == nil {
		err = db.Migrate(context.Background(), "desk", `CREATE TABLE desk (id INTEGER PRIMARY KEY, arn TEXT NOT NULL, payload BLOB NOT NULL)`)
	}
	r := new(target.Router)
	r.Register("sqs", new(loud))
	if err == nil {
		_, err = Open(context.Background(), Config{DB: db, Account: account, Region: region, Router: r, Log: slog.New(slog.DiscardHandler)})
	}
	fmt.Println("open", err)
	select {} // until killed
}

// TestKill: a server is killed again and again while thousands of schedules
// fire. Every tick is sent, none twice.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	const n = 4000
	func() {
		db := openDB(t, filepath.Join(dir, "x.db"))
		defer db.Close()
		w := openWorld(t, db)
		defer w.Close()
		w.fill(n, time.Now().Add(time.Hour))
		// All are due from the next start on.
		err := db.Update(t.Context(), func(tx store.Tx) error {
			_, err := tx.Exec(`UPDATE scheduler_schedule SET tick = 1000, due = 1000`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}()
	sent := map[string]bool{}
	for round := range 6 {
		killChild(t, dir, 150*round, sent)
	}
	db := openDB(t, filepath.Join(dir, "x.db"))
	defer db.Close()
	w := openWorld(t, db)
	defer w.Close()
	for n := 1; n > 0; {
		var err error
		if n, _, err = w.fire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	times := map[string]int{}
	for _, p := range w.payloads() {
		times[p]++
	}
	for i := range n {
		if p := fmt.Sprint("s", i); times[p] != 1 {
			t.Errorf("%s was sent %d times", p, times[p])
		}
	}
	for p := range sent {
		if times[p] == 0 {
			t.Errorf("%s was seen and is lost", p)
		}
	}
}

// killChild kills a child when it has sent so many.
func killChild(t *testing.T, dir string, after int, sent map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(out)
	for left := after + 1; left > 0 && s.Scan(); left-- {
		if p, ok := strings.CutPrefix(s.Text(), "sent "); ok {
			sent[p] = true
		} else if s.Text() != "open <nil>" {
			t.Errorf("child: %s", s.Text())
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	cmd.Wait() // killed, as wanted
}
