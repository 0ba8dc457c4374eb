package s3

import (
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/object"
)

// An entry is an object in a listing.
type entry struct {
	Key               string
	LastModified      string
	ETag              string
	ChecksumAlgorithm []string `xml:",omitempty"`
	ChecksumType      string   `xml:",omitempty"`
	Size              int64
	Owner             *owner `xml:",omitempty"`
	StorageClass      string
}

type commonPrefix struct{ Prefix string }

// A lister asks for a page, and writes names as the client wants them.
type lister struct {
	object.Listing
	encode bool
}

// lister reads what listings have in common.
func (q *request) lister(sizeName string) (lister, error) {
	l := lister{encode: q.param("encoding-type") == "url"}
	if e := q.param("encoding-type"); e != "" && e != "url" {
		return l, invalid("InvalidArgument", "Invalid Encoding Method specified in Request")
	}
	var err error
	l.Prefix, l.Delimiter = q.param("prefix"), q.param("delimiter")
	l.Limit, err = q.number(sizeName, 1000, 0, 1000)
	return l, err
}

// name is a name as it is written.
func (l lister) name(s string) string {
	if !l.encode {
		return s
	}
	return strings.NewReplacer("+", "%20", "%2F", "/", "%7E", "~").Replace(url.QueryEscape(s))
}

func (l lister) encoding() string {
	if l.encode {
		return "url"
	}
	return ""
}

func (l lister) prefixes(list []string) []commonPrefix {
	var out []commonPrefix
	for _, p := range list {
		out = append(out, commonPrefix{l.name(p)})
	}
	return out
}

func (l lister) entry(o object.Info, owner *owner) entry {
	e := entry{Key: l.name(o.Key), LastModified: o.Modified.UTC().Format(iso), ETag: quoted(o.ETag), Size: o.Size, Owner: owner, StorageClass: class(o)}
	for a := range o.Checksums {
		e.ChecksumAlgorithm, e.ChecksumType = append(e.ChecksumAlgorithm, a), checksumType(o.Checksums[a])
	}
	return e
}

func class(o object.Info) string {
	if o.Meta.Class == "" {
		return "STANDARD"
	}
	return o.Meta.Class
}

func quoted(etag string) string { return `"` + etag + `"` }

// listObjectsV2 implements ListObjectsV2.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
func (q *request) listObjectsV2() error {
	var out struct {
		XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		Name                  string
		Prefix                string
		Delimiter             string `xml:",omitempty"`
		StartAfter            string `xml:",omitempty"`
		ContinuationToken     string `xml:",omitempty"`
		NextContinuationToken string `xml:",omitempty"`
		KeyCount              int
		MaxKeys               int
		EncodingType          string `xml:",omitempty"`
		IsTruncated           bool
		Contents              []entry
		CommonPrefixes        []commonPrefix
	}
	l, err := q.lister("max-keys")
	if err != nil {
		return err
	}
	l.After = q.param("start-after")
	if q.URL.Query().Has("continuation-token") {
		after, err := base64.URLEncoding.DecodeString(q.param("continuation-token"))
		if err != nil || len(after) == 0 {
			return invalid("InvalidArgument", "The continuation token provided is incorrect")
		}
		l.After = string(after)
	}
	page, err := q.g.c.Store.List(q.ctx(), q.bucket, l.Listing)
	if err != nil {
		return err
	}
	var own *owner
	if q.param("fetch-owner") == "true" {
		o := q.owner()
		own = &o
	}
	out.Name, out.Prefix, out.Delimiter, out.StartAfter = q.bucket, l.name(l.Prefix), l.name(l.Delimiter), l.name(q.param("start-after"))
	out.ContinuationToken, out.MaxKeys, out.EncodingType, out.IsTruncated = q.param("continuation-token"), l.Limit, l.encoding(), page.Truncated
	if page.Truncated {
		out.NextContinuationToken = base64.URLEncoding.EncodeToString([]byte(page.Next))
	}
	for _, o := range page.Objects {
		out.Contents = append(out.Contents, l.entry(o, own))
	}
	out.CommonPrefixes = l.prefixes(page.Prefixes)
	out.KeyCount = len(out.Contents) + len(out.CommonPrefixes)
	return q.answer(out)
}

// listObjects implements ListObjects.
func (q *request) listObjects() error {
	var out struct {
		XMLName        xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		Name           string
		Prefix         string
		Marker         string
		NextMarker     string `xml:",omitempty"`
		Delimiter      string `xml:",omitempty"`
		MaxKeys        int
		EncodingType   string `xml:",omitempty"`
		IsTruncated    bool
		Contents       []entry
		CommonPrefixes []commonPrefix
	}
	l, err := q.lister("max-keys")
	if err != nil {
		return err
	}
	l.After = q.param("marker")
	page, err := q.g.c.Store.List(q.ctx(), q.bucket, l.Listing)
	if err != nil {
		return err
	}
	out.Name, out.Prefix, out.Marker, out.Delimiter = q.bucket, l.name(l.Prefix), l.name(l.After), l.name(l.Delimiter)
	out.MaxKeys, out.EncodingType, out.IsTruncated = l.Limit, l.encoding(), page.Truncated
	if page.Truncated && l.Delimiter != "" {
		out.NextMarker = l.name(page.Next)
	}
	own := q.owner()
	for _, o := range page.Objects {
		out.Contents = append(out.Contents, l.entry(o, &own))
	}
	out.CommonPrefixes = l.prefixes(page.Prefixes)
	return q.answer(out)
}

// A versionEntry is a version in a listing, or a delete marker, which has no content.
type versionEntry struct {
	XMLName           xml.Name
	Key               string
	VersionId         string
	IsLatest          bool
	LastModified      string
	ETag              string   `xml:",omitempty"`
	ChecksumAlgorithm []string `xml:",omitempty"`
	ChecksumType      string   `xml:",omitempty"`
	Size              *int64   `xml:",omitempty"`
	StorageClass      string   `xml:",omitempty"`
	Owner             owner
}

// listVersions implements ListObjectVersions.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
func (q *request) listVersions() error {
	var out struct {
		XMLName             xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
		Name                string
		Prefix              string
		KeyMarker           string
		VersionIdMarker     string
		NextKeyMarker       string `xml:",omitempty"`
		NextVersionIdMarker string `xml:",omitempty"`
		Delimiter           string `xml:",omitempty"`
		MaxKeys             int
		EncodingType        string `xml:",omitempty"`
		IsTruncated         bool
		Versions            []versionEntry
		CommonPrefixes      []commonPrefix
	}
	l, err := q.lister("max-keys")
	if err != nil {
		return err
	}
	l.After, l.AfterVersion = q.param("key-marker"), q.param("version-id-marker")
	if l.AfterVersion != "" && l.After == "" {
		return invalid("InvalidArgument", "A version-id marker cannot be specified without a key marker.")
	}
	page, err := q.g.c.Store.ListVersions(q.ctx(), q.bucket, l.Listing)
	if err != nil {
		return err
	}
	out.Name, out.Prefix, out.KeyMarker, out.VersionIdMarker = q.bucket, l.name(l.Prefix), l.name(l.After), l.AfterVersion
	out.NextKeyMarker, out.NextVersionIdMarker, out.Delimiter = l.name(page.Next), page.NextVersion, l.name(l.Delimiter)
	out.MaxKeys, out.EncodingType, out.IsTruncated = l.Limit, l.encoding(), page.Truncated
	for _, o := range page.Objects {
		v := versionEntry{XMLName: xml.Name{Local: "Version"}, Key: l.name(o.Key), VersionId: o.Version, IsLatest: o.Latest,
			LastModified: o.Modified.UTC().Format(iso), Owner: q.owner()}
		if o.Marker {
			v.XMLName.Local = "DeleteMarker"
		} else {
			e := l.entry(o, nil)
			v.ETag, v.Size, v.StorageClass, v.ChecksumAlgorithm, v.ChecksumType = e.ETag, &o.Size, e.StorageClass, e.ChecksumAlgorithm, e.ChecksumType
		}
		out.Versions = append(out.Versions, v)
	}
	out.CommonPrefixes = l.prefixes(page.Prefixes)
	return q.answer(out)
}
