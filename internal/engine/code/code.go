// Package code turns uploaded archives into directories that a sandbox can
// mount: checked, unpacked once, named by their content. An archive comes from
// a stranger: nothing in it may be written, or lead, outside its directory.
package code

import (
	"errors"
	"io"
)

// MaxUnzipped is the most bytes that a package may hold unpacked. A function
// and its layers together may not hold more either: the caller adds them up.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const MaxUnzipped = 262144000

// maxEntries bounds what an archive can make the file system hold in files
// without content. AWS names no such limit.
const maxEntries = 200_000

// What can be wrong with an archive.
var (
	ErrBadZip   = errors.New("not a zip archive that can be unpacked")
	ErrTooLarge = errors.New("unzipped size is over the limit")
	ErrUnsafe   = errors.New("an entry is not safe to unpack")
)

// An Info is what an archive holds.
type Info struct {
	Unzipped int64 // bytes of all files
	Files    int   // files and links, not directories
}

// Inspect reads the whole archive, and tells what it holds. The error is one of
// ErrBadZip, ErrTooLarge and ErrUnsafe, with the entry it is about, or r's own.
// What passes Inspect can be unpacked.
func Inspect(r io.ReaderAt, size int64) (Info, error) {
	return inspect(r, size, MaxUnzipped)
}

func inspect(r io.ReaderAt, size, limit int64) (Info, error) {
	a, err := open(r, size, limit)
	if err != nil {
		return Info{}, err
	}
	for i := range a.entries {
		if _, err := a.copy(io.Discard, &a.entries[i]); err != nil {
			return Info{}, err
		}
	}
	return Info{Unzipped: limit - a.left, Files: a.files()}, nil
}
