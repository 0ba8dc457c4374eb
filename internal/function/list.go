package function

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A Page says which part of a list is wanted.
type Page struct {
	Marker string // "" is the beginning; else what the page before answered
	Max    int32  // 0 is as many as fit
}

// maxPage is the most that AWS answers at once, whatever the caller asks for.
const maxPage = 50

func (p Page) limit() int {
	if p.Max <= 0 || p.Max > maxPage {
		return maxPage
	}
	return int(p.Max)
}

// after is the key behind which the page begins.
func (p Page) after() (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(p.Marker)
	if err != nil {
		return "", refuse(ErrInvalid, "The marker %s is not valid.", p.Marker)
	}
	return string(b), nil
}

func marker(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

// paginate cuts a list, sorted by key, to the page. One more than fits tells
// that there is a next page.
func paginate[T any](all []T, p Page, key func(T) string) ([]T, string) {
	if n := p.limit(); len(all) > n {
		return all[:n], marker(key(all[n-1]))
	}
	return all, ""
}

// List answers the functions' $LATEST by name, or all versions of all functions.
func (r *Registry) List(ctx context.Context, allVersions bool, p Page) (vs []*Version, next string, err error) {
	after, err := p.after()
	if err != nil {
		return nil, "", err
	}
	name, digits, _ := strings.Cut(after, ":")
	number, _ := strconv.ParseInt(digits, 10, 64)
	query, args := `SELECT doc FROM function_versions WHERE number = 0 AND name > ? ORDER BY name LIMIT ?`, []any{name, p.limit() + 1}
	if allVersions {
		query = `SELECT doc FROM function_versions WHERE name > ? OR (name = ? AND number > ?) ORDER BY name, number LIMIT ?`
		args = []any{name, name, number, p.limit() + 1}
	}
	err = r.db.View(ctx, func(tx store.Tx) (err error) {
		vs, err = documents[*Version](tx, query, args...)
		return err
	})
	vs, next = paginate(vs, p, func(v *Version) string { return v.Function + ":" + strconv.FormatInt(v.Number, 10) })
	return vs, next, err
}

// Versions answers the versions of a function, $LATEST first.
func (r *Registry) Versions(ctx context.Context, name string, p Page) (vs []*Version, next string, err error) {
	ref, err := r.Ref(name, "")
	if err != nil {
		return nil, "", err
	}
	after, err := p.after()
	if err != nil {
		return nil, "", err
	}
	last := int64(-1)
	if after != "" {
		last, _ = strconv.ParseInt(after, 10, 64)
	}
	err = r.db.View(ctx, func(tx store.Tx) (err error) {
		if err := r.must(tx, ref.Name); err != nil {
			return err
		}
		vs, err = documents[*Version](tx, `SELECT doc FROM function_versions WHERE name = ? AND number > ? ORDER BY number LIMIT ?`, ref.Name, last, p.limit()+1)
		return err
	})
	vs, next = paginate(vs, p, func(v *Version) string { return strconv.FormatInt(v.Number, 10) })
	return vs, next, err
}
