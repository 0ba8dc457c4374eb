package store_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const (
	childPath = "MAYFLY_STORE_CHILD"
	childSync = "MAYFLY_STORE_CHILD_SYNC"
)

// TestMain is also the child that the crash tests stop: it writes as fast as it
// can and prints the number of each row that was acknowledged.
func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		writeForever(path)
	}
	os.Exit(m.Run())
}

func writeForever(path string) {
	level, _ := strconv.Atoi(os.Getenv(childSync))
	db, err := store.OpenSQLite(path, store.Options{Sync: store.Sync(level), Ballast: 1 << 20})
	if err == nil {
		err = db.Migrate(context.Background(), "test", `CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)`)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var mu sync.Mutex // guards standard output
	data := make([]byte, 3000)
	for range 8 {
		go func() {
			for {
				var id int
				err := db.Update(context.Background(), func(tx store.Tx) error {
					return tx.Get([]any{&id}, `INSERT INTO t (data) VALUES (?) RETURNING id`, data[:rand.IntN(len(data))])
				})
				mu.Lock()
				fmt.Println(id, err)
				mu.Unlock()
			}
		}()
	}
	select {}
}

// A child is a writer that is going to be stopped.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	acked []int
}

func startChild(t *testing.T, path string, level store.Sync) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(exe)}
	c.cmd.Env = append(os.Environ(), childPath+"="+path, childSync+"="+strconv.Itoa(int(level)))
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewScanner(out)
	return c
}

// read takes n acknowledgements, or all to the child's end if n is 0.
func (c *child) read(t *testing.T, n int) {
	t.Helper()
	for i := 1; c.lines.Scan(); i++ {
		text, ok := strings.CutSuffix(c.lines.Text(), " <nil>")
		id, err := strconv.Atoi(text)
		if !ok || err != nil {
			t.Fatalf("the child says %q", c.lines.Text())
		}
		c.acked = append(c.acked, id)
		if i == n {
			return
		}
	}
}

// kill ends the child and reads what it acknowledged before.
func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.read(t, 0)
	_ = c.cmd.Wait() // it was killed
}

// check looks for every acknowledged row, and at the database's health.
func check(t *testing.T, path string, acked []int) {
	t.Helper()
	db := openSQLite(t, path, store.Options{Ballast: 1 << 20})
	defer db.Close()
	there := map[int]bool{}
	err := db.View(context.Background(), func(tx store.Tx) error {
		return tx.Each(`SELECT id FROM t`, nil, func(scan func(...any) error) error {
			var id int
			err := scan(&id)
			there[id] = true
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, id := range acked {
		if !there[id] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged rows are lost", lost, len(acked))
	}
	var health string
	err = db.View(context.Background(), func(tx store.Tx) error {
		return tx.Each(`PRAGMA integrity_check`, nil, func(scan func(...any) error) error { return scan(&health) })
	})
	if err != nil || health != "ok" {
		t.Errorf("the database is %q, %v", health, err)
	}
}

func TestKill(t *testing.T) {
	for name, level := range map[string]store.Sync{"Full": store.Full, "Normal": store.Normal} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			var acked []int
			for range 20 {
				c := startChild(t, path, level)
				c.read(t, 1+rand.IntN(500))
				c.kill(t)
				acked = append(acked, c.acked...)
				check(t, path, acked)
			}
			t.Logf("%d rows were acknowledged over 20 kills", len(acked))
		})
	}
}

// tool runs a command of the system and skips the test when it cannot.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Skipf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// mounted mounts what at a new folder for the time of the test.
func mounted(t *testing.T, kind, what, options string) string {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("mounting needs root on Linux")
	}
	dir, err := os.MkdirTemp("", "mnt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(dir) })
	tool(t, "mount", "-t", kind, "-o", options, what, dir)
	t.Cleanup(func() { unmount(t, dir) })
	return dir
}

func unmount(t *testing.T, dir string) {
	if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
		t.Errorf("umount: %v: %s", err, out)
	}
}

// TestPowerLoss stops a writer dead and looks at a copy of its disk as it is at
// that moment: what a file system has only in memory is not on it. The journal
// commits on its own every ten minutes, so that nothing is saved by luck.
func TestPowerLoss(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a loop device needs root")
	}
	images := t.TempDir()
	disk := filepath.Join(images, "disk")
	tool(t, "truncate", "-s", "192M", disk)
	tool(t, "mkfs.ext4", "-q", "-F", disk)
	dir := mounted(t, "ext4", disk, "loop,commit=600")

	for round := range 3 {
		path := filepath.Join(dir, fmt.Sprint(round), "x.db")
		c := startChild(t, path, store.Full)
		c.read(t, 500+rand.IntN(1500))
		if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		stopped(t, c.cmd.Process.Pid)
		frozen := filepath.Join(images, fmt.Sprint("copy", round))
		copyFile(t, disk, frozen)
		c.kill(t)
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			after := mounted(t, "ext4", frozen, "loop")
			check(t, filepath.Join(after, fmt.Sprint(round), "x.db"), c.acked)
			t.Logf("%d rows were acknowledged", len(c.acked))
		})
	}
}

// stopped waits until the process does not run any more: a signal takes a
// moment to reach all its threads.
func stopped(t *testing.T, pid int) {
	t.Helper()
	var s syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &s, syscall.WUNTRACED, nil); err != nil || !s.Stopped() {
		t.Fatalf("the child has status %v, %v", s, err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	r, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := io.Copy(w, r); err != nil {
		t.Fatal(err)
	}
}

func TestDiskFull(t *testing.T) {
	t.Run("tmpfs", func(t *testing.T) { diskFull(t, mounted(t, "tmpfs", "none", "size=100m")) })
	t.Run("ext4", func(t *testing.T) {
		disk := filepath.Join(t.TempDir(), "disk")
		tool(t, "truncate", "-s", "112M", disk)
		tool(t, "mkfs.ext4", "-q", "-F", "-m", "0", disk)
		diskFull(t, mounted(t, "ext4", disk, "loop"))
	})
}

// diskFull fills the disk through the database and finds that deletes still
// work, and all else once they made room.
func diskFull(t *testing.T, dir string) {
	o := store.Options{}
	path := filepath.Join(dir, "x.db")
	db := openSQLite(t, path, o)
	ctx := context.Background()
	rows := 0
	fill := func() (err error) {
		for range 10_000 {
			if err = db.Update(ctx, insertBytes(500_000)); err != nil {
				return err
			}
			rows++
		}
		return nil
	}
	if err := fill(); !isFull(err) {
		t.Fatalf("after %d rows: %v, want ErrFull", rows, err)
	}
	for range 3 {
		if err := db.Update(ctx, insertBytes(1)); !isFull(err) {
			t.Errorf("an insert answers %v, want ErrFull", err)
		}
	}
	if _, err := os.Stat(path + ".ballast"); err == nil {
		t.Error("the ballast is still there")
	}
	if n := countRows(t, db); n != rows {
		t.Errorf("%d rows are there, %d were acknowledged", n, rows)
	}
	if err := db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	db = openSQLite(t, path, o) // also with a full disk
	if err := db.Update(ctx, insertBytes(1)); !isFull(err) {
		t.Errorf("an insert answers %v, want ErrFull", err)
	}
	for range 100 { // a little at a time
		err := db.Update(ctx, func(tx store.Tx) error {
			_, err := tx.Exec(`DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY id LIMIT 10)`)
			return err
		})
		if err != nil {
			t.Fatalf("a delete answers %v", err)
		}
	}
	if n := countRows(t, db); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if err := db.Update(ctx, insertBytes(500_000)); err != nil {
		t.Errorf("an insert after the deletes answers %v", err)
	}
	if _, err := os.Stat(path + ".ballast"); err != nil {
		t.Errorf("the ballast is not there again: %v", err)
	}
	t.Logf("%d rows of 500 KB filled the disk", rows)
	if err := db.Close(); err != nil { // before the disk goes
		t.Error(err)
	}
}

func countRows(t *testing.T, db store.DB) (n int) {
	t.Helper()
	err := db.View(context.Background(), func(tx store.Tx) error { return tx.Get([]any{&n}, `SELECT count(*) FROM t`) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}
