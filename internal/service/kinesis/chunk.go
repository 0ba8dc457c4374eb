package kinesis

import (
	"encoding/binary"
	"errors"
)

// A record is one record as it is kept. Its place in the chunk, which counts on
// from the chunk's first, is its place in the shard.
type record struct {
	key  string
	data []byte
	kms  bool // it was put while the stream was said to be encrypted
}

// A chunk is a run of records of one shard that were committed together, and so
// came at the same time. Rows hold chunks, since a row for each record would
// cost more than the record.
type chunk struct {
	first   int64 // the counter of the first record
	at      int64 // when they came, in milliseconds since 1970
	records []record
	size    int // of keys and data
}

// end is the counter behind the last record.
func (c *chunk) end() int64 { return c.first + int64(len(c.records)) }

func (c *chunk) add(r record) {
	c.records = append(c.records, r)
	c.size += len(r.key) + len(r.data)
}

// errChunk means that a row does not hold what was written there.
var errChunk = errors.New("kinesis: a chunk of records is damaged")

// encode makes a row's bytes: flags, key and data of each record.
func (c *chunk) encode() []byte {
	b := make([]byte, 0, c.size+len(c.records)*7)
	for _, r := range c.records {
		flags := byte(0)
		if r.kms {
			flags = 1
		}
		b = append(b, flags)
		b = append(binary.AppendUvarint(b, uint64(len(r.key))), r.key...)
		b = append(binary.AppendUvarint(b, uint64(len(r.data))), r.data...)
	}
	return b
}

// decodeChunk reads a row's bytes. The records' data are parts of b.
func decodeChunk(first, at int64, n int, b []byte) (*chunk, error) {
	if n < 0 || n > len(b) {
		return nil, errChunk
	}
	c := &chunk{first: first, at: at, records: make([]record, 0, n)}
	for len(b) > 0 {
		r := record{kms: b[0] == 1}
		key, rest, ok := cut(b[1:])
		if !ok || b[0] > 1 {
			return nil, errChunk
		}
		r.key = string(key)
		if r.data, b, ok = cut(rest); !ok {
			return nil, errChunk
		}
		c.add(r)
	}
	if len(c.records) != n {
		return nil, errChunk
	}
	return c, nil
}

// cut takes a length and so many bytes from the start of b.
func cut(b []byte) (part, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, false
	}
	b = b[w:]
	return b[:n:n], b[n:], true
}
