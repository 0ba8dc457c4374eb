package logs

// TailSize is how much of the log's end a caller may have.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (LogType)
const TailSize = 4 << 10

// A tail keeps the last TailSize bytes written to it. It lets the buffer grow
// to twice that before it moves anything, so that writing stays cheap.
type tail struct{ buf []byte }

func (t *tail) write(p string) {
	if len(p) > TailSize {
		p = p[len(p)-TailSize:]
	}
	if len(t.buf)+len(p) > 2*TailSize {
		n := copy(t.buf, t.buf[len(t.buf)-TailSize:])
		t.buf = t.buf[:n]
	}
	t.buf = append(t.buf, p...)
}

func (t *tail) reset() { t.buf = t.buf[:0] }

// bytes is a copy of the end.
func (t *tail) bytes() []byte {
	return append([]byte(nil), t.buf[max(0, len(t.buf)-TailSize):]...)
}
