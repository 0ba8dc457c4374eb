package sigv4

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strings"
)

// A checksum is the one that a trailer announces. A nil checksum checks nothing.
type checksum struct {
	header string // lower case: "x-amz-checksum-crc32"
	hash   hash.Hash
	seen   bool
}

// nvme is the polynomial of CRC-64/NVME, bits reversed.
const nvme = 0x9A6C9329AC4BC9B5

// newChecksum is the checksum that the header X-Amz-Trailer names, or nil if
// it names none that we know.
func newChecksum(trailer string) *checksum {
	header := strings.ToLower(strings.TrimSpace(trailer))
	var h hash.Hash
	switch strings.TrimPrefix(header, "x-amz-checksum-") {
	case "crc32":
		h = crc32.NewIEEE()
	case "crc32c":
		h = crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "crc64nvme":
		h = crc64.New(crc64.MakeTable(nvme))
	case "sha1":
		h = sha1.New()
	case "sha256":
		h = sha256.New()
	default:
		return nil
	}
	return &checksum{header: header, hash: h}
}

func (c *checksum) write(b []byte) {
	if c != nil {
		c.hash.Write(b)
	}
}

// compare holds a trailer to the content, if it is the announced one.
func (c *checksum) compare(name, value string) error {
	if c == nil || name != c.header {
		return nil
	}
	c.seen = true
	if value != base64.StdEncoding.EncodeToString(c.hash.Sum(nil)) {
		e := refuse("BadDigest", "The checksum in the trailer %s does not match the body.", name)
		e.Status = 400
		return e
	}
	return nil
}

// missing is the error for an announced trailer that did not come.
func (c *checksum) missing() error {
	if c == nil || c.seen {
		return nil
	}
	return errChunk
}
