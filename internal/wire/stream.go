package wire

import (
	"log/slog"
	"net/http"
	"time"
)

// SendStream lets an operation write its answer, each Write flushed. When it
// fails the connection is broken, so that the answer does not look whole.
func SendStream(w http.ResponseWriter, r *http.Request, status int, write Stream) {
	w.WriteHeader(status) // goes out with what is written first
	f := flusher{w, http.NewResponseController(w), streamPatience}
	err := write(f)
	f.rc.SetWriteDeadline(time.Time{}) // the connection may be used again
	if err != nil {
		slog.DebugContext(r.Context(), "answer broke off", "request", RequestID(r.Context()), "cause", err)
		panic(http.ErrAbortHandler)
	}
}

// streamPatience is how long a client may leave a write unread. Who writes
// holds a sandbox meanwhile.
const streamPatience = 2 * time.Minute

type flusher struct {
	w        http.ResponseWriter
	rc       *http.ResponseController
	patience time.Duration
}

func (f flusher) Write(b []byte) (int, error) {
	f.rc.SetWriteDeadline(time.Now().Add(f.patience)) // not every ResponseWriter has one
	n, err := f.w.Write(b)
	if err != nil {
		return n, err
	}
	return n, f.rc.Flush()
}
