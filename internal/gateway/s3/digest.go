package s3

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/http"
	"slices"
	"strings"
)

// algorithms are the checksums that there are.
func algorithms() []string { return []string{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} }

// A wanted is what a client says its content's checksums are, and which it wants.
type wanted struct {
	sums       map[string]string // by algorithm, base64
	md5        string
	algorithms []string
}

// wantedOf reads the headers that speak of a content's checksums. A trailer is checked
// where it is read; here it only says which checksum is kept.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
func wantedOf(h http.Header) (wanted, error) {
	w := wanted{sums: map[string]string{}, md5: h.Get("Content-Md5")}
	if w.md5 != "" && !isBase64(w.md5, md5.Size) {
		return w, invalid("InvalidDigest", "The Content-MD5 you specified was invalid.")
	}
	for _, a := range algorithms() {
		if v := h.Get("X-Amz-Checksum-" + a); v != "" {
			if !isBase64(v, size(a)) {
				return w, invalid("InvalidRequest", "Value for x-amz-checksum-%s header is invalid.", strings.ToLower(a))
			}
			w.sums[a] = v
			w.algorithms = append(w.algorithms, a)
		}
	}
	if len(w.sums) > 1 {
		return w, invalid("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	}
	for _, name := range []string{"X-Amz-Sdk-Checksum-Algorithm", "X-Amz-Checksum-Algorithm", "X-Amz-Trailer"} {
		a := strings.ToUpper(strings.TrimPrefix(strings.ToLower(h.Get(name)), "x-amz-checksum-"))
		if a == "" {
			continue
		}
		if !slices.Contains(algorithms(), a) {
			return w, invalid("InvalidRequest", "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
		}
		if len(w.algorithms) == 0 {
			w.algorithms = []string{a}
		}
	}
	return w, nil
}

// orDefault has a content that nothing is said of get the checksum that S3 gives it.
func (w wanted) orDefault() []string {
	if len(w.algorithms) == 0 {
		return []string{"CRC64NVME"}
	}
	return w.algorithms
}

// check compares a content with what was said of it.
func (w wanted) check(_ int64, digests map[string]string) error {
	if w.md5 != "" && w.md5 != digests["MD5"] {
		return invalid("BadDigest", "The Content-MD5 you specified did not match what we received.")
	}
	for a, v := range w.sums {
		if digests[a] != v {
			return invalid("BadDigest", "The %s you specified did not match the calculated checksum.", a)
		}
	}
	return nil
}

func isBase64(text string, bytes int) bool {
	b, err := base64.StdEncoding.DecodeString(text)
	return err == nil && len(b) == bytes
}

// size is how long a checksum is, in bytes.
func size(algorithm string) int {
	return map[string]int{"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}[algorithm]
}

// digestHolds compares a document with the MD5 that its headers may tell.
func (q *request) digestHolds(text []byte) error {
	want := q.Header.Get("Content-Md5")
	if want == "" {
		return nil
	}
	if !isBase64(want, md5.Size) {
		return invalid("InvalidDigest", "The Content-MD5 you specified was invalid.")
	}
	if sum := md5.Sum(text); base64.StdEncoding.EncodeToString(sum[:]) != want {
		return invalid("BadDigest", "The Content-MD5 you specified did not match what we received.")
	}
	return nil
}

// sums are checksums in a document: an element for each, named after its algorithm.
type sums struct {
	values map[string]string
	typed  bool // with a ChecksumType
}

// MarshalXML implements xml.Marshaler: the elements go side by side into start.
func (s sums) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for _, a := range algorithms() {
		v := s.values[a]
		if v == "" {
			continue
		}
		if err := e.EncodeElement(v, xml.StartElement{Name: xml.Name{Local: "Checksum" + a}}); err != nil {
			return err
		}
		if s.typed {
			if err := e.EncodeElement(checksumType(v), xml.StartElement{Name: xml.Name{Local: "ChecksumType"}}); err != nil {
				return err
			}
		}
	}
	return e.EncodeToken(start.End())
}

// exactly is a reader of a body that must not be shorter than it says.
func exactly(r io.Reader, n int64) io.Reader {
	if n < 0 {
		return r
	}
	return &counted{r, n}
}

type counted struct {
	r    io.Reader
	left int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.left -= int64(n)
	if err == io.EOF && c.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
