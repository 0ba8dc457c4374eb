package disk

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// schema are the tables. Keys are bytes, so that they sort as S3 sorts them. An
// object's versions differ in seq, the later the greater; the latest is marked.
// object_file counts how often a file is part of something; a small one is in
// its row.
func schema() []string {
	return []string{
		`CREATE TABLE object_bucket (
			name TEXT PRIMARY KEY,
			doc TEXT NOT NULL)`,
		`CREATE TABLE object_setting (
			bucket TEXT NOT NULL,
			kind TEXT NOT NULL,
			document BLOB NOT NULL,
			PRIMARY KEY (bucket, kind))`,
		`CREATE TABLE object_file (
			id TEXT PRIMARY KEY,
			refs INTEGER NOT NULL,
			data BLOB)`,
		`CREATE TABLE object_version (
			seq INTEGER PRIMARY KEY,
			bucket TEXT NOT NULL,
			key BLOB NOT NULL,
			version TEXT NOT NULL,
			latest INTEGER NOT NULL,
			marker INTEGER NOT NULL,
			modified INTEGER NOT NULL,
			size INTEGER NOT NULL,
			etag TEXT NOT NULL,
			doc TEXT NOT NULL)`,
		`CREATE INDEX object_version_key ON object_version (bucket, key, seq)`,
		`CREATE INDEX object_version_live ON object_version (bucket, key) WHERE latest = 1 AND marker = 0`,
		`CREATE TABLE object_upload (
			id TEXT PRIMARY KEY,
			bucket TEXT NOT NULL,
			key BLOB NOT NULL,
			started INTEGER NOT NULL,
			ended INTEGER NOT NULL DEFAULT 0,
			doc TEXT NOT NULL)`,
		`CREATE INDEX object_upload_key ON object_upload (bucket, key, started, id)`,
		`CREATE TABLE object_part (
			upload TEXT NOT NULL,
			number INTEGER NOT NULL,
			doc TEXT NOT NULL,
			PRIMARY KEY (upload, number))`,
		`CREATE TABLE object_change (
			seq INTEGER PRIMARY KEY,
			doc TEXT NOT NULL)`,
		`CREATE TABLE object_counter (
			id INTEGER PRIMARY KEY,
			n INTEGER NOT NULL)`,
		`INSERT INTO object_counter (id, n) VALUES (1, 0)`,
	}
}

// A segment is a piece of a content.
type segment struct {
	File   string `json:"f"`
	Offset int64  `json:"o,omitempty"`
	Size   int64  `json:"n"`
	Inline bool   `json:"i,omitempty"` // the file is in its row
}

// A row is a version of an object as it is stored.
type row struct {
	seq      int64
	bucket   string
	key      string
	version  string
	latest   bool
	marker   bool
	modified time.Time
	size     int64
	etag     string
	details
}

// details are what nobody searches by.
type details struct {
	Meta      object.Meta       `json:"meta"`
	Tags      map[string]string `json:"tags,omitempty"`
	Checksums map[string]string `json:"sums,omitempty"`
	Parts     []object.PartInfo `json:"parts,omitempty"`
	Segments  []segment         `json:"content,omitempty"`
}

const columns = `seq, bucket, key, version, latest, marker, modified, size, etag, doc`

// scanRow reads a row of columns.
func scanRow(scan func(...any) error) (row, error) {
	var r row
	var key []byte
	var doc string
	var modified int64
	var latest, marker int64
	if err := scan(&r.seq, &r.bucket, &key, &r.version, &latest, &marker, &modified, &r.size, &r.etag, &doc); err != nil {
		return r, err
	}
	r.key, r.latest, r.marker, r.modified = string(key), latest == 1, marker == 1, time.UnixMilli(modified).UTC()
	if err := json.Unmarshal([]byte(doc), &r.details); err != nil {
		return r, fmt.Errorf("object %s/%q: %w", r.bucket, r.key, err)
	}
	return r, nil
}

// oneRow reads the row that a query finds, and reports whether there is one.
func oneRow(tx store.Tx, where string, args ...any) (row, bool, error) {
	rows, err := store.All(tx, scanRow, `SELECT `+columns+` FROM object_version WHERE `+where, args...)
	if err != nil || len(rows) == 0 {
		return row{}, false, err
	}
	return rows[0], true, nil
}

// insert stores r, which gets its number.
func (r *row) insert(tx store.Tx) error {
	doc, err := json.Marshal(r.details)
	if err != nil {
		return err
	}
	if r.seq, err = count(tx); err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO object_version (seq, bucket, key, version, latest, marker, modified, size, etag, doc)
		VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?)`,
		r.seq, r.bucket, []byte(r.key), r.version, r.marker, r.modified.UnixMilli(), r.size, r.etag, string(doc))
	return err
}

// rewrite stores the details of r again.
func (r row) rewrite(tx store.Tx) error {
	doc, err := json.Marshal(r.details)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE object_version SET doc = ? WHERE seq = ?`, string(doc), r.seq)
	return err
}

// count is a number that was never given before: rows that are gone leave theirs
// free, and a number that comes again would not be news to anybody.
func count(tx store.Tx) (int64, error) {
	var n int64
	err := tx.Get([]any{&n}, `UPDATE object_counter SET n = n + 1 WHERE id = 1 RETURNING n`)
	return n, err
}

// info is r as it is told.
func (r row) info() object.Info {
	return object.Info{
		Bucket: r.bucket, Key: r.key, Version: r.version, Latest: r.latest, Marker: r.marker, Size: r.size, ETag: r.etag,
		Modified: r.modified, Meta: r.Meta, Tags: r.Tags, Checksums: r.Checksums, Parts: r.Parts, Sequencer: sequencer(r.seq),
	}
}

// sequencer is a number in the form that S3 gives it: later ones compare greater.
func sequencer(seq int64) string { return fmt.Sprintf("%018X", seq) }

// hold counts one more use of each segment's file; release counts one less, and
// returns the files of which that was the last.
func hold(tx store.Tx, segments []segment) error {
	for _, g := range segments {
		n, err := tx.Exec(`UPDATE object_file SET refs = refs + 1 WHERE id = ?`, g.File)
		if err != nil {
			return err
		}
		if n == 0 { // it was removed since it was read
			return object.ErrConflict
		}
	}
	return nil
}

func release(tx store.Tx, segments []segment) (gone []string, err error) {
	for _, g := range segments {
		var refs int64
		err := tx.Get([]any{&refs}, `UPDATE object_file SET refs = refs - 1 WHERE id = ? RETURNING refs`, g.File)
		if errors.Is(err, store.ErrNoRows) || err == nil && refs > 0 {
			continue
		}
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec(`DELETE FROM object_file WHERE id = ?`, g.File); err != nil {
			return nil, err
		}
		if !g.Inline {
			gone = append(gone, g.File)
		}
	}
	return gone, nil
}
