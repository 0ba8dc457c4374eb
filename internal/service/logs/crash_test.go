package logs

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const childDir = "MAYFLY_LOGS_TEST_DIR" // set in a child that is there to be killed

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		writeUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// writeUntilKilled puts lines as the engine does, and events as the API does,
// and says on its output which of those were acknowledged.
func writeUntilKilled(dir string) {
	db, err := store.OpenSQLite(filepath.Join(dir, "x.db"), store.Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	b, err := Open(context.Background(), Config{DB: db, Dir: filepath.Join(dir, "logs")})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	for i := 0; ; i++ {
		now := time.Now()
		b.Put("engine", "s", []time.Time{now}, []string{strconv.Itoa(i)})
		if i%10 > 0 {
			continue
		}
		b.Put("api", "s", []time.Time{now}, []string{"first"}) // makes the stream
		j := &job{group: "api", stream: "s", existing: true, entries: []entry{{now.UnixMilli(), "event " + strconv.Itoa(i)}}}
		if err := b.wait(j); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := -1
	for round := range 3 {
		acknowledged = max(acknowledged, killChild(t, dir, 40*(round+1)))
		func() {
			b, end := tryBook(t, dir, nil)
			defer end()
			checkSurvived(t, b, acknowledged)
		}()
		if t.Failed() {
			return
		}
		os.RemoveAll(dir) // each round on an empty folder: its numbers begin at 0
		acknowledged = -1
	}
}

// killChild starts a child, kills it after so many answers, and returns the last.
func killChild(t *testing.T, dir string, answers int) int {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := -1
	for s := bufio.NewScanner(out); answers > 0 && s.Scan(); answers-- {
		if last, err = strconv.Atoi(s.Text()); err != nil {
			t.Errorf("child: %s", s.Text())
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	cmd.Wait() // killed, as wanted
	return last
}

func checkSurvived(t *testing.T, b *Book, acknowledged int) {
	t.Helper()
	seen := strings.Join(messages(t, b, "api", false), "\n") + "\n"
	for i := 0; i <= acknowledged; i += 10 {
		if !strings.Contains(seen, fmt.Sprintf("event %d\n", i)) {
			t.Errorf("acknowledged event %d is lost", i)
		}
	}
	lines := messages(t, b, "engine", false)
	for i, m := range lines {
		if m != strconv.Itoa(i) {
			t.Fatalf("line %d says %q", i, m)
		}
	}
	if len(lines) <= acknowledged {
		t.Errorf("%d lines, but event %d came after that many", len(lines), acknowledged)
	}
	out, err := (&api{b}).describeLogStreams(t.Context(), &DescribeLogStreamsRequest{LogGroupName: new("engine")})
	if err != nil {
		t.Fatal(err)
	}
	page, err := (&api{b}).getLogEvents(t.Context(), &GetLogEventsRequest{LogGroupName: new("engine"), LogStreamName: new("s"), Limit: new(int32(1))})
	if err != nil {
		t.Fatal(err)
	}
	if s := out.LogStreams[0]; s.LastEventTimestamp == nil || *s.LastEventTimestamp != *page.Events[0].Timestamp {
		t.Errorf("stream's last event %v, want %d", s.LastEventTimestamp, *page.Events[0].Timestamp)
	}
}
