package disk

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
)

// nvme is CRC-64/NVME's polynomial, its bits reversed as hash/crc64 wants them.
const nvme = 0x9A6C9329AC4BC9B5

// newDigest makes the hash of an algorithm by the name that S3 has for it.
func newDigest(algorithm string) (hash.Hash, error) {
	switch algorithm {
	case "MD5":
		return md5.New(), nil
	case "CRC32":
		return crc32.NewIEEE(), nil
	case "CRC32C":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli)), nil
	case "CRC64NVME":
		return crc64.New(crc64.MakeTable(nvme)), nil
	case "SHA1":
		return sha1.New(), nil
	case "SHA256":
		return sha256.New(), nil
	}
	return nil, fmt.Errorf("object: no checksum %q", algorithm)
}

// digests are several hashes of one content.
type digests map[string]hash.Hash

func newDigests(algorithms []string) (digests, error) {
	d := digests{"MD5": md5.New()}
	for _, a := range algorithms {
		h, err := newDigest(a)
		if err != nil {
			return nil, err
		}
		d[a] = h
	}
	return d, nil
}

func (d digests) writer() io.Writer {
	var all []io.Writer
	for _, h := range d {
		all = append(all, h)
	}
	return io.MultiWriter(all...)
}

// sums are all the digests, in base64.
func (d digests) sums() map[string]string {
	m := map[string]string{}
	for a, h := range d {
		m[a] = base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	return m
}

// etag is that of a content that came in one piece.
func (d digests) etag() string { return hex.EncodeToString(d["MD5"].Sum(nil)) }

// checksums are the digests that an object is stored with.
func checksums(sums map[string]string) map[string]string {
	m := map[string]string{}
	for a, v := range sums {
		if a != "MD5" {
			m[a] = v
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// A crc is a checksum of which the sum of two pieces makes that of the whole.
type crc struct {
	bytes int
	poly  uint64 // its bits reversed
}

// crcOf tells whether an algorithm is one.
func crcOf(algorithm string) (crc, bool) {
	c, ok := map[string]crc{"CRC32": {4, crc32.IEEE}, "CRC32C": {4, crc32.Castagnoli}, "CRC64NVME": {8, nvme}}[algorithm]
	return c, ok
}

// combine is the sum of a content of which a is the first piece's sum, and b the
// second's, which is n bytes long. Appending a zero bit is a linear map of the sum;
// its powers of two are made by squaring.
func (c crc) combine(a, b uint64, n int64) uint64 {
	bits := c.bytes * 8
	step := make([]uint64, bits) // appending one zero bit
	step[0] = c.poly
	for i := 1; i < bits; i++ {
		step[i] = 1 << (i - 1)
	}
	for range 3 { // eight of them
		step = square(step)
	}
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			a = times(step, a)
		}
		step = square(step)
	}
	return a ^ b
}

// times applies a matrix of bits to a vector of them.
func times(m []uint64, v uint64) uint64 {
	var sum uint64
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 == 1 {
			sum ^= m[i]
		}
	}
	return sum
}

func square(m []uint64) []uint64 {
	s := make([]uint64, len(m))
	for i := range m {
		s[i] = times(m, m[i])
	}
	return s
}

// number and text turn a sum from and to what S3 writes.
func (c crc) number(text string) (uint64, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != c.bytes {
		return 0, fmt.Errorf("object: %.40q is no checksum", text)
	}
	var n uint64
	for _, x := range b {
		n = n<<8 | uint64(x)
	}
	return n, nil
}

func (c crc) text(n uint64) string {
	b := make([]byte, c.bytes)
	for i := range b {
		b[len(b)-1-i] = byte(n >> (8 * i))
	}
	return base64.StdEncoding.EncodeToString(b)
}
