package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestRemoteName(t *testing.T) {
	for magic, want := range map[uint32]string{0x6969: "NFS", 0xFF534D42: "SMB", 0xEF53: "", 0x01021994: "", 0x01021997: ""} {
		if got := remoteName(magic); got != want {
			t.Errorf("%#x is %q, want %q", magic, got, want)
		}
	}
	if got := remote(t.TempDir()); got != "" {
		t.Errorf("the folder for temporary files is on %s", got)
	}
}

func TestBallast(t *testing.T) {
	b := ballast{path: filepath.Join(t.TempDir(), "b"), size: 3<<20 + 5}
	if b.there() {
		t.Error("it is there before it was made")
	}
	for range 2 {
		if err := b.restore(); err != nil || !b.there() {
			t.Errorf("restore: %v, there: %v", err, b.there())
		}
	}
	for range 2 {
		if err := b.drop(); err != nil || b.there() {
			t.Errorf("drop: %v, there: %v", err, b.there())
		}
	}
	b.size = 1 << 60
	if b.fits() {
		t.Error("an exabyte fits")
	}
	if err := b.restore(); err == nil || b.there() {
		t.Errorf("an exabyte is taken: %v", err)
	}
	if _, err := os.Stat(b.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what could not be taken is left: %v", err)
	}
	f, err := os.Create(b.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := fill(f, 2<<20+7); err != nil {
		t.Fatal(err)
	}
	if i, err := f.Stat(); err != nil || i.Size() != 2<<20+7 {
		t.Errorf("fill leaves %d bytes, %v", i.Size(), err)
	}
}

func TestMkdirs(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	for range 2 {
		if err := mkdirs(deep); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := mkdirs(filepath.Join(file, "x")); err == nil {
		t.Error("a folder is made in a file")
	}
}
