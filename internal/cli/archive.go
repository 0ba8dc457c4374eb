package cli

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	ignore "github.com/sabhiram/go-gitignore"
)

const ignoreFile = ".mayflyignore"

// defaultIgnore is never part of a function, unless .mayflyignore takes it back
// with an exclamation mark. node_modules is not here: the code needs it.
const defaultIgnore = `.git
.hg
.svn
.DS_Store
.env
.venv
venv
__pycache__
.pytest_cache
.mypy_cache
/mayfly.json
/event.json
/.mayflyignore`

// What AWS takes: a larger archive than maxZip goes through a bucket. The server
// says the same, but only after the upload.
const (
	maxZip   = 50 << 20
	maxUnzip = 250 << 20
)

// An archive is a folder as it is deployed.
type archive struct {
	zip      []byte
	files    int
	unzipped int64
	names    map[string]bool
}

// pack zips a folder. The same content makes the same bytes: entries are in
// order, their times are fixed, and of their modes only the right to execute is
// kept. So a deploy can tell that nothing changed.
func pack(dir string) (*archive, error) {
	rules, err := ignoreRules(dir)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	a := &archive{names: map[string]bool{}}
	z := zip.NewWriter(&b)
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fail("%v", err)
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil || rel == "." {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case d.IsDir() && rules.MatchesPath(rel+"/"):
			return fs.SkipDir
		case d.IsDir() || rules.MatchesPath(rel):
			return nil
		}
		if err := a.add(z, dir, rel, d); err != nil || a.unzipped <= maxUnzip {
			return err
		}
		return a.check(dir) // at once: the wrong folder may be huge
	})
	if err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("pack %s: %w", dir, err)
	}
	a.zip = b.Bytes()
	return a, a.check(dir)
}

func (a *archive) check(dir string) error {
	if a.unzipped <= maxUnzip {
		return nil
	}
	return fail("%s has more than %s, which is all that a function may have", dir, size(maxUnzip)).
		next("leave out what the function does not need, in %s", filepath.Join(dir, ignoreFile))
}

func ignoreRules(dir string) (*ignore.GitIgnore, error) {
	own, err := os.ReadFile(filepath.Join(dir, ignoreFile))
	if err != nil && !os.IsNotExist(err) {
		return nil, fail("%v", err)
	}
	return ignore.CompileIgnoreLines(strings.Split(defaultIgnore+"\n"+string(own), "\n")...), nil
}

// add writes one file or link.
func (a *archive) add(z *zip.Writer, dir, rel string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return fail("%v", err)
	}
	h := &zip.FileHeader{Name: rel, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	name := filepath.Join(dir, filepath.FromSlash(rel))
	var content io.Reader
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := linkTarget(name, rel)
		if err != nil {
			return err
		}
		h.SetMode(0o777 | fs.ModeSymlink)
		content = strings.NewReader(target)
	case info.Mode().IsRegular():
		h.SetMode(0o644 | info.Mode()&0o100 | info.Mode()&0o100>>3 | info.Mode()&0o100>>6)
		f, err := os.Open(name)
		if err != nil {
			return fail("%v", err)
		}
		defer f.Close()
		content = f
	default:
		return fail("%s is neither a file nor a folder", name).next("name it in %s", filepath.Join(dir, ignoreFile))
	}
	w, err := z.CreateHeader(h)
	if err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	n, err := io.Copy(w, io.LimitReader(content, maxUnzip-a.unzipped+1))
	if err != nil {
		return fail("%v", err)
	}
	a.files++
	a.unzipped += n
	a.names[rel] = true
	return nil
}

// linkTarget reads a link, and refuses one that leads out of the folder: there
// is nothing at its other end where the function runs.
func linkTarget(name, rel string) (string, error) {
	target, err := os.Readlink(name)
	if err != nil {
		return "", fail("%v", err)
	}
	target = filepath.ToSlash(target)
	if inside := path.Join(path.Dir(rel), target); path.IsAbs(target) || inside == ".." || strings.HasPrefix(inside, "../") {
		return "", fail("%s leads out of the folder, to %s", name, target).next("copy what it leads to, or name it in %s", ignoreFile)
	}
	return target, nil
}
