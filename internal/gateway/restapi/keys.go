package restapi

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

func errNoKey() error { return notFound("Invalid API Key identifier specified") }

// CreateKey makes an API key; one without a value is given one.
func (b *Book) CreateKey(ctx context.Context, k Key) (*Key, error) {
	return write(ctx, b, func(tx store.Tx) (*Key, error) {
		keys, err := all[Key](tx, kindKey, "")
		if err != nil {
			return nil, err
		}
		return b.newKey(tx, keys, k)
	})
}

// newKey makes a key beside those that are there.
func (b *Book) newKey(tx store.Tx, there []*Key, k Key) (*Key, error) {
	if k.Value == "" {
		k.Value = draw(40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
	}
	if n := len(k.Value); n < 20 || n > 128 {
		return nil, bad("API Key value should be at least 20 characters and at most 128 characters")
	}
	if slices.ContainsFunc(there, func(o *Key) bool { return o.Value == k.Value }) {
		return nil, conflict("API Key already exists")
	}
	k.ID, k.CreatedDate = newID(10), b.seconds()
	k.LastUpdatedDate = k.CreatedDate
	if k.StageKeys == nil {
		k.StageKeys = []string{}
	}
	return &k, save(tx, kindKey, "", k.ID, &k)
}

// Key reads an API key.
func (b *Book) Key(ctx context.Context, id string) (*Key, error) {
	return read(ctx, b, func(tx store.Tx) (*Key, error) { return load[Key](tx, kindKey, "", id, errNoKey()) })
}

// Keys reads all API keys.
func (b *Book) Keys(ctx context.Context) ([]*Key, error) {
	return read(ctx, b, func(tx store.Tx) ([]*Key, error) { return all[Key](tx, kindKey, "") })
}

// UpdateKey patches an API key.
func (b *Book) UpdateKey(ctx context.Context, id string, patches []Patch) (*Key, error) {
	return write(ctx, b, func(tx store.Tx) (*Key, error) {
		k, err := load[Key](tx, kindKey, "", id, errNoKey())
		if err != nil {
			return nil, err
		}
		if k, err = patched(k, keyRules(), patches, keyPatch); err != nil {
			return nil, err
		}
		k.LastUpdatedDate = b.seconds()
		return k, save(tx, kindKey, "", id, k)
	})
}

// keyPatch knows "/stages", which API keys had before there were usage plans.
func keyPatch(_ tree, _ Patch, segments []string) (bool, error) {
	if segments[0] == "stages" {
		return true, bad("Stages of API keys are from before usage plans: add the stage and the key to a usage plan.")
	}
	return false, nil
}

// DeleteKey deletes an API key, in all plans too.
func (b *Book) DeleteKey(ctx context.Context, id string) error {
	return b.change(ctx, func(tx store.Tx) error {
		if _, err := tx.Exec(`DELETE FROM restapi_item WHERE kind = ? AND id = ?`, kindPlanKey, id); err != nil {
			return err
		}
		return remove(tx, kindKey, "", id, errNoKey())
	})
}

// ImportKeys makes keys of a table: Name, Key, Description, Enabled and
// UsageplanIds, of which Name and Key must be there. It answers the keys' ids
// and what was wrong with the rows that it left out.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-key-file-format.html
func (b *Book) ImportKeys(ctx context.Context, table string, failOnWarnings bool) (ids, warnings []string, err error) {
	rows, err := keyRows(table)
	if err != nil {
		return nil, nil, err
	}
	err = b.change(ctx, func(tx store.Tx) error {
		ids, warnings = nil, nil
		keys, err := all[Key](tx, kindKey, "")
		if err != nil {
			return err
		}
		for _, r := range rows {
			k, err := b.newKey(tx, keys, r.Key)
			if isNotFound(err) || errors.Is(err, store.ErrConflict) || isRefusal(err) {
				warnings = append(warnings, r.Name+": "+err.Error())
				continue
			}
			if err != nil {
				return err
			}
			keys, ids = append(keys, k), append(ids, k.ID)
			for _, p := range r.plans {
				if _, err := b.joinPlan(tx, p, k.ID); err != nil {
					return err
				}
			}
		}
		if failOnWarnings && len(warnings) > 0 {
			return bad("%s", strings.Join(warnings, "; "))
		}
		return nil
	})
	return ids, warnings, err
}

type keyRow struct {
	Key
	plans []string
}

// keyRows reads a table of API keys.
func keyRows(table string) ([]keyRow, error) {
	r := csv.NewReader(strings.NewReader(table))
	r.TrimLeadingSpace = true
	r.FieldsPerRecord = -1
	head, err := r.Read()
	if err != nil {
		return nil, bad("Failed to parse the file: no header")
	}
	for i := range head {
		head[i] = strings.ToLower(strings.TrimSpace(head[i]))
	}
	if !slices.Contains(head, "name") || !slices.Contains(head, "key") {
		return nil, bad("Failed to parse the file: the header must name the columns Name and Key")
	}
	var rows []keyRow
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, bad("Failed to parse the file: %s", err)
		}
		rows = append(rows, oneKey(head, record))
	}
}

func oneKey(head, record []string) keyRow {
	var k keyRow
	for i, name := range head {
		if i >= len(record) {
			break
		}
		v := strings.TrimSpace(record[i])
		switch name {
		case "name":
			k.Name = v
		case "key":
			k.Value = v
		case "description":
			k.Description = v
		case "enabled":
			k.Enabled, _ = strconv.ParseBool(strings.ToLower(v))
		case "usageplanids":
			for id := range strings.FieldsFuncSeq(v, func(c rune) bool { return c == ',' || c == ' ' }) {
				k.plans = append(k.plans, id)
			}
		}
	}
	return k
}
