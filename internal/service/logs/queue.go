package logs

import "sync"

// queueBytes is how much may wait for the writer before Put waits, too.
const queueBytes = 16 << 20

// A job is something for the writer to do: entries to put, or a function to run
// between puts.
type job struct {
	group, stream string
	entries       []entry
	existing      bool // the stream must be there already, and the entries synced
	do            func() error
	done          chan<- error // gets the result, if not nil; has room for it
}

// weight is what the job counts against queueBytes.
func (j *job) weight() int {
	n := 64
	for _, e := range j.entries {
		n += size(e.message)
	}
	return n
}

// A queue holds jobs for the writer in order. Too much of it makes callers
// wait: output is never lost for being fast.
type queue struct {
	wake chan struct{} // has a value when there are jobs, or the end

	mu     sync.Mutex // guards what follows
	room   sync.Cond  // on mu: there is room again
	jobs   []*job
	bytes  int
	closed bool
}

func newQueue() *queue {
	q := &queue{wake: make(chan struct{}, 1)}
	q.room.L = &q.mu
	return q
}

// put adds a job; false when the queue is closed.
func (q *queue) put(j *job) bool {
	w := j.weight()
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.bytes > 0 && q.bytes+w > queueBytes && !q.closed {
		q.room.Wait()
	}
	if q.closed {
		return false
	}
	q.jobs, q.bytes = append(q.jobs, j), q.bytes+w
	q.signal()
	return true
}

// take returns all jobs; closed says that there will be no more.
func (q *queue) take() (jobs []*job, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	jobs, q.jobs, q.bytes = q.jobs, nil, 0
	q.room.Broadcast()
	return jobs, q.closed
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.room.Broadcast()
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
