package events

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/filter"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// An archiveRow is an archive as its table has it.
type archiveRow struct {
	name, bus, pattern, description, kms string
	retention                            int
	created, events, bytes               int64
}

const archiveColumns = `name, bus, pattern, description, kms, retention, created, events, bytes`

func scanArchive(scan func(...any) error) (r archiveRow, err error) {
	return r, scan(&r.name, &r.bus, &r.pattern, &r.description, &r.kms, &r.retention, &r.created, &r.events, &r.bytes)
}

func archiveByName(tx store.Tx, name string) (archiveRow, error) {
	rows, err := store.All(tx, scanArchive, `SELECT `+archiveColumns+` FROM events_archive WHERE name = ?`, name)
	if err != nil {
		return archiveRow{}, err
	}
	if len(rows) == 0 {
		return archiveRow{}, notFound("Archive %s does not exist.", name)
	}
	return rows[0], nil
}

func (b *Book) archiveARN(name string) string { return b.arn("archive/" + name) }

// keep puts an event into the archives that want it.
func (b *Book) keep(tx store.Tx, archives []*archive, e *event) ([]func(), error) {
	var wakes []func()
	for _, a := range archives {
		if e.replayed || a.pattern != nil && !a.pattern.Matches(e.tree) {
			continue
		}
		var expires *int64
		if a.retention > 0 {
			// To the hour, so that what expires together goes together.
			t := e.ingested.Add(time.Duration(a.retention) * 24 * time.Hour).Truncate(time.Hour).Add(time.Hour)
			expires = new(t.UnixMilli())
			wakes = append(wakes, func() { b.expiry.Set(t) })
		}
		_, err := tx.Exec(`INSERT INTO events_archived (archive, at, expires, event) VALUES (?, ?, ?, ?)`, a.name, e.at.UnixMilli(), expires, e.raw)
		if err != nil {
			return nil, err
		}
		_, err = tx.Exec(`UPDATE events_archive SET events = events + 1, bytes = bytes + ? WHERE name = ?`, len(e.raw), a.name)
		if err != nil {
			return nil, err
		}
	}
	return wakes, nil
}

// expire drops the archived events whose time has come.
func (b *Book) expire(ctx context.Context) (next time.Time, err error) {
	const batch = 1000
	for n := batch; n == batch; {
		err = b.DB.Update(ctx, func(tx store.Tx) (err error) {
			if n, err = b.dropExpired(tx, batch); err != nil {
				return err
			}
			next, err = earliest(tx, `SELECT expires FROM events_archived WHERE expires IS NOT NULL ORDER BY expires LIMIT 1`)
			return err
		})
		if err != nil {
			return time.Time{}, err
		}
	}
	return next, nil
}

func (b *Book) dropExpired(tx store.Tx, batch int) (n int, err error) {
	type row struct {
		id, bytes int64
		archive   string
	}
	rows, err := store.All(tx, func(scan func(...any) error) (r row, err error) { return r, scan(&r.id, &r.bytes, &r.archive) },
		`SELECT id, LENGTH(event), archive FROM events_archived WHERE expires IS NOT NULL AND expires <= ? ORDER BY expires LIMIT ?`, b.nowMilli(), batch)
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		if _, err := tx.Exec(`DELETE FROM events_archived WHERE id = ?`, r.id); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(`UPDATE events_archive SET events = events - 1, bytes = bytes - ? WHERE name = ?`, r.bytes, r.archive); err != nil {
			return 0, err
		}
	}
	return len(rows), nil
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateArchive.html
func (a *api) createArchive(ctx context.Context, in *CreateArchiveRequest) (*CreateArchiveResponse, error) {
	if err := checkPattern(in.EventPattern); err != nil {
		return nil, err
	}
	bus, created := busOf(in.EventSourceArn), a.nowMilli()
	err := a.change(ctx, func(tx store.Tx) error {
		if _, err := busByName(tx, bus); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO events_archive (`+archiveColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)`,
			*in.ArchiveName, bus, val(in.EventPattern), val(in.Description), val(in.KmsKeyIdentifier), val(in.RetentionDays), created)
		return err
	})
	if errors.Is(err, store.ErrConflict) {
		err = exists("Archive %s already exists.", *in.ArchiveName)
	}
	return &CreateArchiveResponse{ArchiveArn: new(a.archiveARN(*in.ArchiveName)), CreationTime: moment(created), State: new(enabled)}, err
}

func checkPattern(p *string) error {
	if val(p) == "" {
		return nil
	}
	if _, err := filter.Parse([]byte(*p)); err != nil {
		return badPattern(err)
	}
	return nil
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateArchive.html
func (a *api) updateArchive(ctx context.Context, in *UpdateArchiveRequest) (*UpdateArchiveResponse, error) {
	if err := checkPattern(in.EventPattern); err != nil {
		return nil, err
	}
	var r archiveRow
	err := a.change(ctx, func(tx store.Tx) (err error) {
		if r, err = archiveByName(tx, *in.ArchiveName); err != nil {
			return err
		}
		if in.EventPattern != nil {
			r.pattern = *in.EventPattern
		}
		if in.Description != nil {
			r.description = *in.Description
		}
		if in.RetentionDays != nil {
			r.retention = int(*in.RetentionDays)
		}
		if in.KmsKeyIdentifier != nil {
			r.kms = *in.KmsKeyIdentifier
		}
		_, err = tx.Exec(`UPDATE events_archive SET pattern = ?, description = ?, retention = ?, kms = ? WHERE name = ?`,
			r.pattern, r.description, r.retention, r.kms, r.name)
		return err
	})
	return &UpdateArchiveResponse{ArchiveArn: new(a.archiveARN(r.name)), CreationTime: moment(r.created), State: new(enabled)}, err
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteArchive.html
func (a *api) deleteArchive(ctx context.Context, in *DeleteArchiveRequest) (*DeleteArchiveResponse, error) {
	return &DeleteArchiveResponse{}, a.change(ctx, func(tx store.Tx) error {
		if _, err := archiveByName(tx, *in.ArchiveName); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM events_archived WHERE archive = ?`, *in.ArchiveName); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM events_archive WHERE name = ?`, *in.ArchiveName)
		return err
	})
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeArchive.html
func (a *api) describeArchive(ctx context.Context, in *DescribeArchiveRequest) (*DescribeArchiveResponse, error) {
	r, err := store.Read(ctx, a.DB, func(tx store.Tx) (archiveRow, error) { return archiveByName(tx, *in.ArchiveName) })
	return &DescribeArchiveResponse{
		ArchiveArn: new(a.archiveARN(r.name)), ArchiveName: &r.name, EventSourceArn: new(a.busARN(r.bus)), EventPattern: some(r.pattern),
		Description: some(r.description), KmsKeyIdentifier: some(r.kms), RetentionDays: new(int32(r.retention)), State: new(enabled),
		CreationTime: moment(r.created), EventCount: &r.events, SizeBytes: &r.bytes,
	}, err
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListArchives.html
func (a *api) listArchives(ctx context.Context, in *ListArchivesRequest) (*ListArchivesResponse, error) {
	p, err := pageOf(in.NextToken, in.NamePrefix, in.Limit)
	if err != nil {
		return nil, err
	}
	bus := ""
	if in.EventSourceArn != nil {
		bus = busOf(in.EventSourceArn)
	}
	rows, err := store.Read(ctx, a.DB, func(tx store.Tx) ([]archiveRow, error) {
		if in.State != nil && *in.State != enabled {
			return nil, nil
		}
		return store.All(tx, scanArchive, `SELECT `+archiveColumns+` FROM events_archive
			WHERE name > ? AND name >= ? AND name < ? AND (? = '' OR bus = ?) ORDER BY name LIMIT ?`,
			p.after, p.prefix, past(p.prefix), bus, bus, p.size+1)
	})
	if err != nil {
		return nil, err
	}
	rows, next := cut(rows, p, func(r archiveRow) string { return r.name })
	out := &ListArchivesResponse{Archives: []*Archive{}, NextToken: next}
	for _, r := range rows {
		out.Archives = append(out.Archives, &Archive{
			ArchiveName: &r.name, EventSourceArn: new(a.busARN(r.bus)), RetentionDays: new(int32(r.retention)), State: new(enabled),
			CreationTime: moment(r.created), EventCount: &r.events, SizeBytes: &r.bytes,
		})
	}
	return out, nil
}

// archiveOf is the name in an archive's ARN.
func archiveOf(arn string) string {
	_, name, _ := strings.Cut(arn, ":archive/")
	return name
}
