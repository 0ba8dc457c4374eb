package meter

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A journal file is magic, the journal's id, and frames. A frame is its body's
// length (2 bytes) and checksum (CRC-32C, 4 bytes), both little-endian, and the
// body, one use:
//
//	day                      signed varint, since 1970-01-01
//	billed ms, memory, tmp   varints
//	flags                    a byte: 1 arm64, 2 provisioned
//	function, version        length (varint) and text
//
// A file that was cut anywhere is good up to its last whole frame.
const (
	magic     = "mayfuse1"
	idSize    = 16
	frameHead = 6
	maxBody   = 1 << 12 // an ARN and a version are far less
	maxNumber = 1 << 53
)

const (
	flagARM = 1 << iota
	flagProvisioned
)

// errFrame is a frame that cannot be read.
var errFrame = errors.New("meter: damaged frame")

func checksum(body []byte) uint32 { return crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) }

// appendFrame adds the frame of a use to b; its row came from rowOf.
func appendFrame(b []byte, r row, billedMS int64) []byte {
	start := len(b)
	b = append(b, make([]byte, frameHead)...)
	b = binary.AppendVarint(b, r.day)
	b = binary.AppendUvarint(b, uint64(billedMS))
	b = binary.AppendUvarint(b, uint64(r.memory))
	b = binary.AppendUvarint(b, uint64(r.tmp))
	flags := byte(0)
	if r.arch == ARM {
		flags |= flagARM
	}
	if r.provisioned {
		flags |= flagProvisioned
	}
	b = append(b, flags)
	for _, s := range []string{r.function, r.version} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	body := b[start+frameHead:]
	binary.LittleEndian.PutUint16(b[start:], uint16(len(body)))
	binary.LittleEndian.PutUint32(b[start+2:], checksum(body))
	return b
}

// cutFrame reads the first frame of b.
func cutFrame(b []byte) (r row, billedMS int64, rest []byte, err error) {
	if len(b) < frameHead {
		return row{}, 0, nil, errFrame
	}
	n := int(binary.LittleEndian.Uint16(b))
	if n > maxBody || n > len(b)-frameHead {
		return row{}, 0, nil, errFrame
	}
	body := b[frameHead : frameHead+n]
	if checksum(body) != binary.LittleEndian.Uint32(b[2:]) {
		return row{}, 0, nil, errFrame
	}
	c := cutter{rest: body}
	r.day = c.varint()
	billedMS = c.number()
	r.memory, r.tmp = int(c.number()), int(c.number())
	r.arch = X86
	flags := c.flags()
	if flags&flagARM != 0 {
		r.arch = ARM
	}
	r.provisioned = flags&flagProvisioned != 0
	r.function, r.version = c.text(), c.text()
	if c.bad || len(c.rest) > 0 || r.function == "" || r.memory == 0 {
		return row{}, 0, nil, errFrame
	}
	return r, billedMS, b[frameHead+n:], nil
}

// A cutter takes values off a frame's body. Once one is not there it is bad,
// and all further ones are zero.
type cutter struct {
	rest []byte
	bad  bool
}

func (c *cutter) varint() int64 {
	v, n := binary.Varint(c.rest)
	c.skip(n)
	return v
}

// number is a varint of up to maxNumber.
func (c *cutter) number() int64 {
	v, n := binary.Uvarint(c.rest)
	if v > maxNumber {
		n = 0
	}
	if c.skip(n); c.bad {
		return 0
	}
	return int64(v)
}

func (c *cutter) flags() byte {
	if len(c.rest) == 0 {
		c.bad = true
		return 0
	}
	f := c.rest[0]
	c.skip(1)
	return f
}

func (c *cutter) text() string {
	n := c.number()
	if c.bad || n > int64(len(c.rest)) {
		c.bad = true
		return ""
	}
	s := string(c.rest[:n])
	c.rest = c.rest[n:]
	return s
}

func (c *cutter) skip(n int) {
	if c.bad = c.bad || n <= 0; !c.bad {
		c.rest = c.rest[n:]
	}
}
