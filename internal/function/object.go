package function

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/mayfly-faas/mayfly/internal/object"
)

// Objects is what a Registry needs of an object.Store: archives that are not sent
// along are there.
type Objects interface {
	Bucket(ctx context.Context, name string) (object.Bucket, error)
	Open(ctx context.Context, bucket, key, version string) (object.Info, object.Content, error)
}

// An Object is an archive in a bucket.
type Object struct{ Bucket, Key, Version string }

// An archive is a zip that may be code.
type archive struct {
	io.ReaderAt
	size  int64
	close func() error
}

// sent is an archive that came with the request.
func sent(zip []byte) (*archive, error) {
	if len(zip) == 0 {
		return nil, refuse(ErrInvalid, "Uploaded file must be a non-empty zip")
	}
	if len(zip) > MaxZipped {
		return nil, refuse(ErrTooLarge, "Zipped size must be smaller than %d bytes", MaxZipped)
	}
	return &archive{bytes.NewReader(zip), int64(len(zip)), func() error { return nil }}, nil
}

// source refuses what is not one source of code.
func source(zip []byte, o *Object, what string) error {
	switch {
	case zip != nil && o != nil:
		return refuse(ErrInvalid, "Please do not provide other FunctionCode parameters when providing a ZipFile.")
	case zip == nil && (o == nil || o.Bucket == "" || o.Key == ""):
		return refuse(ErrInvalid, "Please provide a source for %s.", what)
	}
	return nil
}

// archive opens what was sent or lies in a bucket. The caller closes it.
func (r *Registry) archive(ctx context.Context, zip []byte, o *Object) (*archive, error) {
	if o == nil {
		return sent(zip)
	}
	if r.objects == nil {
		return nil, refuse(ErrInvalid, "Mayfly does not support code from S3 here. Send it as ZipFile.")
	}
	b, err := r.objects.Bucket(ctx, o.Bucket)
	if err != nil {
		return nil, getObject(err)
	}
	if b.Region != r.region {
		return nil, errGetObject("PermanentRedirect", "The bucket is in this region: "+b.Region+". Please use this region to retry the request")
	}
	info, content, err := r.objects.Open(ctx, o.Bucket, o.Key, o.Version)
	if err != nil {
		return nil, getObject(err)
	}
	if info.Size > MaxUnzipped || info.Size == 0 {
		content.Close()
		if info.Size == 0 {
			return nil, refuse(ErrInvalid, "Uploaded file must be a non-empty zip")
		}
		return nil, errUnzipped()
	}
	return &archive{content, info.Size, content.Close}, nil
}

// getObject says what S3 would, when it does not give an archive.
func getObject(err error) error {
	switch {
	case errors.Is(err, object.ErrNoBucket):
		return errGetObject("NoSuchBucket", "The specified bucket does not exist")
	case errors.Is(err, object.ErrNoKey), errors.Is(err, object.ErrDeleteMarker):
		return errGetObject("NoSuchKey", "The specified key does not exist.")
	case errors.Is(err, object.ErrNoVersion):
		return errGetObject("NoSuchVersion", "The specified version does not exist.")
	}
	return fmt.Errorf("get code from a bucket: %w", err)
}

func errGetObject(code, message string) error {
	return refuse(ErrInvalid, "Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: %s", code, message)
}

func errUnzipped() error {
	return refuse(ErrInvalid, "Unzipped size must be smaller than %d bytes", int64(MaxUnzipped))
}

// reader reads the archive from its beginning.
func (a *archive) reader() io.Reader { return io.NewSectionReader(a, 0, a.size) }

// code is what the archive is known by.
func (a *archive) code() (Code, error) {
	h := sha256.New()
	if _, err := io.Copy(h, a.reader()); err != nil {
		return Code{}, fmt.Errorf("read code: %w", err)
	}
	return Code{SHA256: hex.EncodeToString(h.Sum(nil)), Size: a.size}, nil
}
