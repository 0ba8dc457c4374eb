package kinesis

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
)

// An iterator is a place in a shard, as clients carry it. It names the stream by
// its number, so that it does not fit another one of the same name.
type iterator struct {
	stream int64
	shard  int
	seq    int64
	at     int64 // when it was made, in milliseconds since 1970
}

// iteratorLife is how long one may be used.
const iteratorLife = 300_000

// iteratorVersion begins all iterators, as it does AWS's.
const iteratorVersion = 1

func (i iterator) String() string {
	b := binary.BigEndian.AppendUint64(nil, iteratorVersion)
	for _, n := range []int64{i.stream, int64(i.shard), i.seq, i.at} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.StdEncoding.EncodeToString(b)
}

func parseIterator(s string) (i iterator, ok bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 44 || binary.BigEndian.Uint64(b) != iteratorVersion ||
		crc32.ChecksumIEEE(b[:40]) != binary.BigEndian.Uint32(b[40:]) {
		return i, false
	}
	n := func(at int) int64 { return int64(binary.BigEndian.Uint64(b[at:])) }
	i = iterator{stream: n(8), shard: int(n(16)), seq: n(24), at: n(32)}
	return i, i.seq >= 0 && i.at >= 0 && i.shard >= 0
}
