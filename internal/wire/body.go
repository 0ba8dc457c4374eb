package wire

import (
	"io"
	"net/http"
	"time"
)

// How long a body may take: some time to begin with, and more for all that
// came, at the rate of a bad telephone line. Whoever sends a byte now and then
// would else hold a connection, and what was read of his request, for ever.
const (
	patience = 30 * time.Second
	minRate  = 16 << 10 // bytes a second
)

// A requestBody is a request's body that has to keep coming. It knows whether
// anybody began to read it.
//
// When it broke off, its connection's deadline stays in the past: net/http would
// else wait for the rest of it before it sends our answer.
type requestBody struct {
	io.ReadCloser
	conn     *http.ResponseController
	patience time.Duration
	begun    bool
	broken   bool // a Read failed: there will be no more
	start    time.Time
	got      int64
}

func (b *requestBody) Read(p []byte) (int, error) {
	if !b.begun {
		b.begun, b.start = true, time.Now()
	}
	late := b.start.Add(b.patience + time.Duration(b.got/minRate)*time.Second)
	b.conn.SetReadDeadline(late) // an error means that there is no connection: tests
	n, err := b.ReadCloser.Read(p)
	b.got += int64(n)
	switch err {
	case nil:
	case io.EOF:
		// While the operation runs, net/http reads on to learn whether the client
		// goes away: that may take as long as it likes.
		b.conn.SetReadDeadline(time.Time{})
	default:
		b.broken = true
	}
	return n, err
}

// What is read of a refused request's body.
const (
	maxDrain  = 128 << 20
	drainTime = 10 * time.Second
)

// drain reads what is left of a refused request: many clients send all before
// they look for an answer, and would see a broken connection, not our error.
// Whoever asks before he sends (Expect) need not send.
func (b *requestBody) drain(r *http.Request) {
	if b.broken || !b.begun && r.Header.Get("Expect") != "" {
		return
	}
	if b.conn.SetReadDeadline(time.Now().Add(min(drainTime, b.patience))) != nil {
		return // not a connection
	}
	if _, err := io.CopyN(io.Discard, b.ReadCloser, maxDrain); err == nil || err == io.EOF {
		b.conn.SetReadDeadline(time.Time{})
	}
}
