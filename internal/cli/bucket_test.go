package cli

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// s3 plays a bucket: make, put and delete.
func (f *fake) s3(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	if f.objects == nil {
		f.objects = map[string][]byte{}
	}
	f.calls = append(f.calls, r.Method+" "+r.URL.Path)
	bucket := "/" + deployBucket
	switch {
	case r.URL.Path == bucket && f.objects[bucket] != nil:
		w.WriteHeader(409)
		io.WriteString(w, `<?xml version="1.0"?><Error><Code>BucketAlreadyOwnedByYou</Code><Message>It is yours.</Message></Error>`)
	case f.objects[bucket] == nil && r.URL.Path != bucket:
		w.WriteHeader(404)
		io.WriteString(w, `<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>`)
	case r.Method == "PUT":
		f.objects[r.URL.Path] = body
	case r.Method == "DELETE":
		delete(f.objects, r.URL.Path)
		w.WriteHeader(204)
	}
}

// large is a deployment of an archive that cannot be sent along.
func large(t *testing.T, f *fake) *deployment {
	t.Helper()
	s := f.serve()
	d := &deployment{program: &program{env: func(k string) string { return s.env[k] }, err: io.Discard}, want: manifest{Name: "f"}, code: &archive{zip: bytes.Repeat([]byte("z"), maxZip+1)}}
	var err error
	if d.api, err = d.client(); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestLargeArchivesGoThroughABucket(t *testing.T) {
	f := &fake{t: t}
	d := large(t, f)
	for range 2 { // the second time the bucket is there
		where, clear, err := d.source(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		key, _ := where["S3Key"].(string)
		if where["S3Bucket"] != deployBucket || where["ZipFile"] != nil || !strings.HasPrefix(key, "f/") || !strings.HasSuffix(key, ".zip") {
			t.Errorf("the code is at %v", where)
		}
		path := "/" + deployBucket + "/" + key
		if !bytes.Equal(f.objects[path], d.code.zip) {
			t.Errorf("%s has %d bytes", path, len(f.objects[path]))
		}
		if err := clear(); err != nil || f.objects[path] != nil {
			t.Errorf("it is still there: %v", err)
		}
		f.changed("PUT /"+deployBucket, "PUT "+path, "DELETE "+path)
	}
	if !strings.Contains(string(f.objects["/"+deployBucket]), "<LocationConstraint>eu-west-1<") {
		t.Errorf("the bucket is made with %s", f.objects["/"+deployBucket])
	}
}

func TestSmallArchivesAreSentAlong(t *testing.T) {
	f := &fake{t: t}
	d := large(t, f)
	d.code.zip = d.code.zip[:maxZip]
	where, clear, err := d.source(t.Context())
	if err != nil || len(where["ZipFile"].([]byte)) != maxZip || len(where) != 1 {
		t.Errorf("%d members, %v", len(where), err)
	}
	if err := clear(); err != nil {
		t.Error(err)
	}
	f.changed()
}

// S3 writes its errors its own way.
func TestErrorsOfS3(t *testing.T) {
	f := &fake{t: t}
	d := large(t, f)
	err := d.api.read(t.Context(), request{service: "s3", method: "PUT", path: "/" + deployBucket + "/x"}, nil)
	if !is(err, "NoSuchBucket") || !strings.Contains(err.Error(), "The specified bucket does not exist") {
		t.Errorf("got %v", err)
	}
}
