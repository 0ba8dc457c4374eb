package events

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const childDir = "MAYFLY_EVENTS_TEST_DIR" // set in a child that is there to be killed

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		putUntilKilled(dir, os.Args[1])
	}
	os.Exit(m.Run())
}

// putUntilKilled puts events from many goroutines, and says which were
// acknowledged.
func putUntilKilled(dir, round string) {
	t := new(testing.T)
	w := openWorld(t, openDB(t, filepath.Join(dir, "x.db")))
	w.rule("r", anything, at("1", q1), at("2", q2))
	var wait sync.WaitGroup
	for g := range 16 {
		wait.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%d", round, g, i)
				out, err := w.putEvents(context.Background(), &PutEventsRequest{Entries: []*PutEventsRequestEntry{
					{Source: new("a"), DetailType: new("d"), Detail: new(`{"id":"` + id + `"}`)},
				}})
				if err != nil || *out.FailedEntryCount > 0 {
					fmt.Println("error", err)
					os.Exit(1)
				}
				fmt.Println(id)
			}
		})
	}
	wait.Wait()
}

// TestKill: a server is killed while it takes events. What was acknowledged is
// at both targets, and nothing is there twice, or at one of them alone.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for round := range 5 {
		killChild(t, dir, round, 200*(round+1), acknowledged)
	}
	db := openDB(t, filepath.Join(dir, "x.db"))
	defer db.Close()
	w := openWorld(t, db)
	defer w.Close()
	count := func(queue string) map[string]int {
		n := map[string]int{}
		for _, text := range w.got(queue) {
			n[string(parsed(t, text).Detail)]++
		}
		return n
	}
	one, two := count("q1"), count("q2")
	for id := range acknowledged {
		if d := `{"id":"` + id + `"}`; one[d] != 1 || two[d] != 1 {
			t.Errorf("%s is there %d and %d times", id, one[d], two[d])
		}
	}
	for d, n := range one {
		if n != 1 || two[d] != 1 {
			t.Errorf("%s: %d and %d", d, n, two[d])
		}
	}
	if len(acknowledged) < 2000 || len(one) != len(two) {
		t.Errorf("%d acknowledged, %d and %d there", len(acknowledged), len(one), len(two))
	}
}

func killChild(t *testing.T, dir string, round, answers int, acknowledged map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], strconv.Itoa(round))
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(out); answers > 0 && s.Scan(); answers-- {
		if strings.HasPrefix(s.Text(), "error") {
			t.Errorf("child: %s", s.Text())
		}
		acknowledged[s.Text()] = true
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	cmd.Wait() // killed, as wanted
}
