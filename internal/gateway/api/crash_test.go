package api

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const childDir = "MAYFLY_API_TEST_DIR" // set in a child that is there to be killed

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		editUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// editUntilKilled adds routes to an API that deploys by itself, and says on its
// output which of them were acknowledged.
func editUntilKilled(dir string) {
	ctx := context.Background()
	db, err := store.OpenSQLite(filepath.Join(dir, "x.db"), store.Options{})
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	b, err := Open(ctx, Config{DB: db, Account: "0", Region: "r"})
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	apis, err := b.APIs(ctx)
	for err == nil && len(apis) == 0 {
		err = b.Create(ctx, API{Name: "n", ProtocolType: HTTP}, func(d *Definition) error {
			_, err := d.AddStage(func(s *Stage) error { s.StageName, s.AutoDeploy = "s", true; return nil })
			return err
		})
		apis, _ = b.APIs(ctx)
	}
	for i := 0; err == nil; i++ {
		key := fmt.Sprintf("GET /%d/%d", os.Getpid(), i)
		for id := range apis {
			err = b.Edit(ctx, id, func(d *Definition) error {
				if _, err := d.AddRoute(func(r *Route) error { r.RouteKey = key; return nil }); err != nil {
					return err
				}
				_, err := d.Deploy(key, "") // one that must be frozen by the next edit
				return err
			})
		}
		fmt.Println("made", key)
	}
	fmt.Println("failed", err)
}

// TestKill: a server is killed again and again while an API is edited. What was
// acknowledged is there, and all of it can be served.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	made := map[string]bool{}
	for round := range 5 {
		killChild(t, dir, 5+7*round, made)
	}
	b := openBook(t, filepath.Join(dir, "x.db"))
	apis, err := b.APIs(t.Context())
	if err != nil || len(apis) != 1 {
		t.Fatal(len(apis), err)
	}
	for id := range apis {
		d, err := b.Deployed(t.Context(), id, "s")
		if err != nil {
			t.Fatal(err)
		}
		for key := range made {
			if !has(d, key) {
				t.Errorf("%s was acknowledged and is not served", key)
			}
		}
		readable(t, b, id)
	}
}

// readable wants every deployment to have what it was made of: its own route.
func readable(t *testing.T, b *Book, id string) {
	t.Helper()
	err := b.DB.View(t.Context(), func(tx store.Tx) error {
		d, err := readDefinition(tx, id)
		if err != nil {
			return err
		}
		for _, e := range d.Deployments {
			s, err := d.readSnapshot(tx, e.DeploymentId)
			if err != nil {
				return err
			}
			if !e.AutoDeployed && !has(&Deployed{Snapshot: s}, e.Description) {
				t.Errorf("deployment %s has no route %s", e.DeploymentId, e.Description)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// killChild kills a child when it has made so many routes.
func killChild(t *testing.T, dir string, after int, made map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(out)
	for left := after; left > 0 && s.Scan(); left-- {
		key, ok := strings.CutPrefix(s.Text(), "made ")
		if !ok {
			t.Errorf("child: %s", s.Text())
		}
		made[key] = true
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	cmd.Wait() // killed, as wanted
}
