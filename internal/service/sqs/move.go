package sqs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// Where a task is.
const (
	running    = "RUNNING"
	completed  = "COMPLETED"
	cancelling = "CANCELLING"
	cancelled  = "CANCELLED"
	failed     = "FAILED"
)

// A task moves messages out of a dead-letter queue.
type task struct {
	id, source, destination string
	rate                    int64 // messages a second; 0 means as fast as it goes
	status                  string
	started                 int64
	moved, total            int64
	failure                 string
}

const taskColumns = `id, source, destination, rate, status, started, moved, total, failure`

func scanTask(scan func(...any) error) (t task, err error) {
	return t, scan(&t.id, &t.source, &t.destination, &t.rate, &t.status, &t.started, &t.moved, &t.total, &t.failure)
}

// movers are the goroutines of the tasks that run.
type movers struct {
	ctx context.Context

	mu   sync.Mutex // guards stop
	stop map[string]context.CancelFunc
}

// A handle of a task is what AWS's is: JSON in base64.
type taskHandle struct {
	ID     string `json:"taskId"`
	Source string `json:"sourceArn"`
}

func (t task) handle() string {
	b, _ := json.Marshal(taskHandle{t.id, t.source}) // strings always go
	return base64.StdEncoding.EncodeToString(b)
}

func parseTask(s string) (h taskHandle, ok bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	return h, err == nil && json.Unmarshal(b, &h) == nil && h.ID != "" && h.Source != ""
}

func noSource() error {
	return noResource("The resource that you specified for the SourceArn parameter doesn't exist.")
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
func (a *api) startMessageMoveTask(ctx context.Context, in *StartMessageMoveTaskRequest) (*StartMessageMoveTaskResult, error) {
	a.admin.Lock()
	defer a.admin.Unlock()
	t, err := a.newTask(in)
	if err != nil {
		return nil, err
	}
	err = a.db.Update(ctx, func(tx store.Tx) error {
		var n int64
		if err := tx.Get([]any{&n}, `SELECT COUNT(*) FROM sqs_move WHERE source = ? AND status IN (?, ?)`, t.source, running, cancelling); err != nil {
			return err
		}
		if n > 0 {
			return invalid("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
		}
		_, err := tx.Exec(`INSERT INTO sqs_move (`+taskColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			t.id, t.source, t.destination, t.rate, t.status, t.started, t.moved, t.total, t.failure)
		return err
	})
	if err != nil {
		return nil, err
	}
	a.startMover(t)
	return &StartMessageMoveTaskResult{TaskHandle: new(t.handle())}, nil
}

func (b *Book) newTask(in *StartMessageMoveTaskRequest) (t task, err error) {
	if value0(in.SourceArn) == "" {
		return t, missingParameter("SourceArn")
	}
	q := b.byARN(*in.SourceArn)
	if q == nil {
		return t, noSource()
	}
	if !b.isDeadLetterQueue(q) {
		return t, invalid("Source queue must be configured as a Dead Letter Queue.")
	}
	rate := value0(in.MaxNumberOfMessagesPerSecond)
	if in.MaxNumberOfMessagesPerSecond != nil && (rate < 1 || rate > 500) {
		return t, invalidValue(rate, "MaxNumberOfMessagesPerSecond", "Must be >= 1 and <= 500, if provided.")
	}
	destination := value0(in.DestinationArn)
	if destination != "" {
		switch to := b.byARN(destination); {
		case to == nil:
			return t, noResource("The resource that you specified for the DestinationArn parameter doesn't exist.")
		case to == q:
			return t, invalid("Source queue arn and destination queue arn cannot be the same.")
		case to.fifo != q.fifo:
			return t, invalid("Source queue and destination queue must be of the same type.")
		}
	}
	visible, _, _ := q.counts()
	return task{
		id: uuid.NewString(), source: q.arn, destination: destination, rate: int64(rate),
		status: running, started: b.ms(), total: int64(visible),
	}, nil
}

func (b *Book) isDeadLetterQueue(dlq *queue) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, q := range b.queues {
		if q.set.Load().deadLetter == dlq.arn {
			return true
		}
	}
	return false
}

// unfinished are the tasks that the last run did not finish.
func (b *Book) unfinished(ctx context.Context) (ts []task, err error) {
	err = b.db.View(ctx, func(tx store.Tx) error {
		ts, err = store.All(tx, scanTask, `SELECT `+taskColumns+` FROM sqs_move WHERE status IN (?, ?)`, running, cancelling)
		return err
	})
	return ts, err
}

// startMover runs t in a goroutine of its own.
func (b *Book) startMover(t task) {
	ctx, stop := context.WithCancel(b.movers.ctx)
	b.movers.mu.Lock()
	defer b.movers.mu.Unlock()
	if b.movers.stop == nil {
		b.movers.stop = map[string]context.CancelFunc{}
	}
	b.movers.stop[t.id] = stop
	b.done.Go(func() {
		defer stop()
		b.move(ctx, t)
		b.movers.mu.Lock()
		defer b.movers.mu.Unlock()
		delete(b.movers.stop, t.id)
	})
}

var (
	errNoDestination = errors.New("sqs: the destination does not exist")
	errNoOrigin      = errors.New("sqs: the message did not come from a queue")
)

// move does what t asks for, and writes down how it ended. An end of the
// server leaves the task as it is, for the next run.
func (b *Book) move(ctx context.Context, t task) {
	err := error(nil)
	if t.status == running {
		err = b.moveAll(ctx, t)
	}
	status, failure := completed, ""
	switch {
	case b.movers.ctx.Err() != nil:
		return
	case t.status == cancelling || ctx.Err() != nil:
		status = cancelled
	case errors.Is(err, errNoDestination), errors.Is(err, errNoQueue):
		status, failure = failed, legacy+"NonExistentQueue"
	case errors.Is(err, errNoOrigin):
		status, failure = failed, "CouldNotDetermineMessageSource"
	case err != nil:
		b.log.Warn("message move task failed", "source", t.source, "error", err)
		status, failure = failed, "InternalError"
	}
	err = b.db.Update(b.movers.ctx, func(tx store.Tx) error {
		_, err := tx.Exec(`UPDATE sqs_move SET status = ?, failure = ? WHERE id = ?`, status, failure, t.id)
		return err
	})
	if err != nil {
		b.log.Warn("message move task could not be ended", "source", t.source, "error", err)
	}
}

// moveAll moves what is visible, as many messages as there were when t began.
func (b *Book) moveAll(ctx context.Context, t task) error {
	for t.moved < t.total {
		n := min(t.total-t.moved, 100)
		if t.rate > 0 {
			n = min(n, max(1, t.rate/10))
		}
		start := time.Now()
		moved, err := b.moveSome(ctx, t, int(n))
		if err != nil || moved == 0 {
			return err
		}
		t.moved += moved
		if t.rate == 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(moved)*time.Second/time.Duration(t.rate) - time.Since(start)):
		}
	}
	return nil
}

// moveSome moves up to n messages, in one transaction with the task's count.
func (b *Book) moveSome(ctx context.Context, t task, n int) (int64, error) {
	q := b.byARN(t.source)
	if q == nil {
		return 0, errNoQueue
	}
	p, _, err := q.take(n, false, false)
	if err != nil || p.empty() {
		return 0, err
	}
	var r round
	var groups []found
	err = b.db.Update(ctx, func(tx store.Tx) error {
		r, groups = round{now: b.ms()}, nil
		for _, e := range p.entries {
			m, err := rowOf(tx, q, e.seq, r.now)
			if err != nil {
				return err
			}
			if m == nil {
				o, err := b.whereIs(tx, q, e.seq)
				if err != nil {
					return err
				}
				r.outcomes = append(r.outcomes, o)
				continue
			}
			r.outcomes = append(r.outcomes, outcome{m: &message{seq: e.seq}})
			if err := b.redrive(tx, &r, t, m); err != nil {
				return err
			}
		}
		for _, g := range p.groups {
			f, err := b.redriveGroup(tx, q, &r, t, g, n-len(r.moved))
			if err != nil {
				return err
			}
			groups = append(groups, f)
		}
		_, err := tx.Exec(`UPDATE sqs_move SET moved = moved + ? WHERE id = ?`, len(r.moved), t.id)
		return err
	})
	if err != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.putBack(p)
		q.wake()
		return 0, err
	}
	r.groups = groups
	q.claimed(p, &r)
	for _, m := range r.moved {
		m.to.committed(m.m)
	}
	return int64(len(r.moved)), nil
}

// rowOf reads a message that is visible, nil when it is not.
func rowOf(tx store.Tx, q *queue, seq, now int64) (m *message, err error) {
	err = tx.Each(`SELECT `+messageColumns+` FROM sqs_message WHERE seq = ? AND queue = ? AND visible <= ?`, []any{seq, q.id, now},
		func(scan func(...any) error) (err error) {
			m, err = scanMessage(scan)
			return err
		})
	return m, err
}

func (b *Book) redriveGroup(tx store.Tx, q *queue, r *round, t task, g *group, n int) (found, error) {
	f := found{group: g}
	if n <= 0 {
		return f, nil
	}
	rows, err := store.All(tx, scanMessage, `SELECT `+messageColumns+` FROM sqs_message
			WHERE queue = ? AND grp = ? AND dedup IS NOT NULL AND seq > ? ORDER BY seq LIMIT ?`, q.id, g.name, q.watermark(), n)
	if err != nil {
		return f, err
	}
	for _, m := range rows {
		if m.visible > r.now {
			break
		}
		f.upTo = m.seq
		f.outcomes = append(f.outcomes, outcome{m: &message{seq: m.seq}})
		if err := b.redrive(tx, r, t, m); err != nil {
			return f, err
		}
	}
	return f, nil
}

// redrive puts m at the end of where it goes, as a new message.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
func (b *Book) redrive(tx store.Tx, r *round, t task, m *message) error {
	to := t.destination
	if to == "" {
		to = m.source
	}
	if to == "" {
		return errNoOrigin
	}
	q := b.byARN(to)
	if q == nil {
		return errNoDestination
	}
	m.id, m.sent, m.visible = uuid.New(), r.now, r.now
	m.received, m.first, m.source = 0, 0, ""
	r.moved = append(r.moved, move{m, q})
	return b.relocate(tx, m, q)
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html
func (a *api) listMessageMoveTasks(ctx context.Context, in *ListMessageMoveTasksRequest) (*ListMessageMoveTasksResult, error) {
	n := int32(1)
	if in.MaxResults != nil {
		n = *in.MaxResults
	}
	switch {
	case value0(in.SourceArn) == "":
		return nil, missingParameter("SourceArn")
	case n < 1 || n > 10:
		return nil, invalidValue(n, "MaxResults", "Must be >= 1 and <= 10, if provided.")
	}
	q := a.byARN(*in.SourceArn)
	if q == nil {
		return nil, noSource()
	}
	var ts []task
	err := a.db.View(ctx, func(tx store.Tx) (err error) {
		ts, err = store.All(tx, scanTask, `SELECT `+taskColumns+` FROM sqs_move WHERE source = ? ORDER BY started DESC, id LIMIT ?`, q.arn, n)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &ListMessageMoveTasksResult{Results: []*ListMessageMoveTasksResultEntry{}}
	for _, t := range ts {
		out.Results = append(out.Results, t.entry())
	}
	return out, nil
}

func (t task) entry() *ListMessageMoveTasksResultEntry {
	e := &ListMessageMoveTasksResultEntry{
		Status: &t.status, SourceArn: &t.source, DestinationArn: unlessEmpty(t.destination), FailureReason: unlessEmpty(t.failure),
		StartedTimestamp: &t.started, ApproximateNumberOfMessagesMoved: &t.moved, ApproximateNumberOfMessagesToMove: &t.total,
	}
	if t.rate > 0 {
		e.MaxNumberOfMessagesPerSecond = new(int32(t.rate))
	}
	if t.status == running { // there is nothing to cancel else
		e.TaskHandle = new(t.handle())
	}
	return e
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CancelMessageMoveTask.html
func (a *api) cancelMessageMoveTask(ctx context.Context, in *CancelMessageMoveTaskRequest) (*CancelMessageMoveTaskResult, error) {
	if value0(in.TaskHandle) == "" {
		return nil, missingParameter("TaskHandle")
	}
	h, ok := parseTask(*in.TaskHandle)
	if !ok {
		return nil, invalid("Value for parameter TaskHandle is invalid.")
	}
	if a.byARN(h.Source) == nil {
		return nil, noSource()
	}
	var t task
	err := a.db.Update(ctx, func(tx store.Tx) error {
		err := tx.Get([]any{&t.status, &t.moved}, `SELECT status, moved FROM sqs_move WHERE id = ? AND source = ?`, h.ID, h.Source)
		switch {
		case missing(err):
			return noResource("Task does not exist.")
		case err != nil:
			return err
		case t.status != running:
			return invalid("Only active tasks can be cancelled.")
		}
		_, err = tx.Exec(`UPDATE sqs_move SET status = ? WHERE id = ?`, cancelling, h.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	a.movers.mu.Lock()
	defer a.movers.mu.Unlock()
	if stop := a.movers.stop[h.ID]; stop != nil {
		stop()
	}
	return &CancelMessageMoveTaskResult{ApproximateNumberOfMessagesMoved: &t.moved}, nil
}
