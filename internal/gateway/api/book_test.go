package api

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
)

func openBook(t testing.TB, file string) *Book {
	t.Helper()
	db, err := store.OpenSQLite(file, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b, err := Open(t.Context(), Config{DB: db, Account: "000000000000", Region: "us-east-1", Now: func() time.Time { return time.UnixMilli(1700000000000) }})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A world is a book with one HTTP API.
type world struct {
	*Book
	t  testing.TB
	id string
}

func newWorld(t testing.TB) *world {
	w := &world{Book: openBook(t, filepath.Join(t.TempDir(), "x.db")), t: t}
	err := w.Create(t.Context(), API{Name: "n", ProtocolType: HTTP}, func(d *Definition) error { w.id = d.API.ApiId; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) edit(fn func(*Definition) error) {
	w.t.Helper()
	if err := w.Edit(w.t.Context(), w.id, fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) route(key string) {
	w.t.Helper()
	w.edit(func(d *Definition) error {
		_, err := d.AddRoute(func(r *Route) error { r.RouteKey = key; return nil })
		return err
	})
}

func (w *world) stage(name string, auto bool, deployment string) {
	w.t.Helper()
	w.edit(func(d *Definition) error {
		_, err := d.AddStage(func(s *Stage) error {
			s.StageName, s.AutoDeploy, s.DeploymentId = name, auto, deployment
			return nil
		})
		return err
	})
}

func (w *world) deploy(stage string) (id string) {
	w.t.Helper()
	w.edit(func(d *Definition) error {
		made, err := d.Deploy("", stage)
		if err == nil {
			id = made.DeploymentId
		}
		return err
	})
	return id
}

// serves wants a stage to have these routes.
func (w *world) serves(stage string, want ...string) *Deployed {
	w.t.Helper()
	d, err := w.Deployed(w.t.Context(), w.id, stage)
	if err != nil {
		w.t.Fatal(err)
	}
	var keys []string
	for _, r := range d.Routes {
		keys = append(keys, r.RouteKey)
	}
	slices.Sort(keys)
	if !slices.Equal(keys, want) {
		w.t.Errorf("stage %s serves %q, want %q", stage, keys, want)
	}
	return d
}

// TestDeployments: a stage serves what was deployed to it, and one that deploys
// by itself what there is.
func TestDeployments(t *testing.T) {
	w := newWorld(t)
	w.stage("auto", true, "")
	w.stage("manual", false, "")
	w.serves("auto")
	w.serves("manual")
	w.route("GET /a")
	w.serves("auto", "GET /a")
	w.serves("manual")
	first := w.deploy("manual")
	w.serves("manual", "GET /a")
	w.route("GET /b")
	w.serves("auto", "GET /a", "GET /b")
	w.serves("manual", "GET /a")
	second := w.deploy("")
	w.route("GET /c")
	w.edit(func(d *Definition) error {
		_, err := d.ChangeStage("manual", func(s *Stage) error { s.DeploymentId = second; return nil })
		return err
	})
	w.serves("manual", "GET /a", "GET /b")
	w.stage("old", false, first)
	w.serves("old", "GET /a")

	d, err := w.View(t.Context(), w.id)
	if err != nil || len(d.Deployments) != 3 { // one automatic: those before it went
		t.Errorf("%d deployments, %v", len(d.Deployments), err)
	}
	err = w.Edit(t.Context(), w.id, func(d *Definition) error { return d.DeleteDeployment(first) })
	if e, _ := errors.AsType[*awserr.Error](err); e == nil || e.Message != "Active stages pointing to this deployment must be moved or deleted" {
		t.Error(err)
	}
	if err := w.DeleteStage(t.Context(), w.id, "old"); err != nil {
		t.Fatal(err)
	}
	w.edit(func(d *Definition) error { return d.DeleteDeployment(first) })
	if _, err := w.Deployed(t.Context(), w.id, "old"); !errors.Is(err, ErrNoStage) {
		t.Error(err)
	}
	w.snapshots(1) // second alone: the automatic one is the API as it is
}

// snapshots wants n of them in the table.
func (w *world) snapshots(n int) {
	w.t.Helper()
	got, err := store.Read(w.t.Context(), w.DB, func(tx store.Tx) (n int, err error) {
		return n, tx.Get([]any{&n}, `SELECT COUNT(*) FROM apigateway_snapshot`)
	})
	if err != nil || got != n {
		w.t.Errorf("%d snapshots, want %d, %v", got, n, err)
	}
}

// TestStageStopsDeploying: when a stage does not deploy by itself any more, it
// serves what it served last.
func TestStageStopsDeploying(t *testing.T) {
	w := newWorld(t)
	w.route("GET /a")
	w.stage("s", true, "")
	w.edit(func(d *Definition) error {
		_, err := d.ChangeStage("s", func(s *Stage) error { s.AutoDeploy = false; return nil })
		return err
	})
	w.route("GET /b")
	w.route("GET /c")
	w.serves("s", "GET /a")
	w.edit(func(d *Definition) error {
		_, err := d.ChangeStage("s", func(s *Stage) error { s.AutoDeploy = true; return nil })
		return err
	})
	w.serves("s", "GET /a", "GET /b", "GET /c")
	w.snapshots(0)
}

// TestFailedAutoDeploy: a change that cannot be deployed leaves what is served.
func TestFailedAutoDeploy(t *testing.T) {
	w := newWorld(t)
	w.route("GET /a")
	w.stage("s", true, "")
	w.edit(func(d *Definition) error {
		for id := range d.Routes {
			if err := d.DeleteRoute(id); err != nil {
				return err
			}
		}
		return nil
	})
	d := w.serves("s", "GET /a")
	if d.Stage.LastDeploymentStatusMessage != "Deployment attempt failed: Unable to deploy API because no routes exist in this API" {
		t.Error(d.Stage.LastDeploymentStatusMessage)
	}
}

// TestDeployedIsKept: the same pointer until something changes, and then another
// of a higher revision.
func TestDeployedIsKept(t *testing.T) {
	w := newWorld(t)
	w.route("GET /a")
	w.stage("s", true, "")
	one := w.serves("s", "GET /a")
	if two := w.serves("s", "GET /a"); one != two {
		t.Error("another pointer, though nothing changed")
	}
	w.route("GET /b")
	three := w.serves("s", "GET /a", "GET /b")
	if three == one || three.Revision <= one.Revision {
		t.Errorf("revision %d after %d", three.Revision, one.Revision)
	}
	if len(one.Routes) != 1 {
		t.Error("what was served before was changed")
	}
	err := w.Edit(t.Context(), w.id, func(d *Definition) error {
		if _, err := d.AddRoute(func(r *Route) error { r.RouteKey = "GET /c"; return nil }); err != nil {
			return err
		}
		return errors.New("no")
	})
	if err == nil || w.serves("s", "GET /a", "GET /b").Revision != three.Revision {
		t.Error("an edit that failed left something")
	}
}

func TestNamesOfTheWeb(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if p, err := w.Protocol(ctx, w.id); p != HTTP || err != nil {
		t.Error(p, err)
	}
	if p, err := w.Protocol(ctx, "nope"); p != "" || err != nil {
		t.Error(p, err)
	}
	for _, name := range []string{"a.example.com", "*.example.com"} {
		if err := w.CreateDomain(ctx, name, func(*Domain) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for host, want := range map[string]string{"a.example.com": "a.example.com", "b.example.com": "*.example.com", "b.c.example.com": "", "example.com": ""} {
		d, err := w.Domain(ctx, host)
		if want == "" {
			if !errors.Is(err, ErrNoDomain) {
				t.Error(host, err)
			}
			continue
		}
		if err != nil || d.DomainName != want {
			t.Error(host, d, err)
		}
	}
	if err := w.Delete(ctx, w.id); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Deployed(ctx, w.id, "s"); !errors.Is(err, ErrNoAPI) {
		t.Error(err)
	}
}

// TestMappingElsewhere: a domain name leads to APIs of other rooms too.
func TestMappingElsewhere(t *testing.T) {
	w := newWorld(t)
	w.Elsewhere = func(_ context.Context, id, stage string) (bool, error) { return id == "rest" && stage == "prod", nil }
	if err := w.CreateDomain(t.Context(), "a.example.com", func(*Domain) error { return nil }); err != nil {
		t.Fatal(err)
	}
	put := func(id, stage string) error {
		_, err := w.PutMapping(t.Context(), "a.example.com", "", func(m *Mapping) error { m.ApiId, m.Stage = id, stage; return nil })
		return err
	}
	if put("rest", "nope") == nil || put("nope", "prod") == nil {
		t.Error("a mapping to nothing")
	}
	if err := put("rest", "prod"); err != nil {
		t.Error(err)
	}
}

// TestManyWriters: edits by many at once are all there, each once, and readers
// meanwhile see whole states, each newer than the last.
func TestManyWriters(t *testing.T) {
	w := newWorld(t)
	w.route("GET /first")
	w.stage("s", true, "")
	const writers, each = 8, 12
	done := make(chan struct{})
	var readers, group sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for last := uint64(0); ; {
				d, err := w.Deployed(t.Context(), w.id, "s")
				if err != nil || d.Revision < last || d.DeploymentID == "" {
					t.Errorf("read %+v after %d: %v", d, last, err)
					return
				}
				last = d.Revision
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range writers {
		group.Go(func() {
			for j := range each {
				key := fmt.Sprintf("GET /%d/%d", i, j)
				err := w.Edit(t.Context(), w.id, func(d *Definition) error {
					_, err := d.AddRoute(func(r *Route) error { r.RouteKey = key; return nil })
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				if d, err := w.Deployed(t.Context(), w.id, "s"); err != nil || !has(d, key) {
					t.Errorf("%s is not served after it was made: %v", key, err)
				}
			}
		})
	}
	group.Wait()
	close(done)
	readers.Wait()
	d, err := w.View(t.Context(), w.id)
	if err != nil || len(d.Routes) != writers*each+1 || len(d.Deployments) != 1 {
		t.Errorf("%d routes, %d deployments, %v", len(d.Routes), len(d.Deployments), err)
	}
}

func has(d *Deployed, key string) bool {
	for _, r := range d.Routes {
		if r.RouteKey == key {
			return true
		}
	}
	return false
}

// largest is an API with as many routes as AWS allows.
func largest(b *testing.B) *world {
	w := newWorld(b)
	w.edit(func(d *Definition) error {
		for i := range 300 {
			n, err := d.AddIntegration(func(n *Integration) error {
				n.IntegrationType, n.IntegrationUri, n.PayloadFormatVersion = AWSProxy, "arn:aws:lambda:us-east-1:000000000000:function:f", "2.0"
				return nil
			})
			if err != nil {
				return err
			}
			if _, err := d.AddRoute(func(r *Route) error {
				r.RouteKey, r.Target = fmt.Sprintf("GET /things/%d/{id}", i), "integrations/"+n.IntegrationId
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	w.stage("s", true, "")
	return w
}

// BenchmarkDeployed is what a request of the web pays.
func BenchmarkDeployed(b *testing.B) {
	w := largest(b)
	for b.Loop() {
		if _, err := w.Deployed(b.Context(), w.id, "s"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEdit is a change to a large API that deploys by itself.
func BenchmarkEdit(b *testing.B) {
	w := largest(b)
	for b.Loop() {
		w.edit(func(d *Definition) error { return d.Change(func(a *API) error { return nil }) })
	}
}
