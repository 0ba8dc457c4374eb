package cli

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tree writes files into a new folder. A name that ends in * is executable.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		mode := fs.FileMode(0o644)
		if n, ok := strings.CutSuffix(name, "*"); ok {
			name, mode = n, 0o755
		}
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func packed(t testing.TB, dir string) (*archive, *zip.Reader) {
	t.Helper()
	a, err := pack(dir)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(a.zip), int64(len(a.zip)))
	if err != nil {
		t.Fatal(err)
	}
	return a, z
}

func entries(z *zip.Reader) (names []string) {
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	return names
}

func TestPackIgnores(t *testing.T) {
	dir := tree(t, map[string]string{
		"app.py": "x", "lib/a.py": "x", "lib/__pycache__/a.pyc": "x", "node_modules/m/index.js": "x", ".git/HEAD": "x", ".venv/bin/python": "x",
		"mayfly.json": "{}", "event.json": "{}", "lib/event.json": "{}", "tests/t.py": "x", "keep.log": "x", "drop.log": "x", ".env": "SECRET=1", "sub/.env": "x",
		".mayflyignore": "# no tests\ntests/\n*.log\n!keep.log\n!sub/.env\n",
	})
	_, z := packed(t, dir)
	want := []string{"app.py", "keep.log", "lib/a.py", "lib/event.json", "node_modules/m/index.js", "sub/.env"}
	if got := entries(z); !slices.Equal(got, want) {
		t.Errorf("packed %q, want %q", got, want)
	}
}

func TestPackOnlyWhatIsTakenBack(t *testing.T) {
	dir := tree(t, map[string]string{"bootstrap*": "x", "main.go": "x", "go.mod": "x", ".mayflyignore": "*\n!bootstrap\n"})
	_, z := packed(t, dir)
	if got := entries(z); !slices.Equal(got, []string{"bootstrap"}) {
		t.Errorf("packed %q", got)
	}
}

func TestPackIsTheSameForTheSameContent(t *testing.T) {
	files := map[string]string{"b.py": "1", "a.py": "2", "bin/run*": "#!/bin/sh", "c/d/e.txt": "3"}
	one, two := tree(t, files), tree(t, files)
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(two, "a.py"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(two, "b.py"), 0o600); err != nil { // readable is all that counts
		t.Fatal(err)
	}
	a, z := packed(t, one)
	b, _ := packed(t, two)
	if !bytes.Equal(a.zip, b.zip) {
		t.Error("the bytes differ")
	}
	for _, f := range z.File {
		want := fs.FileMode(0o644)
		if f.Name == "bin/run" {
			want = 0o755
		}
		if f.Mode() != want || f.Modified.Year() != 1980 {
			t.Errorf("%s: mode %v, time %v", f.Name, f.Mode(), f.Modified)
		}
	}
	if err := os.Chmod(filepath.Join(two, "a.py"), 0o755); err != nil {
		t.Fatal(err)
	}
	if c, _ := packed(t, two); bytes.Equal(a.zip, c.zip) {
		t.Error("a right to execute made no difference")
	}
}

func TestPackLinks(t *testing.T) {
	dir := tree(t, map[string]string{"lib/real.py": "x"})
	if err := os.Symlink("../lib/real.py", filepath.Join(dir, "lib", "link.py")); err != nil {
		t.Fatal(err)
	}
	_, z := packed(t, dir)
	if f := z.File[0]; f.Name != "lib/link.py" || f.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("packed %s as %v", f.Name, f.Mode())
	}
	for _, target := range []string{"/etc/passwd", "../outside", "../../outside"} {
		link := filepath.Join(dir, "out")
		os.Remove(link)
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if _, err := pack(dir); err == nil || !strings.Contains(err.Error(), "leads out of the folder") {
			t.Errorf("%s: error %v", target, err)
		}
	}
}

func TestPackRefusesWhatIsTooLarge(t *testing.T) {
	a := &archive{files: 1, unzipped: maxUnzip + 1}
	if err := a.check("x"); err == nil || !strings.Contains(err.Error(), "more than 250.0 MB") {
		t.Errorf("error %v", err)
	}
	dir := tree(t, map[string]string{"disk.img": ""})
	if err := os.Truncate(filepath.Join(dir, "disk.img"), 1<<38); err != nil { // of holes: it would take minutes to read
		t.Skip(err)
	}
	if _, err := pack(dir); err == nil || !strings.Contains(err.Error(), "more than 250.0 MB") {
		t.Errorf("error %v", err)
	}
}
