package sqs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const childDir = "MAYFLY_SQS_TEST_DIR" // set in a child that is there to be killed

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		err := workUntilKilled(dir)
		fmt.Println("error", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// workUntilKilled sends to a standard and a FIFO queue, and receives and
// deletes, and says on its output what was acknowledged: "sent" a body, "got" a
// body with its count, "deleted" a body.
func workUntilKilled(dir string) error {
	db, err := store.OpenSQLite(filepath.Join(dir, "queue.db"), store.Options{Ballast: -1})
	if err != nil {
		return err
	}
	b, err := Open(context.Background(), Config{DB: db, Account: testAccount, Region: "us-east-1"})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(words ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(words...)
	}
	failed := make(chan error)
	for _, name := range []string{"q", "q.fifo"} {
		q := b.queue(name)
		for s := range 4 {
			go func() { failed <- sendUntilKilled(b, q, fmt.Sprintf("%s/%d/%d", name, os.Getpid(), s), say) }()
		}
		for range 2 {
			go func() { failed <- receiveUntilKilled(b, q, say) }()
		}
	}
	return <-failed
}

func sendUntilKilled(b *Book, q *queue, prefix string, say func(...any)) error {
	for i := 0; ; i++ {
		d := draft{body: fmt.Sprintf("%s/%06d", prefix, i)}
		if q.fifo {
			d.group, d.dedup = &prefix, &d.body
		}
		m, err := b.compose(q, &d, "me")
		if err == nil {
			err = b.send(context.Background(), q, m)
		}
		if err != nil {
			return err
		}
		say("sent", d.body)
	}
}

func receiveUntilKilled(b *Book, q *queue, say func(...any)) error {
	for n := 0; ; n++ {
		ms, err := b.receive(context.Background(), q, 3, time.Hour, time.Second)
		if err != nil {
			return err
		}
		for _, m := range ms {
			say("got", m.body, m.received, m.handle)
		}
		if n%4 == 0 && !q.fifo {
			continue
		}
		for _, m := range ms {
			r, _ := parseHandle(m.handle)
			errs, err := b.erase(context.Background(), q, []receipt{r})
			if err = errors.Join(append(errs, err)...); err != nil {
				return err
			}
			say("deleted", m.body)
		}
	}
}

// A ledger is what children said.
type ledger struct {
	sent, deleted map[string]bool
	got           map[string]string // handle by body
	order         map[string]string // last deleted by group
	errs          []string
}

func (l *ledger) note(line string) {
	f := strings.Fields(line)
	switch f[0] {
	case "sent":
		l.sent[f[1]] = true
	case "got":
		l.got[f[1]] = f[3]
		if f[2] != "1" {
			l.errs = append(l.errs, "received again: "+line) // hidden for an hour
		}
	case "deleted":
		l.deleted[f[1]] = true
		i := strings.LastIndex(f[1], "/")
		if g := f[1][:i]; strings.HasPrefix(g, "q.fifo") {
			if f[1] <= l.order[g] {
				l.errs = append(l.errs, f[1]+" after "+l.order[g])
			}
			l.order[g] = f[1]
		}
	default:
		l.errs = append(l.errs, line)
	}
}

func TestKill(t *testing.T) {
	w := newWorld(t)
	w.create("q")
	w.create("q.fifo")
	l := &ledger{sent: map[string]bool{}, deleted: map[string]bool{}, got: map[string]string{}, order: map[string]string{}}
	for round := range 5 {
		w.shut()
		killChild(t, filepath.Dir(w.path), 200+300*round, l.note)
		w.open()
		checkLedger(w, l)
		if t.Failed() {
			return
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
		if strings.Count(s.Text(), " ") >= 1 {
			note(s.Text())
		}
	}
	cmd.Wait() // killed, as wanted
}

// checkLedger holds the rows to what was acknowledged.
func checkLedger(w *world, l *ledger) {
	w.t.Helper()
	if len(l.errs) > 0 {
		w.t.Fatal(l.errs)
	}
	rows := map[string]*message{}
	err := w.db.View(context.Background(), func(tx store.Tx) error {
		ms, err := store.All(tx, scanMessage, `SELECT `+messageColumns+` FROM sqs_message`)
		for _, m := range ms {
			rows[m.body] = m
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for body := range l.sent {
		if rows[body] == nil && !l.deleted[body] && l.got[body] == "" {
			w.t.Errorf("%s was sent and is lost", body)
		}
	}
	for body := range l.deleted {
		if rows[body] != nil {
			w.t.Errorf("%s was deleted and is there", body)
		}
	}
	for body, handle := range l.got {
		m := rows[body]
		r, _ := parseHandle(handle)
		if m != nil && (m.received != r.count || m.visible <= w.ms()) {
			w.t.Errorf("%s was received and its claim is lost: %d", body, m.received)
		}
	}
	flying, total := 0, 0
	for _, name := range []string{"q", "q.fifo"} {
		v, f, d := w.queue(name).counts()
		flying, total = flying+f, total+v+f+d
	}
	claims := 0
	for _, m := range rows {
		if m.received > 0 {
			claims++
		}
	}
	if total != len(rows) || flying != claims {
		w.t.Errorf("the index has %d messages, %d in flight; the rows are %d, %d of them claimed", total, flying, len(rows), claims)
	}
}
