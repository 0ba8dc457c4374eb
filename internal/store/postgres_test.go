package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/store/storetest"
)

// A server is a private PostgreSQL on a unix socket in a temporary folder.
type server struct {
	bin, dir string
	as       *syscall.Credential // nil: whoever runs the test
	dbs      int
}

// startPostgres starts a server for the time of the test. It skips the test
// when PostgreSQL is not installed. settings are lines of postgresql.conf.
func startPostgres(t testing.TB, settings ...string) *server {
	t.Helper()
	s := &server{bin: postgresBin(t)}
	var err error
	// Not t.TempDir: a socket's path must be short, and its owner is another.
	// In memory where that can be: its own durability is not what is tested.
	memory := "/dev/shm"
	if _, err := os.Stat(memory); err != nil {
		memory = ""
	}
	if s.dir, err = os.MkdirTemp(memory, "pg"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(s.dir) })
	if os.Geteuid() == 0 { // which PostgreSQL refuses to run as
		s.as = otherUser(t)
		if err := os.Chown(s.dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	s.run(t, "initdb", "-D", s.data(), "-U", "mayfly", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	conf := append([]string{"", "listen_addresses = ''", "unix_socket_directories = '" + s.dir + "'"}, settings...)
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Join(conf, "\n") + "\n"); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	t.Cleanup(func() { s.stop(t, "immediate") })
	return s
}

func postgresBin(t testing.TB) string {
	places, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is good
	if p, err := exec.LookPath("pg_ctl"); err == nil {
		places = append([]string{filepath.Dir(p)}, places...)
	}
	for _, bin := range append(places, "/usr/local/bin") {
		if _, err := os.Stat(filepath.Join(bin, "initdb")); err == nil {
			return bin
		}
	}
	t.Skip("PostgreSQL is not installed: no initdb and pg_ctl in PATH or /usr/lib/postgresql/*/bin (on Debian: apt-get install postgresql)")
	return ""
}

func otherUser(t testing.TB) *syscall.Credential {
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.Atoi(u.Uid)
			gid, _ := strconv.Atoi(u.Gid)
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	t.Skip("PostgreSQL does not run as root, and there is no user postgres or nobody")
	return nil
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

func (s *server) run(t testing.TB, command string, args ...string) {
	t.Helper()
	c := exec.Command(filepath.Join(s.bin, command), args...)
	c.Dir = s.dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	// A server that pg_ctl leaves behind holds these; a pipe would not end.
	log, err := os.CreateTemp(t.TempDir(), command)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.Stdout, c.Stderr = log, log
	if err := c.Run(); err != nil {
		out, _ := os.ReadFile(log.Name())
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

func (s *server) start(t testing.TB) {
	t.Helper()
	s.run(t, "pg_ctl", "-D", s.data(), "-w", "-l", filepath.Join(s.dir, "log"), "start")
}

func (s *server) stop(t testing.TB, mode string) {
	t.Helper()
	s.run(t, "pg_ctl", "-D", s.data(), "-w", "-m", mode, "stop")
}

// database makes an empty database and answers its address.
func (s *server) database(t testing.TB) string {
	t.Helper()
	s.dbs++
	name := fmt.Sprintf("test%d", s.dbs)
	s.sql(t, "CREATE DATABASE "+name)
	return s.dsn(name)
}

func (s *server) dsn(db string) string {
	return fmt.Sprintf("host=%s user=mayfly dbname=%s", s.dir, db)
}

func (s *server) sql(t testing.TB, query string) {
	t.Helper()
	c, err := pgx.Connect(context.Background(), s.dsn("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(context.Background(), query); err != nil {
		t.Fatal(err)
	}
}

func openPostgres(t testing.TB, dsn string) store.DB {
	t.Helper()
	db, err := store.OpenPostgres(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestPostgres(t *testing.T) {
	s := startPostgres(t)
	storetest.Run(t, func(t *testing.T) func() (store.DB, error) {
		dsn := s.database(t)
		return func() (store.DB, error) { return store.OpenPostgres(context.Background(), dsn) }
	})
	t.Run("TwoNodes", func(t *testing.T) { twoNodes(t, s.database(t)) })
	t.Run("MigrateAtOnce", func(t *testing.T) { migrateAtOnce(t, s.database(t)) })
	t.Run("Restart", func(t *testing.T) { restart(t, s) })
	t.Run("Unsafe", func(t *testing.T) { unsafe(t, s) })
	t.Run("Unreachable", func(t *testing.T) {
		_, err := store.OpenPostgres(context.Background(), "host="+t.TempDir()+" user=mayfly password=secret123")
		if err == nil || strings.Contains(err.Error(), "secret123") {
			t.Errorf("opening answers %v", err)
		}
	})
}

// Two nodes that read and write the same row lose none of their writes.
func twoNodes(t *testing.T, dsn string) {
	ctx := context.Background()
	nodes := []store.DB{openPostgres(t, dsn), openPostgres(t, dsn)}
	if err := nodes[0].Migrate(ctx, "n", `CREATE TABLE n (n INTEGER NOT NULL)`, `INSERT INTO n VALUES (0)`); err != nil {
		t.Fatal(err)
	}
	const each = 50
	var wg sync.WaitGroup
	for _, db := range nodes {
		for range 4 {
			wg.Go(func() {
				for range each {
					if err := db.Update(ctx, increment); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	var n int
	err := nodes[0].View(ctx, func(tx store.Tx) error { return tx.Get([]any{&n}, `SELECT n FROM n`) })
	if err != nil || n != 8*each {
		t.Errorf("the counter is at %d, %v; want %d", n, err, 8*each)
	}
}

func increment(tx store.Tx) error {
	var n int
	if err := tx.Get([]any{&n}, `SELECT n FROM n`); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE n SET n = ?`, n+1)
	return err
}

func migrateAtOnce(t *testing.T, dsn string) {
	var wg sync.WaitGroup
	for range 6 {
		db := openPostgres(t, dsn)
		wg.Go(func() {
			if err := db.Migrate(context.Background(), "n", `CREATE TABLE n (n INTEGER NOT NULL)`, `INSERT INTO n VALUES (0)`); err != nil {
				t.Error(err)
			}
			if err := db.Update(context.Background(), increment); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A restart of the server is not an end of the store.
func restart(t *testing.T, s *server) {
	ctx := context.Background()
	db := openPostgres(t, s.database(t))
	if err := db.Migrate(ctx, "n", `CREATE TABLE n (n INTEGER NOT NULL)`, `INSERT INTO n VALUES (0)`); err != nil {
		t.Fatal(err)
	}
	s.stop(t, "immediate")
	s.start(t)
	if err := db.Update(ctx, increment); err != nil {
		t.Error(err)
	}
	var n int
	err := db.View(ctx, func(tx store.Tx) error { return tx.Get([]any{&n}, `SELECT n FROM n`) })
	if err != nil || n != 1 {
		t.Errorf("after a restart n is %d, %v; want 1", n, err)
	}
	s.stop(t, "fast")
	if err := db.Update(ctx, increment); err == nil {
		t.Error("Update answers no error without a server")
	}
	s.start(t)
	if err := db.Update(ctx, increment); err != nil {
		t.Error(err)
	}
}

func unsafe(t *testing.T, s *server) {
	dsn := s.database(t)
	for _, setting := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		s.sql(t, "ALTER SYSTEM SET "+setting+" = off")
		s.stop(t, "fast")
		s.start(t)
		db, err := store.OpenPostgres(context.Background(), dsn)
		if err == nil {
			db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), setting+" is off") || errors.Is(err, store.ErrClosed) {
			t.Errorf("a server with %s off is opened with %v", setting, err)
		}
		s.sql(t, "ALTER SYSTEM RESET "+setting)
	}
	s.stop(t, "fast")
	s.start(t)
}
