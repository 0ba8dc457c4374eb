package function

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// A LayerVersion is an archive that functions add to theirs. It never changes.
type LayerVersion struct {
	Name        string
	Number      int64
	Description string
	License     *string
	Runtimes    []string // that it says it is for; nil when it does not say
	Archs       []string
	Created     time.Time
	Code        Code
}

// A NewLayer is a layer version to be published.
type NewLayer struct {
	Name            string // as the caller gave it: a name or an ARN
	Description     string
	License         *string
	Runtimes, Archs []string
	Zip             []byte  // nil when no archive came
	Object          *Object // nil when the archive is not in a bucket
}

// A LayerFilter picks layer versions; "" picks all.
type LayerFilter struct{ Runtime, Arch string }

func (f LayerFilter) picks(v *LayerVersion) bool {
	return (f.Runtime == "" || slices.Contains(v.Runtimes, f.Runtime)) && (f.Arch == "" || slices.Contains(v.Archs, f.Arch))
}

// migrateLayers makes the tables. next is the number of the next version: it
// stays when all versions are deleted, so that none ever comes back. gone says
// when a version was deleted, in milliseconds since 1970; 0 is a live one.
func (r *Registry) migrateLayers(ctx context.Context) error {
	return r.db.Migrate(ctx, "layers",
		`CREATE TABLE layers (
			name TEXT NOT NULL PRIMARY KEY,
			next INTEGER NOT NULL
		)`,
		`CREATE TABLE layer_versions (
			name TEXT NOT NULL,
			number INTEGER NOT NULL,
			sha TEXT NOT NULL,
			size INTEGER NOT NULL,
			gone INTEGER NOT NULL,
			doc TEXT NOT NULL,
			PRIMARY KEY (name, number)
		)`,
		`CREATE INDEX layer_versions_sha ON layer_versions (sha)`,
		`CREATE INDEX layer_versions_gone ON layer_versions (gone)`,
		`CREATE TABLE layer_policies (
			name TEXT NOT NULL,
			number INTEGER NOT NULL,
			revision TEXT NOT NULL,
			doc TEXT NOT NULL,
			PRIMARY KEY (name, number)
		)`,
	)
}

// departing is how long the archive of a deleted version stays: a function that
// found the version just before may not have said yet that it uses it.
const departing = time.Minute

// layerTable is the account's layers, for functions.
type layerTable struct {
	db              store.DB
	account, region string
}

var layerForm = regexp.MustCompile(`^arn:aws[a-zA-Z-]*:lambda:([^:]*):(\d{12}):layer:([a-zA-Z0-9-_]{1,140})(?::(\d+))?$`)

func (t layerTable) resolve(ctx context.Context, arn string) (LayerRef, error) {
	missing := errNoSuchLayer(arn)
	p := layerForm.FindStringSubmatch(arn)
	if p == nil || p[1] != t.region || p[2] != t.account {
		return LayerRef{}, missing
	}
	number, err := strconv.ParseInt(p[4], 10, 64)
	if err != nil {
		return LayerRef{}, missing
	}
	var v *LayerVersion
	err = t.db.View(ctx, func(tx store.Tx) (err error) {
		v, err = readLayer(tx, p[3], number)
		return or(err, missing)
	})
	if err != nil {
		return LayerRef{}, err
	}
	return LayerRef{ARN: arn, CodeSize: v.Code.Size, Unzipped: v.Code.Unzipped, SHA256: v.Code.SHA256}, nil
}

func (t layerTable) uses(tx store.Tx, sha string) (bool, error) {
	var n int64
	err := tx.Get([]any{&n}, `SELECT COUNT(*) FROM layer_versions WHERE sha = ?`, sha)
	return n > 0, err
}

func (t layerTable) size(tx store.Tx) (n int64, err error) {
	err = tx.Get([]any{&n}, `SELECT COALESCE(SUM(size), 0) FROM layer_versions WHERE gone = 0`)
	return n, err
}

func readLayer(tx store.Tx, name string, number int64) (*LayerVersion, error) {
	var doc string
	if err := tx.Get([]any{&doc}, `SELECT doc FROM layer_versions WHERE name = ? AND number = ? AND gone = 0`, name, number); err != nil {
		return nil, err
	}
	v := new(LayerVersion)
	return v, decode(doc, v)
}

// LayerARN is the ARN of a layer, or of one of its versions.
func (r *Registry) LayerARN(name string, number int64) string {
	a := "arn:aws:lambda:" + r.region + ":" + r.account + ":layer:" + name
	if number > 0 {
		a += ":" + strconv.FormatInt(number, 10)
	}
	return a
}

func errNoLayer() error { return refuse(ErrNotFound, "The resource you requested does not exist.") }

// layerName reads the name of a layer as a caller gives it.
func (r *Registry) layerName(s string) (string, error) {
	if !strings.HasPrefix(s, "arn:") {
		return s, nil
	}
	p := layerForm.FindStringSubmatch(s)
	switch {
	case p == nil:
		return "", refuse(ErrInvalid, "%s is not a layer's name or ARN.", s)
	case p[2] != r.account:
		return "", refuse(ErrForbidden, "%s", s)
	case p[1] != r.region:
		return "", errNoLayer()
	}
	return p[3], nil
}

// layerVersion reads a name and a number together.
func (r *Registry) layerVersion(name string, number int64) (string, error) {
	if number < 1 {
		return "", refuse(ErrInvalid, "Layer Version Cannot be less than 1")
	}
	return r.layerName(name)
}

// checkCompatible holds what a layer says it is for to what there is.
func checkCompatible(runtimes []string) error {
	for _, rt := range runtimes {
		if !slices.Contains(current, rt) && !slices.Contains(blocked, rt) {
			return refuse(ErrValidation, "1 validation error detected: Value '[%s]' at 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [%s]]",
				strings.Join(runtimes, ", "), strings.Join(slices.Concat(current, blocked), ", "))
		}
	}
	return nil
}

func (f LayerFilter) check() error {
	if f.Runtime == "" || slices.Contains(current, f.Runtime) || slices.Contains(blocked, f.Runtime) {
		return nil
	}
	return refuse(ErrValidation, "1 validation error detected: Value '%s' at 'compatibleRuntime' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
		f.Runtime, strings.Join(slices.Concat(current, blocked), ", "))
}

// PublishLayer makes a new version of a layer, and the layer with the first.
func (r *Registry) PublishLayer(ctx context.Context, n NewLayer) (*LayerVersion, error) {
	name, err := r.layerName(n.Name)
	if err != nil {
		return nil, err
	}
	if err := checkCompatible(n.Runtimes); err != nil {
		return nil, err
	}
	if err := source(n.Zip, n.Object, "layer content"); err != nil {
		return nil, err
	}
	v := &LayerVersion{
		Name: name, Description: n.Description, License: n.License, Runtimes: n.Runtimes, Archs: n.Archs, Created: r.now(),
	}
	err = r.upload(ctx, n.Zip, n.Object, func(c Code) error {
		v.Code = c
		return r.db.Update(ctx, func(tx store.Tx) error { return r.insertLayer(tx, v) })
	})
	if err != nil {
		return nil, err
	}
	r.purgeLayers(ctx)
	return v, nil
}

// insertLayer numbers v and writes it.
func (r *Registry) insertLayer(tx store.Tx, v *LayerVersion) error {
	if err := r.checkStorage(tx, v.Code.Size); err != nil {
		return err
	}
	// Raising next first makes others who publish the same layer wait.
	if _, err := tx.Exec(`INSERT INTO layers (name, next) VALUES (?, 2) ON CONFLICT (name) DO UPDATE SET next = layers.next + 1`, v.Name); err != nil {
		return err
	}
	if err := tx.Get([]any{&v.Number}, `SELECT next - 1 FROM layers WHERE name = ?`, v.Name); err != nil {
		return err
	}
	_, err := tx.Exec(`INSERT INTO layer_versions (name, number, sha, size, gone, doc) VALUES (?, ?, ?, ?, 0, ?)`,
		v.Name, v.Number, v.Code.SHA256, v.Code.Size, encode(v))
	return err
}

// Layer answers one version of a layer.
func (r *Registry) Layer(ctx context.Context, name string, number int64) (v *LayerVersion, err error) {
	if name, err = r.layerVersion(name, number); err != nil {
		return nil, err
	}
	err = r.db.View(ctx, func(tx store.Tx) (err error) {
		v, err = readLayer(tx, name, number)
		return or(err, errNoLayer())
	})
	return v, err
}

// LayerByARN answers the layer version called arn.
func (r *Registry) LayerByARN(ctx context.Context, arn string) (*LayerVersion, error) {
	p := layerForm.FindStringSubmatch(arn)
	if p == nil || p[4] == "" { // one of AWS's own, which are not here
		return nil, errNoLayer()
	}
	number, err := strconv.ParseInt(p[4], 10, 64)
	if err != nil {
		return nil, errNoLayer()
	}
	return r.Layer(ctx, strings.TrimSuffix(arn, ":"+p[4]), number)
}

// LayerVersions answers the versions of a layer that f picks, newest first.
func (r *Registry) LayerVersions(ctx context.Context, name string, f LayerFilter, p Page) (vs []*LayerVersion, next string, err error) {
	if name, err = r.layerName(name); err != nil {
		return nil, "", err
	}
	if err := f.check(); err != nil {
		return nil, "", err
	}
	below, err := before(p)
	if err != nil {
		return nil, "", err
	}
	err = r.db.View(ctx, func(tx store.Tx) error {
		all, err := documents[*LayerVersion](tx, `SELECT doc FROM layer_versions WHERE name = ? AND number < ? AND gone = 0 ORDER BY number DESC`, name, below)
		vs = slices.DeleteFunc(all, func(v *LayerVersion) bool { return !f.picks(v) })
		return err
	})
	vs, next = paginate(vs, p, func(v *LayerVersion) string { return strconv.FormatInt(v.Number, 10) })
	return vs, next, err
}

// before is the number that a page of a list from the newest ends before.
func before(p Page) (int64, error) {
	after, err := p.after()
	if err != nil || after == "" {
		return 1 << 62, err
	}
	n, err := strconv.ParseInt(after, 10, 64)
	if err != nil {
		return 0, refuse(ErrInvalid, "The marker %s is not valid.", p.Marker)
	}
	return n, nil
}

// Layers answers, of each layer by name, the newest version that f picks.
func (r *Registry) Layers(ctx context.Context, f LayerFilter, p Page) (vs []*LayerVersion, next string, err error) {
	if err := f.check(); err != nil {
		return nil, "", err
	}
	after, err := p.after()
	if err != nil {
		return nil, "", err
	}
	err = r.db.View(ctx, func(tx store.Tx) error {
		all, err := documents[*LayerVersion](tx, `SELECT doc FROM layer_versions WHERE name > ? AND gone = 0 ORDER BY name, number DESC`, after)
		all = slices.DeleteFunc(all, func(v *LayerVersion) bool { return !f.picks(v) })
		vs = slices.CompactFunc(all, func(a, b *LayerVersion) bool { return a.Name == b.Name })
		return err
	})
	vs, next = paginate(vs, p, func(v *LayerVersion) string { return v.Name })
	return vs, next, err
}

// DeleteLayer deletes a version of a layer; one that is not there is deleted
// already. Functions that use it keep it.
func (r *Registry) DeleteLayer(ctx context.Context, name string, number int64) error {
	name, err := r.layerVersion(name, number)
	if err != nil {
		return err
	}
	err = r.db.Update(ctx, func(tx store.Tx) error {
		if _, err := tx.Exec(`DELETE FROM layer_policies WHERE name = ? AND number = ?`, name, number); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE layer_versions SET gone = ? WHERE name = ? AND number = ? AND gone = 0`, r.now().UnixMilli(), name, number)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete layer: %w", err)
	}
	r.purgeLayers(ctx)
	return nil
}

// purgeLayers forgets the versions that were deleted long enough ago, and
// collects their archives. What it cannot do the next one does.
func (r *Registry) purgeLayers(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	var shas []string
	err := r.db.View(ctx, func(tx store.Tx) error {
		shas = nil
		return tx.Each(`SELECT sha FROM layer_versions WHERE gone > 0 AND gone < ?`, []any{r.departed()}, func(scan func(...any) error) error {
			var sha string
			err := scan(&sha)
			shas = append(shas, sha)
			return err
		})
	})
	if err == nil && len(shas) > 0 {
		err = r.db.Update(ctx, func(tx store.Tx) error {
			_, err := tx.Exec(`DELETE FROM layer_versions WHERE gone > 0 AND gone < ?`, r.departed())
			return err
		})
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		r.log.Error("purge layers", "error", err)
		return
	}
	r.collect(ctx, shas...)
}

// buryLayers forgets all deleted versions, at start: no function is looking for
// one then.
func (r *Registry) buryLayers(ctx context.Context) error {
	err := r.db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(`DELETE FROM layer_versions WHERE gone > 0`)
		return err
	})
	if err != nil {
		return fmt.Errorf("purge layers: %w", err)
	}
	return nil
}

// departed is when a version must have been deleted to be purged now.
func (r *Registry) departed() int64 { return r.now().Add(-departing).UnixMilli() }
