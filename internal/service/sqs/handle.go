package sqs

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
)

// A receipt names one receipt of a message. It proves the claim by the count:
// a claim that followed has a higher one.
type receipt struct {
	queue, seq int64
	count      int64
	large      bool // the body stands beside the row
}

// handleSize is the length of a handle before it is base64: a head by which
// handles look like AWS's, the receipt, and a sum by which anything else is
// told from a handle.
const handleSize = 3 + 8 + 8 + 4 + 4

func makeHandle(queue int64, m *message) string {
	b := make([]byte, 0, handleSize)
	var kind byte = 4
	if len(m.body) > maxInline {
		kind = 5
	}
	b = append(b, 1, 1, kind)
	b = binary.BigEndian.AppendUint64(b, uint64(queue))
	b = binary.BigEndian.AppendUint64(b, uint64(m.seq))
	b = binary.BigEndian.AppendUint32(b, uint32(m.received))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.StdEncoding.EncodeToString(b)
}

// parseHandle reads a handle; ok is false if it is none of ours.
func parseHandle(s string) (r receipt, ok bool) {
	if len(s) != base64.StdEncoding.EncodedLen(handleSize) {
		return r, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != handleSize || b[0] != 1 || b[1] != 1 || b[2]&^1 != 4 ||
		binary.BigEndian.Uint32(b[23:]) != crc32.ChecksumIEEE(b[:23]) {
		return r, false
	}
	return receipt{
		queue: int64(binary.BigEndian.Uint64(b[3:])),
		seq:   int64(binary.BigEndian.Uint64(b[11:])),
		count: int64(binary.BigEndian.Uint32(b[19:])),
		large: b[2] == 5,
	}, true
}
