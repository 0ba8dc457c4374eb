package meter

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A journal is a file of uses, and their sums. It takes uses while it is the
// meter's open one, is folded into the database once, and removed.
type journal struct {
	path string
	id   string // as the database remembers it once it was folded
	sums map[row]sum

	file *os.File // nil for one that an earlier process wrote
	size int64    // of what is whole
	lost int      // bytes that could not be read
	buf  []byte
}

// journalName is what the names of journals end in.
const journalName = ".uses"

// newJournal makes an empty journal in dir.
func newJournal(dir string) (*journal, error) {
	id := make([]byte, idSize)
	rand.Read(id) // never fails, says its documentation
	j := &journal{id: hex.EncodeToString(id), sums: map[row]sum{}}
	j.path = filepath.Join(dir, j.id+journalName)
	f, err := os.OpenFile(j.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	head := append([]byte(magic), id...)
	if _, err := f.Write(head); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(j.path))
	}
	j.file, j.size = f, int64(len(head))
	return j, nil
}

// add appends a use: once it returns, the use outlives this process. After an
// error it is not counted; broken says that the journal can take no more.
func (j *journal) add(r row, billedMS int64) (broken bool, err error) {
	j.buf = appendFrame(j.buf[:0], r, billedMS)
	if _, err := j.file.Write(j.buf); err != nil {
		// Half a frame would hide all that came after it.
		return j.file.Truncate(j.size) != nil, err
	}
	j.size += int64(len(j.buf))
	j.count(r, billedMS)
	return false, nil
}

func (j *journal) count(r row, billedMS int64) {
	s := j.sums[r]
	j.sums[r] = sum{s.requests + 1, s.billedMS + billedMS}
}

// readJournal reads what an earlier process left at path. What follows the last
// whole frame was never acknowledged.
func readJournal(path string) (*journal, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	j := &journal{path: path, sums: map[row]sum{}}
	if len(b) < len(magic)+idSize || string(b[:len(magic)]) != magic {
		return j, nil // it ended before its first use
	}
	j.id = hex.EncodeToString(b[len(magic) : len(magic)+idSize])
	for rest := b[len(magic)+idSize:]; ; {
		r, ms, more, err := cutFrame(rest)
		if err != nil {
			j.lost = len(rest)
			return j, nil
		}
		j.count(r, ms)
		rest = more
	}
}

// leftovers reads the journals in dir, which is made if it is missing.
func leftovers(dir string) ([]*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var js []*journal
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), journalName) {
			continue
		}
		j, err := readJournal(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		if j.lost > frameHead+maxBody { // more than a use that was being written
			slog.Error("a journal of usage is damaged", "file", j.path, "bytes not read", j.lost)
		}
		js = append(js, j)
	}
	return js, nil
}

// fold adds j's sums to the database, once, and removes j. A crash between its
// steps leaves a journal that the database knows as folded, or at worst a row
// of 32 letters that nothing asks for any more.
func (m *Meter) fold(ctx context.Context, j *journal) error {
	if err := m.db.Update(ctx, j.store); err != nil {
		return err
	}
	if err := os.Remove(j.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := syncDir(m.dir); err != nil { // before the database forgets it
		return err
	}
	return m.db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(`DELETE FROM meter_folded WHERE journal = ?`, j.id)
		return err
	})
}

// store adds the sums, unless that was done. It may run more than once.
func (j *journal) store(tx store.Tx) error {
	n, err := tx.Exec(`INSERT INTO meter_folded (journal) VALUES (?) ON CONFLICT (journal) DO NOTHING`, j.id)
	if err != nil || n == 0 {
		return err
	}
	for r, s := range j.sums {
		_, err := tx.Exec(`INSERT INTO meter_usage (day, function, version, arch, memory, tmp, provisioned, requests, billed_ms)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (day, function, version, arch, memory, tmp, provisioned) DO UPDATE SET
			requests = meter_usage.requests + excluded.requests, billed_ms = meter_usage.billed_ms + excluded.billed_ms`,
			r.day, r.function, r.version, r.arch, r.memory, r.tmp, r.provisioned, s.requests, s.billedMS)
		if err != nil {
			return err
		}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(wrap("sync", d.Sync()), d.Close())
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
