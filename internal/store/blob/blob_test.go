package blob_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/mayfly-faas/mayfly/internal/store/blob"
)

func open(t *testing.T, dir string) *blob.Store {
	t.Helper()
	s, err := blob.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *blob.Store, data string) blob.Ref {
	t.Helper()
	ref, err := s.Put(context.Background(), strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestPutAndOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "blobs")
	s := open(t, dir)
	for _, data := range []string{"", "x", strings.Repeat("mayfly", 100_000)} {
		ref := put(t, s, data)
		sum := sha256.Sum256([]byte(data))
		if want := (blob.Ref{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data))}); ref != want {
			t.Errorf("Put answers %v, want %v", ref, want)
		}
		f, err := s.Open(ref.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		f.Close()
		if err != nil || string(got) != data {
			t.Errorf("read %d bytes, %v; want %d", len(got), err, len(data))
		}
		if err := s.Verify(ref.SHA256); err != nil {
			t.Error(err)
		}
		i, err := os.Stat(s.Path(ref.SHA256))
		if err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("the file has mode %v, %v; want 0600", i.Mode(), err)
		}
		if rel, _ := filepath.Rel(dir, s.Path(ref.SHA256)); strings.Count(rel, string(filepath.Separator)) != 2 {
			t.Errorf("%s is not two levels deep", rel)
		}
	}
}

func TestPutAgainChangesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	ref := put(t, s, "same")
	before, _ := os.Stat(s.Path(ref.SHA256))
	if again := put(t, s, "same"); again != ref {
		t.Errorf("again answers %v, want %v", again, ref)
	}
	after, _ := os.Stat(s.Path(ref.SHA256))
	if !os.SameFile(before, after) {
		t.Error("the file was replaced")
	}
	noTemporaries(t, filepath.Dir(filepath.Dir(filepath.Dir(s.Path(ref.SHA256)))))
}

func noTemporaries(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(dir, "tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func TestFailedPutLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	broken := errors.New("broken pipe")
	_, err := s.Put(context.Background(), io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("Put answers %v, want the reader's error", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Put(ctx, strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("Put answers %v, want context.Canceled", err)
	}
	noTemporaries(t, dir)
	if n := count(t, s); n != 0 {
		t.Errorf("%d blobs are there, want none", n)
	}
}

func count(t *testing.T, s *blob.Store) (n int) {
	t.Helper()
	if err := s.Each(func(string, int64) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDelete(t *testing.T) {
	s := open(t, t.TempDir())
	ref := put(t, s, "gone soon")
	f, err := s.Open(ref.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 2 { // the second finds nothing, which is fine
		if err := s.Delete(ref.SHA256); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := io.ReadAll(f); err != nil || string(got) != "gone soon" {
		t.Errorf("who had it open reads %q, %v", got, err)
	}
	if _, err := s.Open(ref.SHA256); !errors.Is(err, blob.ErrMissing) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open answers %v, want ErrMissing", err)
	}
	put(t, s, "gone soon")
	if n := count(t, s); n != 1 {
		t.Errorf("put after delete leaves %d blobs, want 1", n)
	}
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "blobs"))
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, sha := range []string{"", "..", "../secret", "../../secret", strings.Repeat("A", 64), strings.Repeat("a", 63),
		strings.Repeat("../", 20) + "etc", strings.Repeat("g", 64), strings.Repeat("a", 65)} {
		if _, err := s.Open(sha); !errors.Is(err, blob.ErrName) {
			t.Errorf("Open(%q) answers %v, want ErrName", sha, err)
		}
		if err := s.Delete(sha); !errors.Is(err, blob.ErrName) {
			t.Errorf("Delete(%q) answers %v, want ErrName", sha, err)
		}
		if p := s.Path(sha); !strings.HasPrefix(p, filepath.Join(dir, "blobs")+string(filepath.Separator)) {
			t.Errorf("Path(%q) leads out: %s", sha, p)
		}
	}
	if _, err := os.Stat(secret); err != nil {
		t.Error(err)
	}
}

func TestEach(t *testing.T) {
	s := open(t, t.TempDir())
	want := map[string]int64{}
	for i := range 50 {
		ref := put(t, s, strings.Repeat("z", i))
		want[ref.SHA256] = int64(i)
	}
	var last string
	err := s.Each(func(sha string, size int64) error {
		if want[sha] != size || sha <= last {
			t.Errorf("Each tells %s, %d after %s", sha, size, last)
		}
		last = sha
		delete(want, sha)
		return s.Delete(sha)
	})
	if err != nil || len(want) != 0 {
		t.Errorf("%v; %d not told", err, len(want))
	}
	if n := count(t, s); n != 0 {
		t.Errorf("%d are left", n)
	}
	put(t, s, "one")
	stop := errors.New("stop")
	if err := s.Each(func(string, int64) error { return stop }); err != stop {
		t.Errorf("Each answers %v, want the function's error", err)
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	s := open(t, t.TempDir())
	ref := put(t, s, "whole")
	if err := os.WriteFile(s.Path(ref.SHA256), []byte("Whole"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(ref.SHA256); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Verify answers %v", err)
	}
}

func TestManyPutTheSame(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			data := strings.Repeat("s", i%4)
			ref, err := s.Put(context.Background(), strings.NewReader(data))
			if err != nil || ref.Size != int64(i%4) {
				t.Errorf("Put: %v, %v", ref, err)
			}
		})
	}
	wg.Wait()
	if n := count(t, s); n != 4 {
		t.Errorf("%d blobs, want 4", n)
	}
}

const childEnv = "MAYFLY_BLOB_CHILD"

// TestMain is also the child that TestKill kills: it puts blobs as fast as it
// can and prints the name of each that was acknowledged.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		putForever(dir)
	}
	os.Exit(m.Run())
}

func putForever(dir string) {
	s, err := blob.Open(dir)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var mu sync.Mutex // guards standard output
	for range 4 {
		go func() {
			for {
				data := make([]byte, rand.IntN(200_000))
				for i := range data {
					data[i] = byte(rand.Uint32())
				}
				ref, err := s.Put(context.Background(), bytes.NewReader(data))
				mu.Lock()
				fmt.Println(ref.SHA256, err)
				mu.Unlock()
			}
		}()
	}
	select {}
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]bool{}
	for range 10 {
		for _, sha := range killed(t, dir) {
			acked[sha] = true
		}
		s := open(t, dir)
		noTemporaries(t, dir)
		for sha := range acked {
			if err := s.Verify(sha); err != nil {
				t.Error(err)
			}
		}
		if err := s.Each(func(sha string, _ int64) error { return s.Verify(sha) }); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d blobs were acknowledged over 10 kills", len(acked))
}

// killed runs a child, kills it after a random number of blobs, and answers
// those that it acknowledged.
func killed(t *testing.T, dir string) (shas []string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe)
	c.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	stop := 1 + rand.IntN(40)
	lines := bufio.NewScanner(out)
	for lines.Scan() { // to the end: what it printed before it died counts
		sha, ok := strings.CutSuffix(lines.Text(), " <nil>")
		if !ok {
			t.Fatalf("the child says %q", lines.Text())
		}
		if shas = append(shas, sha); len(shas) == stop {
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = c.Wait() // it was killed
	return shas
}

func FuzzPath(f *testing.F) {
	f.Add("../../../../etc/passwd")
	f.Add(strings.Repeat("0", 64))
	s, err := blob.Open(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	root := filepath.Dir(s.Path(""))
	f.Fuzz(func(t *testing.T, sha string) {
		if rel, err := filepath.Rel(root, s.Path(sha)); err != nil || strings.HasPrefix(rel, "..") {
			t.Errorf("Path(%q) leads out: %s", sha, s.Path(sha))
		}
	})
}
