package s3

import (
	"encoding/xml"
	"errors"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/object"
)

// iso is how documents tell times.
const iso = "2006-01-02T15:04:05.000Z"

type owner struct {
	ID          string
	DisplayName string `xml:",omitempty"`
}

func (q *request) owner() owner { return owner{ID: q.g.c.Account} }

// listBuckets implements ListBuckets.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
func (q *request) listBuckets() error {
	type entry struct {
		Name         string
		CreationDate string
		BucketRegion string
	}
	var out struct {
		XMLName           xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
		Owner             owner
		Buckets           []entry `xml:"Buckets>Bucket"`
		ContinuationToken string  `xml:",omitempty"`
		Prefix            string  `xml:",omitempty"`
	}
	most, err := q.number("max-buckets", 10000, 1, 10000)
	if err != nil {
		return err
	}
	found, err := q.g.c.Store.ListBuckets(q.ctx(), q.param("prefix"), q.param("continuation-token"), most+1)
	if err != nil {
		return err
	}
	if len(found) > most {
		found = found[:most]
		out.ContinuationToken = found[most-1].Name
	}
	out.Owner, out.Prefix = q.owner(), q.param("prefix")
	for _, b := range found {
		out.Buckets = append(out.Buckets, entry{b.Name, b.Created.UTC().Format(iso), b.Region})
	}
	return q.answer(out)
}

// number is a parameter that is one.
func (q *request) number(name string, otherwise, least, most int) (int, error) {
	text := q.param(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, invalid("InvalidArgument", "Provided %s not an integer or within integer range", name)
	}
	if n < least {
		return 0, invalid("InvalidArgument", "Argument %s must be an integer between %d and %d", name, least, most)
	}
	return min(n, most), nil
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// validBucket tells whether a bucket may be called so.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func validBucket(name string) bool {
	if !bucketName.MatchString(name) || strings.Contains(name, "..") || strings.Contains(name, ".-") || strings.Contains(name, "-.") {
		return false
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return false
	}
	return !strings.HasPrefix(name, "xn--") && !strings.HasPrefix(name, "sthree-") &&
		!strings.HasSuffix(name, "-s3alias") && !strings.HasSuffix(name, "--ol-s3")
}

// createBucket implements CreateBucket.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
func (q *request) createBucket() error {
	if !validBucket(q.bucket) {
		return invalid("InvalidBucketName", "The specified bucket is not valid.")
	}
	region := q.g.c.Region
	if q.ContentLength != 0 {
		var in struct {
			LocationConstraint string
		}
		if _, err := q.document(&in); err != nil {
			return err
		}
		if in.LocationConstraint != "" {
			region = in.LocationConstraint
		}
	}
	err := q.g.c.Store.CreateBucket(q.ctx(), object.Bucket{Name: q.bucket, Region: region, Owner: q.g.c.Account, Created: q.g.c.Now().UTC()})
	if errors.Is(err, object.ErrBucketExists) {
		if q.g.c.Region == "us-east-1" { // where S3 says yes to a bucket that one has
			err = nil
		} else {
			return awserr.New(http.StatusConflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.")
		}
	}
	if err != nil {
		return err
	}
	q.w.Header().Set("Location", "/"+q.bucket)
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// headBucket implements HeadBucket.
func (q *request) headBucket() error {
	b, err := q.g.c.Store.Bucket(q.ctx(), q.bucket)
	if err != nil {
		return err
	}
	q.w.Header().Set("X-Amz-Bucket-Region", b.Region)
	q.w.Header().Set("X-Amz-Access-Point-Alias", "false")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// deleteBucket implements DeleteBucket.
func (q *request) deleteBucket() error {
	if err := q.g.c.Store.DeleteBucket(q.ctx(), q.bucket); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// bucketLocation implements GetBucketLocation: us-east-1 has no name there.
func (q *request) bucketLocation() error {
	b, err := q.g.c.Store.Bucket(q.ctx(), q.bucket)
	if err != nil {
		return err
	}
	out := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
		Region  string   `xml:",chardata"`
	}{Region: b.Region}
	if b.Region == "us-east-1" {
		out.Region = ""
	}
	return q.answer(out)
}

// bucketVersioning implements GetBucketVersioning.
func (q *request) bucketVersioning() error {
	b, err := q.g.c.Store.Bucket(q.ctx(), q.bucket)
	if err != nil {
		return err
	}
	return q.answer(struct {
		XMLName xml.Name          `xml:"http://s3.amazonaws.com/doc/2006-03-01/ VersioningConfiguration"`
		Status  object.Versioning `xml:",omitempty"`
	}{Status: b.Versioning})
}

// putBucketVersioning implements PutBucketVersioning.
func (q *request) putBucketVersioning() error {
	var in struct {
		Status object.Versioning
	}
	if _, err := q.document(&in); err != nil {
		return err
	}
	if in.Status != object.Enabled && in.Status != object.Suspended {
		return invalid("IllegalVersioningConfigurationException", "The Versioning element must be specified")
	}
	if err := q.g.c.Store.SetVersioning(q.ctx(), q.bucket, in.Status); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// acl implements GetBucketAcl and GetObjectAcl: all belongs to its owner, as it does on
// AWS since ACLs are off by default.
func (q *request) acl() error {
	if err := q.exists(); err != nil {
		return err
	}
	type grantee struct {
		XSI  string `xml:"xmlns:xsi,attr"`
		Type string `xml:"xsi:type,attr"`
		ID   string
	}
	type grant struct {
		Grantee    grantee
		Permission string
	}
	return q.answer(struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ AccessControlPolicy"`
		Owner   owner
		Grants  []grant `xml:"AccessControlList>Grant"`
	}{Owner: q.owner(), Grants: []grant{{grantee{"http://www.w3.org/2001/XMLSchema-instance", "CanonicalUser", q.g.c.Account}, "FULL_CONTROL"}}})
}

// exists fails for a bucket or an object that is not there.
func (q *request) exists() error {
	if q.key == "" {
		_, err := q.g.c.Store.Bucket(q.ctx(), q.bucket)
		return err
	}
	_, err := q.g.c.Store.Head(q.ctx(), q.bucket, q.key, q.param("versionId"))
	return err
}

// putACL implements PutBucketAcl and PutObjectAcl.
func (q *request) putACL() error {
	if err := q.exists(); err != nil {
		return err
	}
	if c := q.Header.Get("X-Amz-Acl"); c == "private" || c == "bucket-owner-full-control" {
		q.w.WriteHeader(http.StatusOK)
		return nil
	}
	return invalid("AccessControlListNotSupported", "The bucket does not allow ACLs")
}

// httpTime is how headers tell times.
func httpTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
