package logs

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// A slice file is magic, then frames. A frame is its body's length and
// checksum (CRC-32C), both little-endian, and the body: one stream's events in
// the order in which they came,
//
//	stream, seq       8 bytes each, little-endian
//	count             varint
//	count times:      time (signed varint, as the difference to the one before),
//	                  length of the message (varint), message
//
// The n-th event's sequence number is seq+n. A file that was cut anywhere is
// good up to its last whole frame.
const (
	magic      = "mayflog1"
	frameHead  = 8
	blockHead  = 16
	maxFrame   = 4 << 20  // what a reader believes
	blockBytes = 64 << 10 // what a writer puts into one block before it starts another
	runBytes   = 64 << 10 // how far the index lets neighbouring blocks grow together
)

// errFrame is a frame that cannot be read.
var errFrame = errors.New("damaged frame")

// A key is an event's place in its group's order.
type key struct {
	at  int64 // milliseconds since 1970
	seq int64 // unique in the book, and larger for what came later
}

func (k key) less(o key) bool { return k.at < o.at || k.at == o.at && k.seq < o.seq }

// ingested is when the event came, in milliseconds: sequence numbers are the
// clock's nanoseconds, pushed on where two would be the same.
func (k key) ingested() int64 { return k.seq / 1e6 }

// An event is one entry of a log stream.
type event struct {
	key
	stream  int64
	message string
}

// An entry is an event that has no place yet.
type entry struct {
	at      int64
	message string
}

// size is what AWS counts for an event.
func size(message string) int { return len(message) + 26 }

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// appendFrame adds a frame with entries to b.
func appendFrame(b []byte, stream, seq int64, entries []entry) []byte {
	start := len(b)
	b = append(b, make([]byte, frameHead)...)
	b = binary.LittleEndian.AppendUint64(b, uint64(stream))
	b = binary.LittleEndian.AppendUint64(b, uint64(seq))
	b = binary.AppendUvarint(b, uint64(len(entries)))
	last := int64(0)
	for _, e := range entries {
		b = binary.AppendVarint(b, e.at-last)
		b = binary.AppendUvarint(b, uint64(len(e.message)))
		b = append(b, e.message...)
		last = e.at
	}
	body := b[start+frameHead:]
	binary.LittleEndian.PutUint32(b[start:], uint32(len(body)))
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(body, castagnoli()))
	return b
}

// readBlock calls yield for each event of a frame's body. The messages share
// one copy of the body: who keeps one for long should clone it.
func readBlock(body []byte, yield func(event)) error {
	if len(body) < blockHead {
		return errFrame
	}
	stream := int64(binary.LittleEndian.Uint64(body))
	seq := int64(binary.LittleEndian.Uint64(body[8:]))
	r := bytes.NewReader(body[blockHead:])
	count, err := binary.ReadUvarint(r)
	if err != nil || count > uint64(len(body)) {
		return errFrame
	}
	at, all := int64(0), string(body)
	for i := range int64(count) {
		delta, err := binary.ReadVarint(r)
		if err != nil {
			return errFrame
		}
		n, err := binary.ReadUvarint(r)
		if err != nil || n > uint64(r.Len()) {
			return errFrame
		}
		at += delta
		from := len(body) - r.Len()
		yield(event{key{at, seq + i}, stream, all[from : from+int(n)]})
		if _, err := r.Seek(int64(n), io.SeekCurrent); err != nil {
			return errFrame
		}
	}
	return nil
}

// frame cuts the first frame off b.
func frame(b []byte) (body, rest []byte, err error) {
	if len(b) < frameHead {
		return nil, nil, errFrame
	}
	n := binary.LittleEndian.Uint32(b)
	if n > maxFrame || int(n) > len(b)-frameHead {
		return nil, nil, errFrame
	}
	body = b[frameHead : frameHead+n]
	if crc32.Checksum(body, castagnoli()) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, nil, errFrame
	}
	return body, b[frameHead+n:], nil
}

// A run is an entry of a slice's index: neighbouring frames of one stream.
type run struct {
	stream   int64
	off      int64
	size     int64
	min, max int64 // earliest and latest time
	last     int64 // sequence number of its last event
}

// add puts the frame at off into the index, or grows the last run with it.
func add(runs []run, r run) []run {
	if n := len(runs); n > 0 {
		last := &runs[n-1]
		if last.stream == r.stream && last.off+last.size == r.off && last.size+r.size <= runBytes {
			last.size += r.size
			last.min, last.max, last.last = min(last.min, r.min), max(last.max, r.max), r.last
			return runs
		}
	}
	return append(runs, r)
}

// runOf describes the frame with body at off.
func runOf(body []byte, off int64) (run, error) {
	r := run{off: off, size: frameHead + int64(len(body)), min: -1}
	err := readBlock(body, func(e event) {
		r.stream, r.last = e.stream, e.seq
		if r.min < 0 || e.at < r.min {
			r.min = e.at
		}
		r.max = max(r.max, e.at)
	})
	if err == nil && r.min < 0 {
		err = errFrame // no events: not ours
	}
	return r, err
}

// scan indexes a slice. good is how many of its bytes are whole frames; an
// error says that reading failed, not that the file ends badly.
func scan(r io.Reader) (runs []run, good int64, err error) {
	in := bufio.NewReaderSize(r, 1<<20)
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, 0, ended(err)
	}
	if string(head) != magic {
		return nil, 0, nil
	}
	good = int64(len(magic))
	var buf []byte
	for {
		buf, err = readFrame(in, buf)
		if err != nil {
			return runs, good, ended(err)
		}
		r, err := runOf(buf[frameHead:], good)
		if err != nil {
			return runs, good, nil
		}
		runs = add(runs, r)
		good += r.size
	}
}

// ended is nil for the ways in which a file may end.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errFrame) {
		return nil
	}
	return fmt.Errorf("read slice: %w", err)
}

// readFrame reads a whole frame into buf, which it may grow.
func readFrame(in io.Reader, buf []byte) ([]byte, error) {
	buf = slices.Grow(buf[:0], frameHead)[:frameHead]
	if _, err := io.ReadFull(in, buf); err != nil {
		return buf, err
	}
	n := binary.LittleEndian.Uint32(buf)
	if n > maxFrame {
		return buf, errFrame
	}
	buf = slices.Grow(buf, int(n))[:frameHead+n]
	if _, err := io.ReadFull(in, buf[frameHead:]); err != nil {
		return buf, err
	}
	_, _, err := frame(buf)
	return buf, err
}
