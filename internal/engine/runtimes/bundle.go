package runtimes

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// bundle holds the bootstraps, a folder for each family: what /var/runtime is.
//
//go:embed python/bootstrap* python/mayfly_runtime/*.py nodejs/bootstrap nodejs/*.mjs nodejs/*.cjs ruby/bootstrap ruby/lib/runtime.rb ruby/lib/mayfly_runtime/*.rb
var bundle embed.FS

// bootstraps is the host directory that is /var/runtime for f.
func (s *Set) bootstraps(f family) string { return filepath.Join(s.dir, string(f)) }

// writeBootstraps unpacks the bundle below dir, once for each content, and
// returns where. Folders of earlier versions stay: a sandbox of a server that
// is being replaced may still read them. They are small.
func writeBootstraps(dir string) (string, error) {
	name, err := bundleName()
	if err != nil {
		return "", err
	}
	target := filepath.Join(dir, "bundle-"+name)
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(dir, ".bundle-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp) // nothing is left of it once it has its name
	if err := errors.Join(os.Chmod(temp, 0o755), unpackBundle(temp)); err != nil {
		return "", err
	}
	if err := os.Rename(temp, target); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return target, nil
}

// bundleName is a digest of every file's name and content.
func bundleName() (string, error) {
	h := sha256.New()
	err := fs.WalkDir(bundle, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := bundle.ReadFile(path)
		h.Write([]byte(path + "\x00"))
		h.Write(data)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)[:8]), err
}

// emptyDir is a host directory with nothing in it.
func (s *Set) emptyDir() string { return filepath.Join(s.dir, "empty") }

func unpackBundle(dir string) error {
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		return err
	}
	return fs.WalkDir(bundle, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(path))
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := bundle.ReadFile(path)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if strings.HasSuffix(path, "/bootstrap") {
			mode = 0o755
		}
		return os.WriteFile(target, data, mode)
	})
}

// writeFile replaces a file as a whole.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".write-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it has its name
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
