package runtimeapi

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	linkBuffer = 4 << 10  // what a link reads ahead: most answers are shorter
	pieceSize  = 64 << 10 // what it reads at a time of longer ones
	maxHead    = 32 << 10 // a media type or an error's name, and JSON around it

	// maxCopy is how long a payload may be to be sent in one piece with its head.
	maxCopy = 16 << 10
)

var (
	errFrame    = errors.New("runtimeapi: bad frame") // the runtime does not keep to the protocol
	errLastWord = errors.New("runtimeapi: the runtime ends")
)

// pieces are buffers for answers that are longer than a link's own.
var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// A link is the server's end of one. Any goroutine may write. Frames are read by
// the link's own goroutine, or by who follows an invocation.
type link struct {
	run  *run
	conn net.Conn
	wake chan struct{} // of capacity 1: the link's goroutine has to read again

	reading sync.Mutex // held by who reads frames; guards what follows
	in      *bufio.Reader
	idle    bool  // the runtime waits for an invocation, and has nothing to say until then
	stream  *turn // the answer that comes in pieces; nil for none
	full    bool  // it is over the limit

	mu  sync.Mutex // guards out; held while a frame is written
	out []byte

	halt   sync.Mutex // guards halted, and the deadline of reads
	halted bool       // nobody may follow
}

func newLink(r *run, c net.Conn) *link {
	return &link{run: r, conn: c, wake: make(chan struct{}, 1), in: bufio.NewReaderSize(c, linkBuffer)}
}

// serve reads frames until the link ends, or the runtime breaks the rules. While
// the runtime waits for an invocation it does not read: who has one may do so.
func (l *link) serve() {
	defer l.conn.Close() // the runtime ends with it, and who waits for that hears of it
	for l.listen() {
		<-l.wake
	}
}

// listen reads frames until the runtime waits for an invocation. It returns false
// when the link has ended.
func (l *link) listen() bool {
	l.reading.Lock()
	defer l.reading.Unlock()
	for l.idle = false; !l.still(); {
		if err := l.frame(); err != nil {
			l.broken()
			return false
		}
	}
	return true
}

// still reports whether the runtime waits, and has said no more than it may.
func (l *link) still() bool { return l.idle && l.in.Buffered() == 0 }

// resume has the link's goroutine read again.
func (l *link) resume() {
	select {
	case l.wake <- struct{}{}:
	default: // it will
	}
}

// follow reads what the runtime says of the invocation that was just sent, on the
// goroutine of who waits for it: that is one wake-up, where the link's own
// goroutine would make it two. It returns when the runtime waits for another one, or
// leaves the rest to the link's goroutine: after until, when it is interrupted, when
// the link ends, and of an answer that its caller may keep waiting.
func (l *link) follow(until time.Time) {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.idle = false
	for readable := l.limit(until); readable && !l.still(); {
		prefix, err := l.in.Peek(5)
		if errors.Is(err, os.ErrDeadlineExceeded) || err == nil && lasting(prefix) {
			break
		}
		if err := l.frame(); err != nil {
			l.broken()
			l.conn.Close()
			break
		}
	}
	if !l.still() {
		l.conn.SetReadDeadline(time.Time{}) // an error means that it is closed
		l.resume()
	}
}

// lasting reports whether a frame begins an answer that its caller may be slow to
// take: one in pieces, or a long one. Who writes it may have to wait, and sees
// neither the deadline nor the end of the process meanwhile.
func lasting(prefix []byte) bool {
	return prefix[4] == frameStream || binary.LittleEndian.Uint32(prefix) > pieceSize
}

// quiet reports whether the runtime, which waits, has not said a word since. What
// it says then would be taken for the answer to what comes next.
func (l *link) quiet() bool {
	q, ok := l.conn.(interface{ Quiet() bool })
	return !ok || q.Quiet()
}

// limit has reads fail after until. It returns false when nobody may follow.
func (l *link) limit(until time.Time) bool {
	l.halt.Lock()
	defer l.halt.Unlock()
	if !l.halted {
		l.conn.SetReadDeadline(until) // an error means that it is closed
	}
	return !l.halted
}

// interrupt has who follows stop, and nobody follow from now on.
func (l *link) interrupt() {
	l.halt.Lock()
	defer l.halt.Unlock()
	l.halted = true
	l.conn.SetReadDeadline(time.Unix(1, 0)) // an error means that it is closed
}

// broken ends an answer that will not become complete.
func (l *link) broken() {
	if l.stream != nil {
		l.run.answered(l.stream, &Failure{Type: "Runtime.TruncatedResponse"})
		l.stream = nil
	}
}

// frame reads one frame and does what it says.
func (l *link) frame() error {
	prefix, err := l.in.Peek(5)
	if err != nil {
		return err
	}
	n, kind := int64(binary.LittleEndian.Uint32(prefix))-1, prefix[4]
	if n < 0 {
		return errFrame
	}
	l.in.Discard(len(prefix)) // is buffered: cannot fail
	if l.stream != nil {
		return l.streamed(kind, n)
	}
	switch kind {
	case frameAnswer:
		return l.answer(n)
	case frameFailure, frameDying:
		return l.failure(n, kind == frameFailure)
	case frameStream:
		return l.begin(n)
	case frameNoInit:
		return l.noInit(n)
	case frameNext:
		return errors.Join(empty(n), l.next())
	case frameBlank:
		return errors.Join(empty(n), l.run.waits())
	}
	return errFrame
}

func empty(n int64) error {
	if n != 0 {
		return errFrame
	}
	return nil
}

// next is the runtime asking for another invocation.
func (l *link) next() error {
	t, refused := l.run.next(l)
	if refused != nil {
		return refused
	}
	l.idle = t == nil
	if t != nil {
		l.send(t)
	}
	return nil
}

// A head is what a frame says about its payload.
type head struct {
	Type  string `json:"type"`
	Large int64  `json:"large"`
}

const plainHead = `{"type":"application/json"}`

// head reads the head of a body of n bytes; rest is how long the payload is.
func (l *link) head(n int64) (h head, rest int64, err error) {
	var size [4]byte
	if n < 4 {
		return h, 0, errFrame
	}
	if _, err := io.ReadFull(l.in, size[:]); err != nil {
		return h, 0, err
	}
	long := int64(binary.LittleEndian.Uint32(size[:]))
	rest = n - 4 - long
	if rest < 0 || long > maxHead {
		return h, 0, errFrame
	}
	if long == int64(len(plainHead)) {
		if b, err := l.in.Peek(len(plainHead)); err == nil && string(b) == plainHead {
			l.in.Discard(len(plainHead)) // is buffered: cannot fail
			return head{Type: "application/json"}, rest, nil
		}
	}
	b := make([]byte, long)
	if _, err := io.ReadFull(l.in, b); err != nil {
		return h, 0, err
	}
	if json.Unmarshal(b, &h) != nil {
		return h, 0, errFrame
	}
	return h, rest, nil
}

// answer reads an answer of one frame.
func (l *link) answer(n int64) error {
	h, rest, err := l.head(n)
	if err != nil {
		return err
	}
	t := l.run.answerOn(l, answering)
	if t == nil {
		return errFrame
	}
	if limit := t.Limit; limit > 0 && max(h.Large, rest) > limit {
		l.run.answered(t, tooLarge(limit))
		return errors.Join(empty(rest), l.next())
	}
	l.stream = t // until it is complete
	t.start(h.Type)
	if err := l.copy(t, rest); err != nil {
		return err
	}
	l.stream = nil
	l.run.answered(t, nil)
	return l.next()
}

// start tells who waits for the answer that it comes.
func (t *turn) start(kind string) {
	if t.Begin != nil {
		t.sink.begin(func() { t.Begin(kind) })
	}
}

// copy moves n bytes to the turn's sink as they come. What the sink has no
// place for is dropped.
func (l *link) copy(t *turn, n int64) error {
	if n <= int64(l.in.Buffered()) {
		b, _ := l.in.Peek(int(n)) // is buffered: cannot fail
		l.pour(t, b)
		l.in.Discard(len(b))
		return nil
	}
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	for n > 0 {
		m, err := io.ReadFull(l.in, piece[:min(n, pieceSize)]) // what there is of a frame is under way
		l.pour(t, piece[:m])
		if err != nil {
			return err
		}
		n -= int64(m)
	}
	return nil
}

func (l *link) pour(t *turn, b []byte) {
	if !t.pour(b) {
		l.full = true
	}
}

// begin reads the beginning of an answer in pieces.
func (l *link) begin(n int64) error {
	h, rest, err := l.head(n)
	if err := errors.Join(err, empty(rest)); err != nil {
		return err
	}
	t := l.run.answerOn(l, answering)
	if t == nil {
		return errFrame
	}
	l.stream, l.full = t, false
	t.start(h.Type)
	return nil
}

// streamed reads what comes after that.
func (l *link) streamed(kind byte, n int64) error {
	t := l.stream
	if kind == framePiece {
		return l.copy(t, n)
	}
	if kind != frameEnd && kind != frameDying {
		return errFrame
	}
	f, err := l.readFailure(n)
	if err != nil {
		return err
	}
	switch {
	case l.full:
		f = tooLarge(t.Limit)
	case f.Type == "" && len(f.Payload) == 0:
		f = nil
	}
	l.stream = nil
	l.run.answered(t, f)
	if kind == frameDying {
		return errLastWord
	}
	return l.next()
}

// failure reads what the runtime reports instead of an answer.
func (l *link) failure(n int64, goesOn bool) error {
	t := l.run.answerOn(l, failing)
	if t == nil {
		return errFrame
	}
	f, err := l.readFailure(n)
	l.run.answered(t, f)
	switch {
	case err != nil:
		return err
	case !goesOn:
		return errLastWord
	}
	return l.next()
}

// noInit reads the runtime's report that it cannot start.
func (l *link) noInit(n int64) error {
	if refused := l.run.failInit(); refused != nil {
		return refused
	}
	f, err := l.readFailure(n)
	l.run.failedInit(f)
	return errors.Join(err, errLastWord)
}

// readFailure reads a report of n bytes. It keeps what it got of one that is cut
// short.
func (l *link) readFailure(n int64) (*Failure, error) {
	h, rest, err := l.head(n)
	if err == nil && rest > maxError {
		err = errFrame
	}
	if err != nil {
		return &Failure{}, err
	}
	body, err := io.ReadAll(io.LimitReader(l.in, rest))
	if err == nil && int64(len(body)) < rest {
		err = io.ErrUnexpectedEOF
	}
	return &Failure{h.Type, body}, err
}

// write sends a frame.
func (l *link) write(frame []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.conn.Write(frame)
	return err
}

// deliver sends t to the runtime, which has waited for it, and has the link's
// goroutine read what it says.
func (l *link) deliver(t *turn) {
	l.send(t)
	l.resume()
}

// send sends t to the runtime. It waits while the runtime does not read, but
// not after the deadline, when nobody wants an answer any more. When it cannot
// be sent the link ends, and with it the runtime.
func (l *link) send(t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !t.Deadline.IsZero() {
		l.conn.SetWriteDeadline(t.Deadline.Add(time.Second)) // the engine comes first
	}
	var err error
	l.out = appendInvocation(l.out[:0], t)
	if len(t.Payload) <= maxCopy {
		l.out = append(l.out, t.Payload...)
		_, err = l.conn.Write(l.out)
	} else {
		_, err = (&net.Buffers{l.out, t.Payload}).WriteTo(l.conn)
	}
	if err != nil {
		l.conn.Close()
	}
}

// cut ends the link.
func (l *link) cut() {
	l.conn.Close()
	l.resume() // so that its goroutine ends
}
