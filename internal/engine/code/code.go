// Package code turns uploaded archives into directories that a sandbox can
// mount: checked, unpacked once, named by their content.
package code

import "errors"

// MaxUnzipped is the most that a package, or a function with its layers, may
// hold unpacked.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const MaxUnzipped = 262144000

// What can be wrong with an archive.
var (
	ErrBadZip   = errors.New("not a zip archive that can be unpacked")
	ErrTooLarge = errors.New("unzipped size is over the limit")
	ErrUnsafe   = errors.New("archive holds an entry that is not safe to unpack")
)

// An Info is what an archive holds.
type Info struct {
	Unzipped int64 // bytes of all files
	Files    int   // entries that are not directories
}
