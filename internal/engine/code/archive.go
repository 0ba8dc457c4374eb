package code

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode"
)

// An archive is a zip whose names have been checked, as the tree that it will be.
type archive struct {
	entries []entry
	links   map[string]string // link to its target
	left    int64             // bytes that may still be unpacked
	made    map[string]bool   // directories that unpack has made
}

// An entry is one file, link or directory to make.
type entry struct {
	name string // clean, relative, with slashes
	mode fs.FileMode
	file *zip.File
}

const (
	longestName   = 255
	longestPath   = 4000 // leaves room for the directory that it is unpacked into
	longestTarget = 4000
	mostHops      = 40 // as Linux follows
)

// open reads the central directory and checks every name, and where links lead.
func open(r io.ReaderAt, size, limit int64) (*archive, error) {
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, bad("the archive", err)
	}
	if len(z.File) > maxEntries {
		return nil, fmt.Errorf("%w: %d entries, of %d at most", ErrTooLarge, len(z.File), maxEntries)
	}
	a := &archive{links: map[string]string{}, made: map[string]bool{}, left: limit}
	last := map[string]int{} // a name that comes twice means its last entry
	for _, f := range z.File {
		e, err := newEntry(f)
		if err != nil {
			return nil, err
		}
		if e.name == "." {
			continue
		}
		if i, ok := last[e.name]; ok {
			a.entries[i] = e
			continue
		}
		last[e.name] = len(a.entries)
		a.entries = append(a.entries, e)
	}
	if err := a.checkSize(); err != nil {
		return nil, err
	}
	return a, a.checkTree(last)
}

// newEntry checks what one entry says of itself.
func newEntry(f *zip.File) (entry, error) {
	name, err := cleanName(f.Name)
	if err != nil {
		return entry{}, err
	}
	e := entry{name: name, file: f}
	const encrypted = 1
	switch mode := f.Mode(); {
	case f.Flags&encrypted != 0:
		return e, fmt.Errorf("%w: %q is encrypted", ErrBadZip, f.Name)
	case strings.HasSuffix(f.Name, "/") || mode.IsDir():
		if f.UncompressedSize64 != 0 && !strings.HasSuffix(f.Name, "/") {
			return e, fmt.Errorf("%w: %q is a directory with content", ErrBadZip, f.Name)
		}
		e.mode = fs.ModeDir | 0o755
	case mode&fs.ModeSymlink != 0:
		e.mode = fs.ModeSymlink | 0o777
	case !mode.IsRegular():
		return e, fmt.Errorf("%w: %q is no file, link or directory", ErrUnsafe, f.Name)
	case mode&0o111 != 0:
		e.mode = 0o755
	default: // whoever runs the code is not who owns it: it must be readable
		e.mode = 0o644
	}
	return e, nil
}

// cleanName makes an entry's name relative and plain, or refuses it.
func cleanName(name string) (string, error) {
	slashed := strings.ReplaceAll(name, `\`, "/")
	drive := len(slashed) > 1 && slashed[1] == ':' && unicode.IsLetter(rune(slashed[0])) && (len(slashed) == 2 || slashed[2] == '/')
	if name == "" || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("%w: %q is no name", ErrBadZip, name)
	}
	if slashed[0] == '/' || drive || slices.Contains(strings.Split(slashed, "/"), "..") {
		return "", fmt.Errorf("%w: %q leads out of the archive", ErrUnsafe, name)
	}
	clean := path.Clean(name)
	if len(clean) > longestPath || slices.ContainsFunc(strings.Split(clean, "/"), func(p string) bool { return len(p) > longestName }) {
		return "", fmt.Errorf("%w: the name %.60q... is too long", ErrBadZip, name)
	}
	return clean, nil
}

// checkSize refuses early what says itself that it is too large. What lies is
// caught by copy.
func (a *archive) checkSize() error {
	var sum uint64
	for _, e := range a.entries {
		sum += e.file.UncompressedSize64
		if e.file.UncompressedSize64 > uint64(a.left) || sum > uint64(a.left) {
			return fmt.Errorf("%w of %d bytes", ErrTooLarge, a.left)
		}
	}
	return nil
}

// checkTree refuses an archive in which a file or link is also a directory, or
// a link leads out.
func (a *archive) checkTree(index map[string]int) error {
	for i := range a.entries {
		if err := a.checkParents(a.entries[i].name, index); err != nil {
			return err
		}
		if a.entries[i].mode&fs.ModeSymlink == 0 {
			continue
		}
		target, err := a.readLink(&a.entries[i])
		if err != nil {
			return err
		}
		a.links[a.entries[i].name] = target
	}
	for name, target := range a.links {
		if !a.leadsInside(name, target) {
			return fmt.Errorf("%w: the link %q leads out of the archive, to %q", ErrUnsafe, name, target)
		}
	}
	return nil
}

func (a *archive) checkParents(name string, index map[string]int) error {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		i, ok := index[dir]
		if !ok || a.entries[i].mode.IsDir() {
			continue
		}
		if a.entries[i].mode&fs.ModeSymlink != 0 {
			return fmt.Errorf("%w: %q lies behind a link", ErrUnsafe, name)
		}
		return fmt.Errorf("%w: %q lies below a file", ErrBadZip, name)
	}
	return nil
}

// readLink reads a link's target, which is its content.
func (a *archive) readLink(e *entry) (string, error) {
	if e.file.UncompressedSize64 == 0 || e.file.UncompressedSize64 > longestTarget {
		return "", fmt.Errorf("%w: the link %q has a target of %d bytes", ErrBadZip, e.name, e.file.UncompressedSize64)
	}
	var b strings.Builder
	whole := a.left
	_, err := a.copy(&b, e)
	a.left = whole // it is counted when it is unpacked
	if err == nil && strings.ContainsRune(b.String(), 0) {
		return "", fmt.Errorf("%w: the link %q has no proper target", ErrBadZip, e.name)
	}
	return b.String(), err
}

// leadsInside follows a link as the system would, through the archive's other
// links, and tells whether the way stays inside. An absolute target is inside
// when it names where the sandbox shows code.
func (a *archive) leadsInside(link, target string) bool {
	if path.IsAbs(target) {
		return !slices.Contains(strings.Split(target, "/"), "..") &&
			(strings.HasPrefix(target, "/var/task/") || strings.HasPrefix(target, "/opt/"))
	}
	at := path.Dir(link)
	todo := strings.Split(target, "/")
	for hops := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		if part == ".." && at == "." {
			return false
		}
		at = path.Join(at, part)
		next, isLink := a.links[at]
		if !isLink || part == "" || part == "." || part == ".." {
			continue
		}
		if path.IsAbs(next) { // checked by itself; a way that goes on from there must not go up
			return !slices.Contains(todo, "..")
		}
		if hops++; hops > mostHops {
			return true // a loop leads nowhere
		}
		at = path.Dir(at)
		todo = append(strings.Split(next, "/"), todo...)
	}
	return true
}

// copy unpacks e's content into w, as long as the archive's limit allows.
func (a *archive) copy(w io.Writer, e *entry) (int64, error) {
	if e.mode.IsDir() {
		return 0, nil
	}
	r, err := e.file.Open()
	if err != nil {
		return 0, bad(e.name, err)
	}
	defer r.Close()
	n, err := io.Copy(w, io.LimitReader(r, a.left+1))
	if n > a.left {
		return n, fmt.Errorf("%w: %q", ErrTooLarge, e.name)
	}
	a.left -= n
	if err != nil {
		return n, bad(e.name, err)
	}
	return n, nil
}

func (a *archive) files() int {
	n := 0
	for _, e := range a.entries {
		if !e.mode.IsDir() {
			n++
		}
	}
	return n
}

// bad tells a fault of the archive from one of reading or writing.
func bad(what string, err error) error {
	var corrupt flate.CorruptInputError
	for _, known := range []error{zip.ErrFormat, zip.ErrAlgorithm, zip.ErrChecksum, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, known) || errors.As(err, &corrupt) {
			return fmt.Errorf("%w: %q: %v", ErrBadZip, what, err)
		}
	}
	return fmt.Errorf("code: reading %q: %w", what, err)
}
