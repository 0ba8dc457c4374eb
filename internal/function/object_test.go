package function

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/object"
)

// A shelf is a store of objects by bucket/key@version.
type shelf map[string][]byte

// content is an object that counts how often it was closed.
type content struct {
	*bytes.Reader
	open *int
}

func (c content) Close() error { *c.open--; return nil }

// A keeper opens a shelf's objects, and knows how many are open.
type keeper struct {
	shelf
	open int
}

var errDisk = errors.New("the disk is gone")

func (k *keeper) Bucket(_ context.Context, name string) (object.Bucket, error) {
	switch name {
	case "code":
		return object.Bucket{Name: name, Region: "us-east-1"}, nil
	case "far":
		return object.Bucket{Name: name, Region: "eu-west-1"}, nil
	}
	return object.Bucket{}, fmt.Errorf("%w: %s", object.ErrNoBucket, name)
}

func (k *keeper) Open(_ context.Context, bucket, key, version string) (object.Info, object.Content, error) {
	b, ok := k.shelf[bucket+"/"+key+"@"+version]
	switch {
	case ok:
		k.open++
		return object.Info{Size: int64(len(b))}, content{bytes.NewReader(b), &k.open}, nil
	case key == "broken":
		return object.Info{}, nil, errDisk
	case key == "marker":
		return object.Info{}, nil, object.ErrDeleteMarker
	case version != "":
		return object.Info{}, nil, object.ErrNoVersion
	}
	return object.Info{}, nil, object.ErrNoKey
}

// stored is an archive with n bytes of content, none of which can be squeezed.
func stored(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "data", Method: zip.Store})
	if err == nil {
		_, err = w.Write(make([]byte, n))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func withObjects(t *testing.T, s shelf) (*rig, *keeper) {
	r := newRig(t)
	k := &keeper{shelf: s}
	r.objects = k
	return r, k
}

func TestCodeFromObject(t *testing.T) {
	one, two := zipOf(t, "one"), zipOf(t, "two")
	r, k := withObjects(t, shelf{"code/f.zip@": one, "code/f.zip@v2": two})
	n := r.plan("f")
	n.Zip, n.Object = nil, &Object{"code", "f.zip", ""}
	v, err := r.Create(t.Context(), n)
	r.must(err)
	digest := func(zip []byte) string {
		a, err := sent(zip)
		r.must(err)
		c, err := a.code()
		r.must(err)
		return c.SHA256
	}
	if v.Code.SHA256 != digest(one) || v.Code.Size != int64(len(one)) {
		t.Errorf("created with %+v", v.Code)
	}
	r.settled("f")
	e := CodeEdit{Object: &Object{"code", "f.zip", "v2"}, DryRun: true}
	v, err = r.UpdateCode(t.Context(), "f", e)
	r.must(err)
	if v.Code.SHA256 != digest(two) {
		t.Errorf("a dry run answers %+v", v.Code)
	}
	if v, err = r.Get(t.Context(), Ref{Name: "f"}); err != nil || v.Code.SHA256 != digest(one) {
		t.Errorf("a dry run left %+v, %v", v.Code, err)
	}
	e.DryRun = false
	v, err = r.UpdateCode(t.Context(), "f", e)
	r.must(err)
	if v.Code.SHA256 != digest(two) {
		t.Errorf("updated to %+v", v.Code)
	}
	l, err := r.PublishLayer(t.Context(), NewLayer{Name: "l", Object: &Object{"code", "f.zip", ""}})
	r.must(err)
	if l.Code.SHA256 != digest(one) {
		t.Errorf("the layer has %+v", l.Code)
	}
	if k.open != 0 {
		t.Errorf("%d objects are still open", k.open)
	}
}

// The limit of what may be sent along is not the limit of an object.
func TestLargeObject(t *testing.T) {
	big := stored(t, MaxZipped+1)
	r, k := withObjects(t, shelf{"code/big.zip@": big, "code/huge.zip@": make([]byte, MaxUnzipped+1), "code/empty.zip@": {}, "code/text@": []byte("no zip")})
	if _, err := r.PublishLayer(t.Context(), NewLayer{Name: "l", Zip: big}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("sent along: %v", err)
	}
	v, err := r.PublishLayer(t.Context(), NewLayer{Name: "l", Object: &Object{Bucket: "code", Key: "big.zip"}})
	r.must(err)
	if v.Code.Unzipped != MaxZipped+1 {
		t.Errorf("published %+v", v.Code)
	}
	for key, want := range map[string]string{
		"huge.zip": "Unzipped size must be smaller than 262144000 bytes", "empty.zip": "Uploaded file must be a non-empty zip", "text": "Could not unzip uploaded file",
	} {
		_, err := r.PublishLayer(t.Context(), NewLayer{Name: "l", Object: &Object{Bucket: "code", Key: key}})
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if k.open != 0 {
		t.Errorf("%d objects are still open", k.open)
	}
}

func TestObjectRefused(t *testing.T) {
	const prefix = "Error occurred while GetObject. S3 Error Code: "
	r, _ := withObjects(t, shelf{"code/f.zip@": zipOf(t, "1")})
	tests := map[string]struct {
		o    Object
		want string
	}{
		"no bucket":  {Object{Bucket: "nope", Key: "f.zip"}, prefix + "NoSuchBucket. S3 Error Message: The specified bucket does not exist"},
		"no key":     {Object{Bucket: "code", Key: "g.zip"}, prefix + "NoSuchKey. S3 Error Message: The specified key does not exist."},
		"no version": {Object{"code", "f.zip", "v9"}, prefix + "NoSuchVersion. S3 Error Message: The specified version does not exist."},
		"deleted":    {Object{Bucket: "code", Key: "marker"}, prefix + "NoSuchKey. S3 Error Message: The specified key does not exist."},
		"elsewhere":  {Object{Bucket: "far", Key: "f.zip"}, prefix + "PermanentRedirect. S3 Error Message: The bucket is in this region: eu-west-1. Please use this region to retry the request"},
		"half":       {Object{Bucket: "code"}, "Please provide a source for function code."},
	}
	for name, tt := range tests {
		n := r.plan("f")
		n.Zip, n.Object = nil, &tt.o
		if _, err := r.Create(t.Context(), n); !errors.Is(err, ErrInvalid) || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	n := r.plan("f")
	n.Object = &Object{Bucket: "code", Key: "f.zip"}
	if _, err := r.Create(t.Context(), n); !errors.Is(err, ErrInvalid) {
		t.Errorf("two sources: %v", err)
	}
	n.Zip, n.Object.Key = nil, "broken"
	if _, err := r.Create(t.Context(), n); !errors.Is(err, errDisk) || errors.Is(err, ErrInvalid) {
		t.Errorf("a broken disk: %v", err)
	}
	r.objects = nil
	if _, err := r.Create(t.Context(), n); !errors.Is(err, ErrInvalid) {
		t.Errorf("no store: %v", err)
	}
}
