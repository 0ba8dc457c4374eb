package kinesis

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
)

// A hashKey is a point of the circle that shards divide: 128 bits.
type hashKey struct{ hi, lo uint64 }

// maxHash is the last hash key there is.
var maxHash = hashKey{math.MaxUint64, math.MaxUint64}

// hashOf is where a partition key belongs.
//
// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html
func hashOf(key string) hashKey {
	sum := md5.Sum([]byte(key))
	return hashKey{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])}
}

// parseHash reads a decimal number below 2^128.
func parseHash(s string) (k hashKey, ok bool) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return hashKey{}, false
		}
		over, hi := bits.Mul64(k.hi, 10)
		carry, lo := bits.Mul64(k.lo, 10)
		hi, c1 := bits.Add64(hi, carry, 0)
		lo, c2 := bits.Add64(lo, uint64(c-'0'), 0)
		hi, c3 := bits.Add64(hi, 0, c2)
		if over+c1+c3 > 0 {
			return hashKey{}, false
		}
		k = hashKey{hi, lo}
	}
	return k, s != ""
}

func (k hashKey) compare(o hashKey) int {
	return cmp.Or(cmp.Compare(k.hi, o.hi), cmp.Compare(k.lo, o.lo))
}

// plus is k + n, round the circle.
func (k hashKey) plus(n uint64) hashKey {
	lo, c := bits.Add64(k.lo, n, 0)
	return hashKey{k.hi + c, lo}
}

// minus is k - n, round the circle.
func (k hashKey) minus(n uint64) hashKey {
	lo, c := bits.Sub64(k.lo, n, 0)
	return hashKey{k.hi - c, lo}
}

func (k hashKey) big() *big.Int {
	n := new(big.Int).SetUint64(k.hi)
	return n.Or(n.Lsh(n, 64), new(big.Int).SetUint64(k.lo))
}

func (k hashKey) String() string { return k.big().String() }

// bytes is k as rows keep it.
func (k hashKey) bytes() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16), k.hi)
	return binary.BigEndian.AppendUint64(b, k.lo)
}

func hashFromBytes(b []byte) hashKey {
	if len(b) != 16 {
		return hashKey{}
	}
	return hashKey{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// slices divides all hash keys into n ranges and answers where the i-th begins.
// The remainder is the last one's, as AWS has it.
func sliceStart(i, n int) hashKey {
	size := new(big.Int).Lsh(big.NewInt(1), 128)
	size.Div(size, big.NewInt(int64(n)))
	start := size.Mul(size, big.NewInt(int64(i)))
	var b [16]byte
	start.FillBytes(b[:])
	return hashFromBytes(b[:])
}

// A number is what is in a sequence number. AWS does not say how theirs are
// made, but they have long been read: version 2 has, from the highest digit on,
// when the shard was made, a counter, when the record came, and the shard.
// Clients compare them as numbers, so the counter alone decides within a shard.
type number struct {
	created int64 // seconds since 1970
	seq     int64 // counts the shard's records
	at      int64 // seconds since 1970
	shard   int
}

// lastSeq is the counter in the sequence number that ends a closed shard.
const lastSeq = math.MaxInt64

// version is the last digit of a number in hexadecimal.
const version = 2

func (n number) String() string {
	var b [24]byte
	b[0] = 2
	head := uint64(n.created)<<4 | uint64(n.shard)&0xf
	b[1] = byte(head >> 32)
	binary.BigEndian.PutUint32(b[2:], uint32(head))
	binary.BigEndian.PutUint64(b[6:], uint64(n.seq))
	b[15] = byte(n.at >> 28)
	binary.BigEndian.PutUint64(b[16:], uint64(n.at)<<36|uint64(uint32(n.shard))<<4|version)
	return new(big.Int).SetBytes(b[:]).String()
}

// parseNumber reads a sequence number.
func parseNumber(s string) (n number, ok bool) {
	if len(s) > 60 {
		return n, false
	}
	v, ok := new(big.Int).SetString(s, 10)
	if !ok || v.Sign() < 0 || v.BitLen() != 186 {
		return n, false
	}
	var b [24]byte
	v.FillBytes(b[:])
	low := binary.BigEndian.Uint64(b[16:])
	n = number{
		created: int64(b[1])<<28 | int64(binary.BigEndian.Uint32(b[2:])>>4),
		seq:     int64(binary.BigEndian.Uint64(b[6:])),
		at:      int64(b[15])<<28 | int64(low>>36),
		shard:   int(uint32(low >> 4)),
	}
	return n, b[0] == 2 && low&0xf == version && n.seq >= 0 && n.shard >= 0 && n.shard <= math.MaxInt32
}

// middle is where the upper half of the range from low to high begins.
func middle(low, high hashKey) hashKey {
	lo, borrow := bits.Sub64(high.lo, low.lo, 0)
	hi, _ := bits.Sub64(high.hi, low.hi, borrow)
	half := hashKey{hi >> 1, lo>>1 | hi<<63}
	lo, c := bits.Add64(low.lo, half.lo, 0)
	return hashKey{low.hi + half.hi + c, lo}.plus(1)
}
