package code

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func seeds(f *testing.F) {
	for _, z := range [][]byte{
		nil, []byte("PK\x05\x06" + strings.Repeat("\x00", 18)),
		build(f, file("a", "1"), file("b/c", "2"), link("l", "b/c")),
		build(f, file("../a", "1")), build(f, link("a", "../../etc"), file("a/b", "x")),
		build(f, link("a/b/c", "../.."), link("l", "a/b/c/../..")),
		build(f, part{name: "d/", mode: fs.ModeDir | 0o700}, part{name: "x", mode: fs.ModeDevice}),
	} {
		f.Add(z)
	}
}

// FuzzUnpack holds that whatever the bytes are, nothing is written outside the
// store, no link leads out, and the limits hold; and that Inspect and Unpack agree.
func FuzzUnpack(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, z []byte) {
		const limit = 1 << 20
		info, inspected := inspect(bytes.NewReader(z), int64(len(z)), limit)
		if inspected != nil && !errors.Is(inspected, ErrBadZip) && !errors.Is(inspected, ErrTooLarge) && !errors.Is(inspected, ErrUnsafe) {
			t.Fatalf("an error without a name: %v", inspected)
		}
		if info.Unzipped > limit {
			t.Fatalf("unzipped %d bytes, of %d", info.Unzipped, limit)
		}
		if errors.Is(inspected, ErrTooLarge) {
			return // Unpack's own limit is far higher
		}
		s := newStore(t)
		dir, err := s.Unpack(t.Context(), "x", bytes.NewReader(z), int64(len(z)))
		if (err == nil) != (inspected == nil) {
			t.Fatalf("Inspect says %v, Unpack %v", inspected, err)
		}
		if got := len(tree(t, filepath.Dir(s.dir))); err != nil && got != 1 {
			t.Fatalf("after %v, %d files are left", err, got)
		}
		if err == nil {
			checkLinks(t, dir)
		}
	})
}

// checkLinks lets the system follow each link inside dir.
func checkLinks(t *testing.T, dir string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink == 0 {
			return err
		}
		path, _ = filepath.Rel(dir, path) // it is below
		target, err := root.Readlink(path)
		if err != nil || filepath.IsAbs(target) {
			return err
		}
		if _, err := root.Stat(path); err != nil && strings.Contains(err.Error(), "escapes") {
			t.Errorf("the link %q leads out, to %q", path, target)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// FuzzNames holds cleanName to what it promises, for any name.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"a", "./a//b", "../a", `a\..\b`, "C:/x", "/x", "a/.", "", "…"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean, err := cleanName(name)
		if err == nil && !filepath.IsLocal(clean) {
			t.Errorf("%q became %q", name, clean)
		}
	})
}

// FuzzLinks holds the check of links to what the system does with them.
func FuzzLinks(f *testing.F) {
	f.Add("a", "b", "c/d", "../..")
	f.Add("a/b/c", "../..", "l", "a/b/c/../..")
	f.Add("x", "y/../..", "y", ".")
	f.Fuzz(func(t *testing.T, name1, target1, name2, target2 string) {
		for _, s := range []string{name1, target1, name2, target2} {
			if len(s) > 100 {
				return
			}
		}
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for _, p := range []part{link(name1, target1), link(name2, target2), file("dir/sub/file", "")} {
			h := &zip.FileHeader{Name: p.name}
			h.SetMode(p.mode)
			out, err := w.CreateHeader(h)
			if err != nil {
				return
			}
			if _, err := out.Write([]byte(p.body)); err != nil {
				return
			}
		}
		if w.Close() != nil {
			return
		}
		s := newStore(t)
		if dir, err := s.Unpack(t.Context(), "x", bytes.NewReader(b.Bytes()), int64(b.Len())); err == nil {
			checkLinks(t, dir)
		}
	})
}
