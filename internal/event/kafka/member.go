package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// A member is the Topic's part in its consumer group. One goroutine gets the
// records of the partitions that it is given, one commits what is done.
type member struct {
	t       *Topic
	client  *kgo.Client
	ctx     context.Context // ends at close
	stop    context.CancelFunc
	closing chan struct{}
	dirty   chan struct{} // has one element when there is something to commit
	work    sync.WaitGroup

	mu     sync.Mutex // guards what follows
	parts  map[int32]*part
	gained chan struct{} // closed and replaced when partitions are gained
	reason error         // why it has closed
}

// A part is a partition, ours or not.
type part struct {
	ours    bool
	leaving bool // ours, but no more records of it are given out
	queue   []*kgo.Record
	bytes   int
	paused  bool
	end     int64         // behind the newest record
	given   int64         // behind the last record that was read
	kept    int64         // all before is done
	sent    int64         // what the group knows of kept
	err     error         // that the next Read answers
	came    chan struct{} // has one element when there is something new
	done    chan struct{} // has one element when kept has changed
}

// join makes the Topic a member of its group.
func (t *Topic) join(ctx context.Context) (*member, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.member != nil {
		return t.member, nil
	}
	opts, err := t.options(ctx)
	if err != nil {
		return nil, err
	}
	m := &member{
		t: t, parts: map[int32]*part{}, gained: make(chan struct{}), closing: make(chan struct{}), dirty: make(chan struct{}, 1),
	}
	if m.client, err = kgo.NewClient(append(opts, m.options()...)...); err != nil {
		return nil, fmt.Errorf("join group %s: %w", t.c.Group, err)
	}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.work.Go(m.poll)
	m.work.Go(m.commits)
	t.member = m
	return m, nil
}

// A poll takes so much at most. The rest waits in the brokers.
const (
	fetchBytes     = 16 << 20
	partitionBytes = 1 << 20
	pollRecords    = 10000
)

// drainTime is how long a member holds a partition back that it has to give
// away, for what it has read of it. It must be less than the group's patience.
const drainTime = 30 * time.Second

func (m *member) options() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.ConsumerGroup(m.t.c.Group), kgo.ConsumeTopics(m.t.c.Topic),
		// Where the group knows no offset the partition is new, or has lost what it was read to.
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxPartitionBytes(partitionBytes),
		kgo.RebalanceTimeout(2 * drainTime), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, all map[string][]int32) { m.gain(all[m.t.c.Topic]) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, all map[string][]int32) { m.giveBack(all[m.t.c.Topic]) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, all map[string][]int32) { m.lose(all[m.t.c.Topic]) }),
	}
	if m.t.c.Member != "" {
		// With a name it is given its partitions at once after a crash.
		opts = append(opts, kgo.InstanceID("mayfly-"+m.t.c.Member))
	}
	return opts
}

// part is the partition n. It is the caller's to hold the lock.
func (m *member) part(n int32) *part {
	p := m.parts[n]
	if p == nil {
		p = &part{came: make(chan struct{}, 1), done: make(chan struct{}, 1)}
		m.parts[n] = p
	}
	return p
}

// unread is the offset of a partition that was not read since it is ours.
const unread = -1

func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// gain takes over partitions.
func (m *member) gain(all []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range all {
		p := m.part(n)
		p.ours, p.leaving, p.paused = true, false, false
		p.queue, p.bytes, p.given, p.kept, p.sent = nil, 0, unread, unread, unread
		tell(p.came)
	}
	close(m.gained)
	m.gained = make(chan struct{})
}

// giveBack gives partitions away: once what was read of them is done, so that
// nobody does it again, or when that takes too long.
func (m *member) giveBack(all []int32) {
	m.mu.Lock()
	for _, n := range all {
		m.part(n).leaving = true
	}
	m.mu.Unlock()
	late := time.NewTimer(drainTime)
	defer late.Stop()
	for _, n := range all {
		m.drain(n, late.C)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.commit(ctx); err != nil {
		m.t.c.Log.Warn("offsets could not be committed, their records come again", "group", m.t.c.Group, "error", err)
	}
	m.lose(all)
}

func (m *member) drain(n int32, late <-chan time.Time) {
	for {
		m.mu.Lock()
		p := m.part(n)
		idle := p.kept >= p.given
		m.mu.Unlock()
		if idle {
			return
		}
		select {
		case <-p.done:
		case <-late:
			return
		case <-m.closing:
			return
		}
	}
}

// lose forgets partitions that are not ours any more.
func (m *member) lose(all []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range all {
		p := m.part(n)
		p.ours, p.leaving = false, false
		p.queue, p.bytes = nil, 0
	}
}

// poll gets records until the member closes.
func (m *member) poll() {
	for {
		fetches := m.client.PollRecords(m.ctx, pollRecords)
		if m.ctx.Err() != nil || fetches.IsClientClosed() {
			m.client.AllowRebalance()
			return
		}
		full := m.put(fetches)
		if len(full) > 0 {
			m.client.PauseFetchPartitions(map[string][]int32{m.t.c.Topic: full})
		}
		m.client.AllowRebalance()
	}
}

// A partition gets no more records while so much of it waits to be read.
const fullBytes = 4 << 20

// put queues records, and tells which partitions are full.
func (m *member) put(fetches kgo.Fetches) (full []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		p := m.part(f.Partition)
		if !p.ours || p.leaving || len(f.Records) == 0 {
			return
		}
		p.end = f.HighWatermark
		p.queue = append(p.queue, f.Records...)
		for _, r := range f.Records {
			p.bytes += weight(r)
		}
		if p.bytes > fullBytes && !p.paused {
			p.paused = true
			full = append(full, f.Partition)
		}
		tell(p.came)
	})
	fetches.EachError(func(topic string, n int32, err error) {
		for i, p := range m.parts {
			if topic == "" || i == n {
				p.err = err
				tell(p.came)
			}
		}
	})
	return full
}

// weight is about what a record takes in memory.
func weight(r *kgo.Record) int { return 200 + len(r.Key) + len(r.Value) }

// Read implements source.Stream. Of a partition that is another member's there
// is nothing to be read.
func (t *Topic) Read(ctx context.Context, _, shard string, from source.Place, most int) (source.Page, error) {
	n, err := t.partition(shard)
	if err != nil {
		return source.Page{}, err
	}
	at, err := offset(from)
	if err != nil {
		return source.Page{}, fmt.Errorf("read %s: %w", shard, err)
	}
	m, err := t.join(ctx)
	if err != nil {
		return source.Page{}, err
	}
	for {
		page, came, err := m.take(n, at, most)
		if err = t.failed("read", err); errors.Is(err, source.ErrNotFound) {
			t.quit(m, err)
		}
		if err != nil {
			return page, err
		}
		if len(page.Records) > 0 {
			return page, nil
		}
		select {
		case <-came:
		case <-m.ctx.Done():
			return page, m.ended()
		case <-ctx.Done():
			return page, ctx.Err()
		}
	}
}

var errClosed = errors.New("kafka: closed")

// quit has the Topic leave a group as m. Another topic of the same name may be
// made: it is for another member, as this one goes by the topic's number.
func (t *Topic) quit(m *member, reason error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.member != m {
		return
	}
	t.member = nil
	m.mu.Lock()
	m.reason = reason
	m.mu.Unlock()
	m.close()
}

// ended is why a member has closed.
func (m *member) ended() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.reason != nil {
		return m.reason
	}
	return errClosed
}

// take answers records that are queued, from an offset on.
func (m *member) take(n int32, from int64, most int) (page source.Page, came chan struct{}, err error) {
	m.mu.Lock()
	p := m.part(n)
	came, err, p.err = p.came, p.err, nil
	if err != nil || !p.ours || p.leaving {
		m.mu.Unlock()
		return page, came, err
	}
	records := p.pull(from, most)
	resume := p.paused && p.bytes < fullBytes/2
	if resume {
		p.paused = false
	}
	end := p.end
	m.mu.Unlock()
	if resume {
		m.client.ResumeFetchPartitions(map[string][]int32{m.t.c.Topic: {n}})
	}
	for _, r := range records {
		page.Records = append(page.Records, record(r))
	}
	if len(records) > 0 {
		last := records[len(records)-1]
		page.Next, page.Behind = place(last.Offset+1), behind(last, end, time.Now())
	}
	return page, came, nil
}

// pull takes records out of the queue. Those before from were read already,
// before the partition was another member's for a while.
func (p *part) pull(from int64, most int) []*kgo.Record {
	skip := 0
	for skip < len(p.queue) && p.queue[skip].Offset < from {
		skip++
	}
	upto := min(skip+most, len(p.queue))
	for _, r := range p.queue[:upto] {
		p.bytes -= weight(r)
	}
	records := slices.Clone(p.queue[skip:upto])
	clear(p.queue[:upto])
	p.queue = p.queue[upto:]
	if len(records) > 0 {
		if p.given == unread { // what lies before was committed, maybe by others
			p.kept, p.sent = records[0].Offset, records[0].Offset
		}
		p.given = records[len(records)-1].Offset + 1
	}
	return records
}

// Grown implements source.Grower.
func (t *Topic) Grown(ctx context.Context, _ string, known []string) error {
	m, err := t.join(ctx)
	if err != nil {
		return err
	}
	for {
		m.mu.Lock()
		gained := m.gained
		fresh := false
		for n, p := range m.parts {
			fresh = fresh || p.ours && !slices.Contains(known, t.shard(n))
		}
		m.mu.Unlock()
		if fresh {
			return nil
		}
		select {
		case <-gained:
		case <-m.ctx.Done():
			return m.ended()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Keep implements source.Keeper.
func (t *Topic) Keep(_, shard string, at source.Place) {
	n, err := t.partition(shard)
	to, bad := offset(at)
	t.mu.Lock()
	m := t.member
	t.mu.Unlock()
	if err != nil || bad != nil || m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.part(n)
	if p.ours && to > p.kept && to <= p.given { // else it is of a time before it was another's
		p.kept = to
		tell(p.done)
		tell(m.dirty)
	}
}

// How long a commit waits that failed, at first and at most.
const (
	againFirst = 100 * time.Millisecond
	againLast  = 10 * time.Second
)

// commits tells the group what is done, as much at a time as there is.
func (m *member) commits() {
	wait := againFirst
	for {
		select {
		case <-m.dirty:
		case <-m.ctx.Done():
			return
		}
		err := m.commit(m.ctx)
		if err == nil {
			wait = againFirst
			continue
		}
		if m.ctx.Err() != nil {
			return
		}
		m.t.c.Log.Warn("offsets could not be committed", "group", m.t.c.Group, "topic", m.t.c.Topic, "error", err, "again in", wait)
		select {
		case <-time.After(wait):
		case <-m.ctx.Done():
			return
		}
		wait = min(2*wait, againLast)
		tell(m.dirty)
	}
}

// commit tells the group what is done.
func (m *member) commit(ctx context.Context) error {
	m.mu.Lock()
	all := map[int32]int64{}
	for n, p := range m.parts {
		if p.ours && p.kept > p.sent {
			all[n] = p.kept
		}
	}
	m.mu.Unlock()
	if len(all) == 0 {
		return nil
	}
	offsets := map[int32]kgo.EpochOffset{}
	for n, at := range all {
		offsets[n] = kgo.EpochOffset{Epoch: -1, Offset: at}
	}
	if err := m.send(ctx, offsets); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for n, at := range all {
		p := m.part(n)
		p.sent = max(p.sent, at)
	}
	return nil
}

// close commits, leaves the group and ends the goroutines.
func (m *member) close() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.commit(ctx); err != nil {
		m.t.c.Log.Warn("offsets could not be committed, their records come again", "group", m.t.c.Group, "error", err)
	}
	close(m.closing)
	m.stop()
	m.work.Wait()
	if m.t.c.Member != "" {
		m.leave(ctx)
	}
	m.client.CloseAllowingRebalance()
}

// leave has the others take over at once. A member with a name is else expected
// back for a while.
func (m *member) leave(ctx context.Context) {
	left, err := kadm.NewClient(m.client).LeaveGroup(ctx, kadm.LeaveGroup(m.t.c.Group).InstanceIDs("mayfly-"+m.t.c.Member).Reason("the mapping has stopped"))
	if err == nil {
		err = left.Error()
	}
	if err != nil {
		m.t.c.Log.Info("a consumer group could not be left", "group", m.t.c.Group, "error", err)
	}
}
