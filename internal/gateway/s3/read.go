package s3

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/object"
)

// getObject implements GetObject.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
func (q *request) getObject() error {
	info, content, err := q.g.c.Store.Open(q.ctx(), q.bucket, q.key, q.param("versionId"))
	if err != nil {
		return q.absent(info, err)
	}
	defer content.Close()
	return q.send(info, content)
}

// headObject implements HeadObject.
func (q *request) headObject() error {
	info, err := q.g.c.Store.Head(q.ctx(), q.bucket, q.key, q.param("versionId"))
	if err != nil {
		return q.absent(info, err)
	}
	return q.send(info, nil)
}

// absent is the error for what is not there, or is marked as deleted.
func (q *request) absent(info object.Info, err error) error {
	if !errors.Is(err, object.ErrDeleteMarker) {
		return err
	}
	q.w.Header().Set("X-Amz-Delete-Marker", "true")
	q.w.Header().Set("X-Amz-Version-Id", info.Version)
	if q.param("versionId") != "" {
		q.w.Header().Set("Allow", "DELETE")
		return awserr.New(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
	}
	return object.ErrNoKey
}

// send answers an object, or the part of it that is asked for.
func (q *request) send(info object.Info, content object.Content) error {
	if err := conditions(q.Request.Header, "", info); err != nil {
		if e, ok := errors.AsType[*awserr.Error](err); ok && e.Status == http.StatusNotModified {
			q.describe(info)
		}
		return err
	}
	status, from, length := http.StatusOK, int64(0), info.Size
	var err error
	if n := q.param("partNumber"); n != "" {
		status = http.StatusPartialContent
		from, length, err = q.part(info, n)
	} else if r := q.Header.Get("Range"); r != "" {
		var some bool
		if from, length, some, err = parseRange(r, info.Size); some {
			status = http.StatusPartialContent
		}
	}
	if err != nil {
		return err
	}
	q.describe(info)
	h := q.w.Header()
	if status == http.StatusPartialContent {
		h.Set("Content-Range", contentRange(from, length, info.Size))
	}
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	q.override(h)
	q.w.WriteHeader(status)
	if content == nil || q.Method == http.MethodHead {
		return nil
	}
	if _, err := io.CopyBuffer(q.w, io.NewSectionReader(content, from, length), make([]byte, min(length+1, 256<<10))); err != nil && q.ctx().Err() == nil {
		q.g.c.Log.WarnContext(q.ctx(), "send an object", "bucket", q.bucket, "err", err)
		panic(http.ErrAbortHandler) // what was sent must not look whole
	}
	return nil
}

func contentRange(from, length, size int64) string {
	if length == 0 {
		return "bytes */" + strconv.FormatInt(size, 10)
	}
	return "bytes " + strconv.FormatInt(from, 10) + "-" + strconv.FormatInt(from+length-1, 10) + "/" + strconv.FormatInt(size, 10)
}

// part is the place of a part of an object that was uploaded in parts.
func (q *request) part(info object.Info, number string) (from, length int64, err error) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > 10000 {
		return 0, 0, invalid("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
	}
	if len(info.Parts) == 0 && n == 1 {
		return 0, info.Size, nil
	}
	q.w.Header().Set("X-Amz-Mp-Parts-Count", strconv.Itoa(len(info.Parts)))
	for _, p := range info.Parts {
		if p.Number == n {
			return from, p.Size, nil
		}
		from += p.Size
	}
	return 0, 0, awserr.New(http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable")
}

// parseRange reads a Range header. One that is no range of bytes, or several, asks
// for everything, as S3 has it.
func parseRange(header string, size int64) (from, length int64, some bool, err error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(header), "bytes=")
	first, last, dash := strings.Cut(text, "-")
	first, last = strings.TrimSpace(first), strings.TrimSpace(last)
	if !ok || !dash || strings.Contains(text, ",") {
		return 0, size, false, nil
	}
	outside := func() (int64, int64, bool, error) {
		e := awserr.New(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable")
		e.Members = map[string]any{"RangeRequested": header, "ActualObjectSize": strconv.FormatInt(size, 10)}
		e.Header = map[string]string{"Content-Range": "bytes */" + strconv.FormatInt(size, 10)}
		return 0, 0, false, e
	}
	if first == "" {
		n, err := strconv.ParseInt(last, 10, 64)
		switch {
		case err != nil || n < 0:
			return 0, size, false, nil
		case n == 0 || size == 0:
			return outside()
		}
		n = min(n, size)
		return size - n, n, true, nil
	}
	a, err1 := strconv.ParseInt(first, 10, 64)
	b := size - 1
	var err2 error
	if last != "" {
		b, err2 = strconv.ParseInt(last, 10, 64)
	}
	switch {
	case err1 != nil || err2 != nil || a < 0 || last != "" && b < a:
		return 0, size, false, nil
	case a >= size:
		return outside()
	}
	b = min(b, size-1)
	return a, b - a + 1, true, nil
}

// conditions checks those headers that say under which an object is wanted; prefix
// is that of a copy's source.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-reads.html
func conditions(h http.Header, prefix string, info object.Info) error {
	failed := func() error {
		return awserr.New(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	}
	modified := info.Modified.Truncate(time.Second)
	match, none := h.Get(prefix+"If-Match"), h.Get(prefix+"If-None-Match")
	if match != "" && !matches(match, info.ETag) {
		return failed()
	}
	if at, ok := timeOf(h.Get(prefix + "If-Unmodified-Since")); ok && match == "" && modified.After(at) {
		return failed()
	}
	notModified := func() error {
		if prefix != "" {
			return failed()
		}
		return awserr.New(http.StatusNotModified, "NotModified", "Not Modified")
	}
	if none != "" && matches(none, info.ETag) {
		return notModified()
	}
	if at, ok := timeOf(h.Get(prefix + "If-Modified-Since")); ok && none == "" && !modified.After(at) {
		return notModified()
	}
	return nil
}

func matches(list, etag string) bool {
	for e := range strings.SplitSeq(list, ",") {
		e = strings.Trim(strings.TrimPrefix(strings.TrimSpace(e), "W/"), `"`)
		if e == "*" || e == etag {
			return true
		}
	}
	return false
}

func timeOf(text string) (time.Time, bool) {
	if text == "" {
		return time.Time{}, false
	}
	t, err := http.ParseTime(text)
	if err != nil {
		t, err = time.Parse(time.RFC3339, text)
	}
	return t, err == nil
}

// describe puts what is known of an object into the headers.
func (q *request) describe(info object.Info) {
	h := q.w.Header()
	for k, v := range info.Meta.Headers {
		h.Set(k, v)
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "binary/octet-stream")
	}
	for k, v := range info.Meta.User {
		h["x-amz-meta-"+k] = []string{v}
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Etag", quoted(info.ETag))
	h.Set("Last-Modified", httpTime(info.Modified))
	h.Set("X-Amz-Server-Side-Encryption", "AES256")
	if info.Version != "null" {
		h.Set("X-Amz-Version-Id", info.Version)
	}
	if info.Meta.Class != "" && info.Meta.Class != "STANDARD" {
		h.Set("X-Amz-Storage-Class", info.Meta.Class)
	}
	if len(info.Tags) > 0 {
		h.Set("X-Amz-Tagging-Count", strconv.Itoa(len(info.Tags)))
	}
	if strings.EqualFold(q.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") && q.Header.Get("Range") == "" && q.param("partNumber") == "" {
		checksumHeaders(h, info.Checksums)
	}
}

// checksumHeaders tells an object's checksums.
func checksumHeaders(h http.Header, sums map[string]string) {
	for a, v := range sums {
		h.Set("X-Amz-Checksum-"+a, v)
		h.Set("X-Amz-Checksum-Type", checksumType(v))
	}
}

func checksumType(sum string) string {
	if strings.Contains(sum, "-") {
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}

// override has the query replace headers of the answer.
func (q *request) override(h http.Header) {
	for _, name := range []string{"Content-Type", "Content-Language", "Expires", "Cache-Control", "Content-Disposition", "Content-Encoding"} {
		if v := q.param("response-" + strings.ToLower(name)); v != "" {
			h.Set(name, v)
		}
	}
}

// objectAttributes implements GetObjectAttributes.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
func (q *request) objectAttributes() error {
	info, err := q.g.c.Store.Head(q.ctx(), q.bucket, q.key, q.param("versionId"))
	if err != nil {
		return q.absent(info, err)
	}
	type part struct {
		PartNumber int
		Size       int64
		Sums       sums
	}
	type parts struct {
		PartsCount           int    `xml:"PartsCount"`
		PartNumberMarker     int    `xml:",omitempty"`
		NextPartNumberMarker int    `xml:",omitempty"`
		MaxParts             int    `xml:",omitempty"`
		IsTruncated          bool   `xml:"IsTruncated"`
		Parts                []part `xml:"Part"`
	}
	var out struct {
		XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ GetObjectAttributesResponse"`
		ETag         string   `xml:",omitempty"`
		Checksum     *sums    `xml:",omitempty"`
		ObjectParts  *parts   `xml:",omitempty"`
		StorageClass string   `xml:",omitempty"`
		ObjectSize   *int64   `xml:",omitempty"`
	}
	asked := strings.Join(q.Header.Values("X-Amz-Object-Attributes"), ",")
	if asked == "" {
		return invalid("InvalidArgument", "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
	}
	for a := range strings.SplitSeq(asked, ",") {
		switch strings.TrimSpace(a) {
		case "ETag":
			out.ETag = info.ETag
		case "Checksum":
			if len(info.Checksums) > 0 {
				out.Checksum = &sums{values: info.Checksums, typed: true}
			}
		case "ObjectParts":
			if len(info.Parts) > 0 {
				out.ObjectParts = &parts{PartsCount: len(info.Parts)}
			}
		case "StorageClass":
			out.StorageClass = class(info)
		case "ObjectSize":
			out.ObjectSize = &info.Size
		}
	}
	q.w.Header().Set("Last-Modified", httpTime(info.Modified))
	if info.Version != "null" {
		q.w.Header().Set("X-Amz-Version-Id", info.Version)
	}
	return q.answer(out)
}

// objectTagging implements GetObjectTagging.
func (q *request) objectTagging() error {
	info, err := q.g.c.Store.Head(q.ctx(), q.bucket, q.key, q.param("versionId"))
	if err != nil {
		return q.absent(info, err)
	}
	q.versionHeader(info.Version)
	out := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Tagging"`
		Set     []tag    `xml:"TagSet>Tag"`
	}{Set: []tag{}}
	for k, v := range info.Tags {
		out.Set = append(out.Set, tag{k, v})
	}
	return q.answer(out)
}

// putObjectTagging implements PutObjectTagging.
func (q *request) putObjectTagging() error {
	var in tags
	if _, err := q.document(&in); err != nil {
		return err
	}
	m, err := in.pairs(10)
	if err != nil {
		return err
	}
	return q.setTags(m, http.StatusOK)
}

// deleteObjectTagging implements DeleteObjectTagging.
func (q *request) deleteObjectTagging() error { return q.setTags(nil, http.StatusNoContent) }

func (q *request) setTags(m map[string]string, status int) error {
	info, err := q.g.c.Store.SetTags(q.ctx(), q.bucket, q.key, q.param("versionId"), m, q.origin())
	if err != nil {
		return q.absent(info, err)
	}
	q.versionHeader(info.Version)
	q.w.WriteHeader(status)
	return nil
}

func (q *request) versionHeader(version string) {
	if version != "" && version != "null" {
		q.w.Header().Set("X-Amz-Version-Id", version)
	}
}
