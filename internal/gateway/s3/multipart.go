package s3

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/object"
)

// createUpload implements CreateMultipartUpload.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
func (q *request) createUpload() error {
	p, _, err := q.putOf("ObjectCreated:CompleteMultipartUpload")
	if err != nil {
		return err
	}
	kind := strings.ToUpper(q.Header.Get("X-Amz-Checksum-Type"))
	algorithm := p.Checksums[0]
	if strings.HasPrefix(algorithm, "SHA") && kind == "FULL_OBJECT" || algorithm == "CRC64NVME" && kind == "COMPOSITE" {
		return invalid("InvalidRequest", "The %s checksum type cannot be used with the %s checksum algorithm.", kind, strings.ToLower(algorithm))
	}
	u, err := q.g.c.Store.CreateUpload(q.ctx(), p)
	if err != nil {
		return err
	}
	if q.Header.Get("X-Amz-Checksum-Algorithm") != "" {
		q.w.Header().Set("X-Amz-Checksum-Algorithm", algorithm)
		if kind == "" {
			kind = "COMPOSITE"
			if algorithm == "CRC64NVME" {
				kind = "FULL_OBJECT"
			}
		}
		q.w.Header().Set("X-Amz-Checksum-Type", kind)
	}
	q.w.Header().Set("X-Amz-Server-Side-Encryption", "AES256")
	return q.answer(struct {
		XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
		Bucket   string
		Key      string
		UploadId string
	}{Bucket: q.bucket, Key: q.key, UploadId: u.ID})
}

// uploadPartOf is the place of a part.
func (q *request) uploadPartOf() (object.UploadPart, wanted, error) {
	u := object.UploadPart{Bucket: q.bucket, Key: q.key, ID: q.param("uploadId")}
	n, err := strconv.Atoi(q.param("partNumber"))
	if err != nil || n < 1 || n > 10000 {
		return u, wanted{}, invalid("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
	}
	if u.ID == "" {
		return u, wanted{}, invalid("InvalidArgument", "This operation does not accept partNumber without uploadId")
	}
	w, err := wantedOf(q.Header)
	u.Number, u.Checksums, u.Check = n, w.algorithms, w.check
	return u, w, err
}

// uploadPart implements UploadPart.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html
func (q *request) uploadPart() error {
	if err := q.lengthKnown(); err != nil {
		return err
	}
	u, w, err := q.uploadPartOf()
	if err != nil {
		return err
	}
	part, err := q.g.c.Store.PutPart(q.ctx(), u, exactly(q.Body, q.ContentLength))
	if err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("Etag", quoted(part.ETag))
	h.Set("X-Amz-Server-Side-Encryption", "AES256")
	for _, a := range w.algorithms {
		h.Set("X-Amz-Checksum-"+a, part.Checksums[a])
	}
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// uploadPartCopy implements UploadPartCopy.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
func (q *request) uploadPartCopy() error {
	u, _, err := q.uploadPartOf()
	if err != nil {
		return err
	}
	from, err := q.source()
	if err != nil {
		return err
	}
	if r := q.Header.Get("X-Amz-Copy-Source-Range"); r != "" {
		source, err := q.g.c.Store.Head(q.ctx(), from.Bucket, from.Key, from.Version)
		if err != nil {
			return q.sourceAbsent(from, err)
		}
		if from.Offset, from.Length, err = copyRange(r, source.Size); err != nil {
			return err
		}
	}
	part, err := q.g.c.Store.CopyPart(q.ctx(), u, from)
	if err != nil {
		return q.sourceAbsent(from, err)
	}
	return q.answer(copyResult("CopyPartResult", part.ETag, part.Modified.UTC().Format(iso), part.Checksums))
}

// copyRange reads a range that must be one, within a source.
func copyRange(text string, size int64) (from, length int64, err error) {
	var last int64
	if n, err := fmt.Sscanf(text, "bytes=%d-%d", &from, &last); n != 2 || err != nil || from < 0 || last < from {
		return 0, 0, invalid("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	}
	if last >= size {
		return 0, 0, invalid("InvalidArgument", "Range specified is not valid for source object of size: %d", size)
	}
	return from, last - from + 1, nil
}

// listParts implements ListParts.
func (q *request) listParts() error {
	type part struct {
		PartNumber   int
		LastModified string
		ETag         string
		Size         int64
		CRC32        string `xml:"ChecksumCRC32,omitempty"`
		CRC32C       string `xml:"ChecksumCRC32C,omitempty"`
		CRC64NVME    string `xml:"ChecksumCRC64NVME,omitempty"`
		SHA1         string `xml:"ChecksumSHA1,omitempty"`
		SHA256       string `xml:"ChecksumSHA256,omitempty"`
	}
	var out struct {
		XMLName              xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
		Bucket               string
		Key                  string
		UploadId             string
		Initiator            owner
		Owner                owner
		StorageClass         string
		PartNumberMarker     int
		NextPartNumberMarker int
		MaxParts             int
		IsTruncated          bool
		Parts                []part `xml:"Part"`
	}
	most, err := q.number("max-parts", 1000, 0, 1000)
	if err != nil {
		return err
	}
	after, err := q.number("part-number-marker", 0, 0, 10000)
	if err != nil {
		return err
	}
	found, err := q.g.c.Store.ListParts(q.ctx(), q.bucket, q.key, q.param("uploadId"), after, most+1)
	if err != nil {
		return err
	}
	out.IsTruncated = len(found) > most
	found = found[:min(len(found), most)]
	out.Bucket, out.Key, out.UploadId, out.Initiator, out.Owner = q.bucket, q.key, q.param("uploadId"), q.owner(), q.owner()
	out.StorageClass, out.PartNumberMarker, out.MaxParts = "STANDARD", after, most
	for _, p := range found {
		out.NextPartNumberMarker = p.Number
		out.Parts = append(out.Parts, part{p.Number, p.Modified.UTC().Format(iso), quoted(p.ETag), p.Size,
			p.Checksums["CRC32"], p.Checksums["CRC32C"], p.Checksums["CRC64NVME"], p.Checksums["SHA1"], p.Checksums["SHA256"]})
	}
	return q.answer(out)
}

// listUploads implements ListMultipartUploads.
func (q *request) listUploads() error {
	type upload struct {
		Key          string
		UploadId     string
		Initiator    owner
		Owner        owner
		StorageClass string
		Initiated    string
	}
	var out struct {
		XMLName            xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
		Bucket             string
		KeyMarker          string
		UploadIdMarker     string
		NextKeyMarker      string
		NextUploadIdMarker string
		Prefix             string
		Delimiter          string `xml:",omitempty"`
		EncodingType       string `xml:",omitempty"`
		MaxUploads         int
		IsTruncated        bool
		Uploads            []upload `xml:"Upload"`
		CommonPrefixes     []commonPrefix
	}
	l, err := q.lister("max-uploads")
	if err != nil {
		return err
	}
	l.After, l.AfterVersion = q.param("key-marker"), q.param("upload-id-marker")
	page, err := q.g.c.Store.ListUploads(q.ctx(), q.bucket, l.Listing)
	if err != nil {
		return err
	}
	out.Bucket, out.KeyMarker, out.UploadIdMarker, out.NextKeyMarker, out.NextUploadIdMarker = q.bucket, l.name(l.After), l.AfterVersion, l.name(page.Next), page.NextID
	out.Prefix, out.Delimiter, out.EncodingType, out.MaxUploads, out.IsTruncated = l.name(l.Prefix), l.name(l.Delimiter), l.encoding(), l.Limit, page.Truncated
	for _, u := range page.Uploads {
		out.Uploads = append(out.Uploads, upload{l.name(u.Put.Key), u.ID, q.owner(), q.owner(), "STANDARD", u.Started.UTC().Format(iso)})
	}
	out.CommonPrefixes = l.prefixes(page.Prefixes)
	return q.answer(out)
}

// completeUpload implements CompleteMultipartUpload.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
func (q *request) completeUpload() error {
	var in struct {
		Parts []struct {
			PartNumber                                                                     int
			ETag                                                                           string
			ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256 string
		} `xml:"Part"`
	}
	if _, err := q.document(&in); err != nil {
		return err
	}
	if len(in.Parts) == 0 || len(in.Parts) > 10000 {
		return malformed()
	}
	c := object.Complete{Bucket: q.bucket, Key: q.key, ID: q.param("uploadId"), Size: -1, By: q.origin()}
	for i, p := range in.Parts {
		if i > 0 && p.PartNumber <= in.Parts[i-1].PartNumber {
			return invalid("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.")
		}
		info := object.PartInfo{Number: p.PartNumber, ETag: strings.Trim(p.ETag, `"`), Checksums: map[string]string{}}
		for a, v := range map[string]string{"CRC32": p.ChecksumCRC32, "CRC32C": p.ChecksumCRC32C, "CRC64NVME": p.ChecksumCRC64NVME, "SHA1": p.ChecksumSHA1, "SHA256": p.ChecksumSHA256} {
			if v != "" {
				info.Checksums[a] = v
			}
		}
		c.Parts = append(c.Parts, info)
	}
	if n := q.Header.Get("X-Amz-Mp-Object-Size"); n != "" {
		var err error
		if c.Size, err = strconv.ParseInt(n, 10, 64); err != nil {
			return invalid("InvalidRequest", "Value for x-amz-mp-object-size header is invalid.")
		}
	}
	var err error
	if c.If, err = conditionOf(q.Header); err != nil {
		return err
	}
	c.Full = strings.EqualFold(q.Header.Get("X-Amz-Checksum-Type"), "FULL_OBJECT")
	want := map[string]string{}
	for _, a := range algorithms() {
		if v := q.Header.Get("X-Amz-Checksum-" + a); v != "" {
			want[a] = v
		}
	}
	c.Check = func(info object.Info) error {
		for a, v := range want {
			if have := info.Checksums[a]; have != "" && have != v {
				return invalid("BadDigest", "The %s you specified did not match the calculated checksum.", strings.ToLower(a))
			}
		}
		return nil
	}
	info, err := q.g.c.Store.CompleteUpload(q.ctx(), c)
	if err != nil {
		return err
	}
	q.versionHeader(info.Version)
	q.w.Header().Set("X-Amz-Server-Side-Encryption", "AES256")
	return q.answer(struct {
		XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
		Location     string
		Bucket       string
		Key          string
		ETag         string
		CRC32        string `xml:"ChecksumCRC32,omitempty"`
		CRC32C       string `xml:"ChecksumCRC32C,omitempty"`
		CRC64NVME    string `xml:"ChecksumCRC64NVME,omitempty"`
		SHA1         string `xml:"ChecksumSHA1,omitempty"`
		SHA256       string `xml:"ChecksumSHA256,omitempty"`
		ChecksumType string `xml:",omitempty"`
	}{Location: q.location(), Bucket: q.bucket, Key: q.key, ETag: quoted(info.ETag),
		CRC32: info.Checksums["CRC32"], CRC32C: info.Checksums["CRC32C"], CRC64NVME: info.Checksums["CRC64NVME"],
		SHA1: info.Checksums["SHA1"], SHA256: info.Checksums["SHA256"], ChecksumType: typeOf(info.Checksums)})
}

func typeOf(checksums map[string]string) string {
	for _, v := range checksums {
		return checksumType(v)
	}
	return ""
}

// abortUpload implements AbortMultipartUpload.
func (q *request) abortUpload() error {
	if err := q.g.c.Store.AbortUpload(q.ctx(), q.bucket, q.key, q.param("uploadId")); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}
