package runtimeapi

import (
	"net/http"
	"strconv"
)

// serveNext is GET /runtime/invocation/next. It blocks until there is one.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-next
func (r *run) serveNext(w http.ResponseWriter, req *http.Request) {
	a := make(waiting, 1)
	t, err := r.next(a)
	if err != nil {
		write(w, err)
		return
	}
	if t == nil {
		t = r.await(a, req.Context().Done())
	}
	if t == nil {
		panic(http.ErrAbortHandler) // no answer, but the end of the connection
	}
	deliver(w, t)
}

// A waiting is an asker that waits in a goroutine of its own.
type waiting chan *turn

func (w waiting) deliver(t *turn) { w <- t }

func (waiting) cut() {} // it sees that the run is over

// await is what a gets; nil when the run or who asks ends first.
func (r *run) await(a waiting, gone <-chan struct{}) *turn {
	select {
	case t := <-a:
		return t
	case <-gone:
	case <-r.over:
	}
	r.leave(a)
	return nil
}

// deliver writes t for the runtime. A runtime that is not there any more will
// be missed by who waits for its process.
func deliver(w http.ResponseWriter, t *turn) {
	h := w.Header()
	set := func(key, value string) {
		if value != "" {
			h[key] = []string{value}
		}
	}
	set("Content-Type", "application/json")
	set("Content-Length", strconv.Itoa(len(t.Payload)))
	set("Lambda-Runtime-Aws-Request-Id", t.ID)
	set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(t.Deadline.UnixMilli(), 10))
	set("Lambda-Runtime-Invoked-Function-Arn", t.InvokedARN)
	set("Lambda-Runtime-Trace-Id", t.TraceHeader)
	set("Lambda-Runtime-Client-Context", t.ClientContext)
	set("Lambda-Runtime-Cognito-Identity", t.Identity)
	set("Lambda-Runtime-Aws-Tenant-Id", t.Tenant)
	set("Lambda-Runtime-Invocation-Id", t.Attempt)
	w.WriteHeader(http.StatusOK)
	w.Write(t.Payload)
}

// serveRestoreNext is GET /runtime/restore/next, which a runtime asks when it
// can be snapshotted. There are no snapshots here: it is told at once to go on.
func (r *run) serveRestoreNext(w http.ResponseWriter, _ *http.Request) {
	if err := r.restore(); err != nil {
		write(w, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}
