package kinesis

// What AWS lets through a shard in a second.
//
// https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
const (
	writeBytes   = 1 << 20
	writeRecords = 1000
	readBytes    = 2 << 20
	readCalls    = 5
)

// A bucket holds what may still be used, and is filled again with time. Its
// owner guards it.
type bucket struct {
	rate  float64 // what a second adds, and the most that it holds
	level float64
	at    int64 // when level was right, in milliseconds since 1970
}

func newBucket(rate float64) bucket { return bucket{rate: rate, level: rate} }

// fill counts the time up to now.
func (b *bucket) fill(now int64) {
	if b.at != 0 && now > b.at {
		b.level = min(b.rate, b.level+b.rate*float64(now-b.at)/1000)
	}
	if now > b.at {
		b.at = now
	}
}

// has tells whether n may be used now. More than a full bucket may be used when
// it is full: a record of 10 MiB is let through, and paid back by a pause.
func (b *bucket) has(now int64, n float64) bool {
	b.fill(now)
	return b.level >= min(n, b.rate)
}

func (b *bucket) use(n float64) { b.level -= n }

// A meter bounds what goes through a shard: bytes, and records or calls.
type meter struct{ bytes, count bucket }

func newMeter(bytes, count float64) meter { return meter{newBucket(bytes), newBucket(count)} }

// take uses one and its bytes, if both may be.
func (m *meter) take(now int64, bytes int) bool {
	if !m.bytes.has(now, float64(bytes)) || !m.count.has(now, 1) {
		return false
	}
	m.bytes.use(float64(bytes))
	m.count.use(1)
	return true
}
