package kinesis

import "time"

// How a stream on demand grows: a shard that had to refuse records is split, and
// the stream is given some time to show whether that was enough.
//
// https://docs.aws.amazon.com/streams/latest/dev/how-do-i-size-a-stream.html
const (
	onDemandMost = 200 // shards that a stream grows to by itself
	growPause    = 1000
)

// crowd notes that sh refused a record. It is called by the line alone, which
// must not wait.
func (b *Book) crowd(sh *shard) {
	sh.refused = true
	if sh.stream.set.Load().Mode != onDemand {
		return
	}
	select {
	case b.crowded <- sh.stream:
	default: // there is enough to do, and it will refuse more
	}
}

// tend is the goroutine that lets streams grow.
func (b *Book) tend() {
	for {
		select {
		case st := <-b.crowded:
			if err := b.grow(st); err != nil && b.run.Err() == nil {
				b.log.Error("split the shards of a stream on demand", "stream", st.name, "err", err)
			}
		case <-b.run.Done():
			return
		}
	}
}

// grow splits the shards of st that have refused records, as far as they may be.
func (b *Book) grow(st *stream) error {
	b.admin.Lock()
	defer b.admin.Unlock()
	l := st.layout()
	if l.gone || l.status != active || st.set.Load().Mode != onDemand || b.ms()-st.grown < growPause || len(l.open) >= onDemandMost {
		return nil
	}
	if err := b.roomFor(len(l.open), onDemand, false); err != nil {
		return nil // the account has no more
	}
	st.grown = b.ms()
	began := time.Now()
	defer func() {
		b.log.Info("stream on demand has grown", "stream", st.name, "shards", len(st.layout().open), "took", time.Since(began))
	}()
	return b.reshape(st, func(r *reshaping, l layout) {
		n := len(l.open)
		for _, sh := range l.open {
			if sh.refused && n < onDemandMost && sh.low != sh.high {
				r.split(sh, middle(sh.low, sh.high))
				n++
			}
			sh.refused = false
		}
	})
}
