package storetest

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

func types(t *testing.T, db store.DB) {
	all := bytes.Repeat([]byte{0, 1, 127, 128, 255}, 300)
	const text = "mayfly ? $1 'quoted' \"é\" 日本 \U0001F98B\n"
	update(t, db, exec(`INSERT INTO t (name, n, x, data) VALUES (?, ?, ?, ?)`, text, int64(math.MinInt64), 0.1, all))
	update(t, db, exec(`INSERT INTO t (name, n, x, data) VALUES (?, ?, ?, ?)`, "", int64(math.MaxInt64), math.MaxFloat64, []byte{}))
	view(t, db, func(tx store.Tx) error {
		var s string
		var n int64
		var x float64
		var data []byte
		if err := tx.Get([]any{&s, &n, &x, &data}, `SELECT name, n, x, data FROM t WHERE n < 0`); err != nil {
			return err
		}
		if s != text || n != math.MinInt64 || x != 0.1 || !bytes.Equal(data, all) {
			t.Errorf("read %q, %d, %v and %d bytes", s, n, x, len(data))
		}
		if err := tx.Get([]any{&s, &n, &x, &data}, `SELECT name, n, x, data FROM t WHERE n > 0`); err != nil {
			return err
		}
		if s != "" || n != math.MaxInt64 || x != math.MaxFloat64 || data == nil || len(data) != 0 {
			t.Errorf("read %q, %d, %v and %v", s, n, x, data)
		}
		return nil
	})
}

func nulls(t *testing.T, db store.DB) {
	var none []byte
	update(t, db, exec(`INSERT INTO t (name, x, data) VALUES (?, ?, ?)`, "a", nil, none))
	view(t, db, func(tx store.Tx) error {
		data := []byte("before")
		x := new(float64)
		var nx sql.Null[float64]
		if err := tx.Get([]any{&data, &x, &nx}, `SELECT data, x, x FROM t WHERE data IS NULL`); err != nil {
			return err
		}
		if data != nil || x != nil || nx.Valid {
			t.Errorf("NULL reads as %v, %v, %v", data, x, nx)
		}
		var f float64
		if err := tx.Get([]any{&f}, `SELECT x FROM t`); err == nil {
			t.Error("NULL fits a float64")
		}
		return nil
	})
}

type state string

type count int32

func destinations(t *testing.T, db store.DB) {
	j := json.RawMessage(`{"a":1}`)
	update(t, db, exec(`INSERT INTO t (name, n, x, data) VALUES (?, ?, ?, ?)`, state("Active"), count(1), float32(0.5), j))
	view(t, db, func(tx store.Tx) error {
		var s state
		var sp *string
		var c count
		var u uint8
		var b bool
		var d time.Duration
		var x float32
		var raw json.RawMessage
		var a any
		err := tx.Get([]any{&s, &sp, &c, &u, &b, &d, &x, &raw, &a}, `SELECT name, name, n, n, n, n, x, data, n FROM t`)
		if err != nil {
			return err
		}
		if s != "Active" || sp == nil || *sp != "Active" || c != 1 || u != 1 || !b || d != 1 || x != 0.5 ||
			string(raw) != `{"a":1}` || a != int64(1) {
			t.Errorf("read %v %v %v %v %v %v %v %s %v", s, sp, c, u, b, d, x, raw, a)
		}
		return nil
	})
	update(t, db, exec(`UPDATE t SET n = ?`, 300))
	view(t, db, func(tx store.Tx) error {
		var u uint8
		var b bool
		var s string
		for _, dest := range [][]any{{&u}, {&b}, {u}, {}, {&s, &s}} {
			if err := tx.Get(dest, `SELECT n FROM t`); err == nil {
				t.Errorf("300 fits %T", dest)
			}
		}
		return nil
	})
}

func badArguments(t *testing.T, db store.DB) {
	for _, a := range []any{time.Now(), uint64(math.MaxUint64), struct{}{}, []string{"a"}} {
		if err := db.Update(context.Background(), exec(`INSERT INTO t (name) VALUES (?)`, a)); err == nil {
			t.Errorf("a %T is taken as an argument", a)
		}
	}
	update(t, db, exec(`INSERT INTO t (name, n) VALUES (?, ?)`, "true", true))
	if n := one[int](t, db, `SELECT n FROM t`); n != 1 {
		t.Errorf("true is kept as %d", n)
	}
	if err := db.Update(context.Background(), exec(`INSERT INTO t (name, n) VALUES (?, ?)`, "few")); err == nil {
		t.Error("a missing argument is not missed")
	}
	if err := db.Update(context.Background(), exec(`INSERT INTO nothing VALUES (1)`)); err == nil || !strings.Contains(err.Error(), "INSERT INTO nothing") {
		t.Errorf("a bad statement answers %v, which does not show it", err)
	}
}

func questionMarks(t *testing.T, db store.DB) {
	update(t, db, exec(`INSERT INTO t (name, n) /* really? */ VALUES ('what? isn''t', ?) -- why?`, 7))
	if s := one[string](t, db, `SELECT name FROM t WHERE name = 'what? isn''t' AND n = ?`, 7); s != "what? isn't" {
		t.Errorf("the name is %q", s)
	}
}

func upsert(t *testing.T, db store.DB) {
	for range 3 {
		update(t, db, exec(`INSERT INTO t (name, n) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = t.n + excluded.n`, "a", 5))
	}
	if n := one[int](t, db, `SELECT n FROM t WHERE name = ?`, "a"); n != 15 {
		t.Errorf("three times 5 is %d", n)
	}
	update(t, db, func(tx store.Tx) error {
		n, err := tx.Exec(`INSERT INTO t (name) VALUES (?) ON CONFLICT DO NOTHING`, "a")
		if n != 0 {
			t.Errorf("an insert that did nothing changed %d rows", n)
		}
		return err
	})
}

func returning(t *testing.T, db store.DB) {
	for _, s := range []string{"a", "b", "c"} {
		update(t, db, insert(s))
	}
	update(t, db, func(tx store.Tx) error {
		n, err := tx.Exec(`UPDATE t SET n = n + ? WHERE name <> ?`, 10, "a")
		if n != 2 {
			t.Errorf("%d rows changed, want 2", n)
		}
		return err
	})
	update(t, db, func(tx store.Tx) error {
		var s string // Get reads one row and must still delete all
		return tx.Get([]any{&s}, `DELETE FROM t WHERE n = ? RETURNING name`, 10)
	})
	if got := names(t, db); !reflect.DeepEqual(got, []string{"a"}) {
		t.Errorf("%v are left, want a", got)
	}
}

func numbering(t *testing.T, db store.DB) {
	seen := map[int64]bool{}
	for _, s := range []string{"a", "b", "c"} {
		var id int64
		update(t, db, func(tx store.Tx) error {
			return tx.Get([]any{&id}, `INSERT INTO t (name) VALUES (?) RETURNING id`, s)
		})
		if id <= 0 || seen[id] {
			t.Errorf("%s has the number %d", s, id)
		}
		seen[id] = true
	}
	update(t, db, exec(`INSERT INTO t (id, name) VALUES (?, ?)`, 1000, "d"))
	if id := one[int](t, db, `SELECT id FROM t WHERE name = ?`, "d"); id != 1000 {
		t.Errorf("the given number became %d", id)
	}
}

func order(t *testing.T, db store.DB) {
	for _, s := range []string{"b", "a", "B", "_", "A", "é", "a-b", "ab", "Z"} {
		update(t, db, insert(s))
	}
	want := []string{"A", "B", "Z", "_", "a", "a-b", "ab", "b", "é"} // by bytes
	if got := names(t, db); !reflect.DeepEqual(got, want) {
		t.Errorf("the order is %v, want %v", got, want)
	}
	if n := one[int](t, db, `SELECT count(*) FROM t WHERE name > ? AND name LIKE ?`, "a", "a%"); n != 2 {
		t.Errorf("%d names follow a and begin with it, want 2", n)
	}
	if n := one[int](t, db, `SELECT count(*) FROM t WHERE name LIKE ?`, "A%"); n != 1 {
		t.Errorf("%d names begin with A, want 1: LIKE minds the case", n)
	}
}

func sums(t *testing.T, db store.DB) {
	if n := one[int64](t, db, `SELECT COALESCE(sum(n), 0) FROM t`); n != 0 {
		t.Errorf("nothing sums up to %d", n)
	}
	for _, s := range []string{"a", "b"} {
		update(t, db, exec(`INSERT INTO t (name, n, x) VALUES (?, ?, ?)`, s, int64(1)<<40+1, 0.25))
	}
	view(t, db, func(tx store.Tx) error {
		var sum, max, n int64
		var x float64
		if err := tx.Get([]any{&sum, &max, &n, &x}, `SELECT sum(n), max(n), count(*), sum(x) FROM t`); err != nil {
			return err
		}
		if sum != 1<<41+2 || max != 1<<40+1 || n != 2 || x != 0.5 {
			t.Errorf("sum %d, max %d, count %d, sum of x %v", sum, max, n, x)
		}
		return nil
	})
}

func noRows(t *testing.T, db store.DB) {
	var s string
	for _, run := range []func(context.Context, func(store.Tx) error) error{db.View, db.Update} {
		err := run(context.Background(), func(tx store.Tx) error {
			return tx.Get([]any{&s}, `SELECT name FROM t WHERE id = ?`, 1)
		})
		if !errors.Is(err, store.ErrNoRows) {
			t.Errorf("Get answers %v, want ErrNoRows", err)
		}
	}
	update(t, db, func(tx store.Tx) error {
		n, err := tx.Exec(`DELETE FROM t WHERE id = ?`, 1)
		if n != 0 {
			t.Errorf("%d rows changed, want none", n)
		}
		return err
	})
}

func conflict(t *testing.T, db store.DB) {
	update(t, db, exec(`INSERT INTO t (id, name) VALUES (?, ?)`, 1, "a"))
	for _, fn := range []func(store.Tx) error{
		insert("a"),
		exec(`INSERT INTO t (id, name) VALUES (?, ?)`, 1, "b"),
	} {
		if err := db.Update(context.Background(), fn); !errors.Is(err, store.ErrConflict) {
			t.Errorf("Update answers %v, want ErrConflict", err)
		}
	}
	err := db.Update(context.Background(), exec(`INSERT INTO t (name) VALUES (?)`, nil))
	if err == nil || errors.Is(err, store.ErrConflict) {
		t.Errorf("a missing name answers %v, want an error that is not ErrConflict", err)
	}
	if got := names(t, db); len(got) != 1 {
		t.Errorf("the names are %v", got)
	}
}

// A function may go on after a statement that failed.
func conflictThenMore(t *testing.T, db store.DB) {
	update(t, db, insert("a"))
	update(t, db, func(tx store.Tx) error {
		if err := insert("b")(tx); err != nil {
			return err
		}
		if err := insert("a")(tx); !errors.Is(err, store.ErrConflict) {
			t.Errorf("the insert answers %v, want ErrConflict", err)
		}
		var s string
		if err := tx.Get([]any{&s}, `SELECT name FROM t WHERE name = ?`, "b"); err != nil {
			return err
		}
		return insert("c")(tx)
	})
	if got := names(t, db); !reflect.DeepEqual(got, []string{"a", "b", "c"}) {
		t.Errorf("the names are %v", got)
	}
}

func foreignKeys(t *testing.T, db store.DB) {
	err := db.Migrate(context.Background(), "child", `CREATE TABLE child (
		name TEXT NOT NULL REFERENCES t (name) ON DELETE CASCADE, k TEXT NOT NULL, PRIMARY KEY (name, k))`)
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, insert("a"))
	update(t, db, exec(`INSERT INTO child (name, k) VALUES (?, ?)`, "a", "k"))
	if err := db.Update(context.Background(), exec(`INSERT INTO child (name, k) VALUES (?, ?)`, "b", "k")); err == nil {
		t.Error("a child without a parent is taken")
	}
	update(t, db, exec(`DELETE FROM t WHERE name = ?`, "a"))
	if n := one[int](t, db, `SELECT count(*) FROM child`); n != 0 {
		t.Errorf("%d children outlive their parent", n)
	}
}

// A row's function may run statements, also the one that it is called from.
func nested(t *testing.T, db store.DB) {
	for _, s := range []string{"a", "b", "c"} {
		update(t, db, insert(s))
	}
	const query = `SELECT name FROM t WHERE name <= ? ORDER BY name`
	var got []string
	update(t, db, func(tx store.Tx) error {
		got = nil
		return tx.Each(query, []any{"c"}, func(scan func(...any) error) error {
			var s string
			if err := scan(&s); err != nil {
				return err
			}
			if _, err := tx.Exec(`UPDATE t SET n = n + 1 WHERE name = ?`, s); err != nil {
				return err
			}
			return tx.Each(query, []any{s}, func(scan func(...any) error) error {
				var in string
				err := scan(&in)
				got = append(got, s+in)
				return err
			})
		})
	})
	if want := []string{"aa", "ba", "bb", "ca", "cb", "cc"}; !reflect.DeepEqual(got, want) {
		t.Errorf("the rows are %v, want %v", got, want)
	}
	if n := one[int](t, db, `SELECT sum(n) FROM t`); n != 3 {
		t.Errorf("%d updates, want 3", n)
	}
}

func eachStops(t *testing.T, db store.DB) {
	for _, s := range []string{"a", "b", "c"} {
		update(t, db, insert(s))
	}
	stop := errors.New("enough")
	n := 0
	err := db.View(context.Background(), func(tx store.Tx) error {
		return tx.Each(`SELECT name FROM t`, nil, func(func(...any) error) error { n++; return stop })
	})
	if err != stop || n != 1 {
		t.Errorf("Each answers %v after %d rows, want its function's error after 1", err, n)
	}
	if got := names(t, db); len(got) != 3 {
		t.Errorf("the same connection then reads %v", got)
	}
}

func manyStatements(t *testing.T, db store.DB) {
	update(t, db, insert("a"))
	for i := range 600 { // more than a connection keeps prepared
		q := `SELECT n FROM t WHERE name = ?` + strings.Repeat(" ", i)
		if n := one[int](t, db, q, "a"); n != 0 {
			t.Fatalf("n is %d", n)
		}
	}
}
