package accesslog

import (
	"log/slog"
	"strings"
	"sync"
	"time"
)

// A Sink takes lines for a log group, and may wait for room: the Book of the
// logs' service does.
type Sink interface {
	Put(group, stream string, at []time.Time, message []string)
}

// What waits for the Sink at most. More is dropped: a log must not hold up the
// answers, and what is dropped is said in the server's own log.
const (
	maxLines = 1 << 14
	maxBytes = 16 << 20
)

// A Log hands lines to a Sink, in a goroutine of its own. Its methods may be
// called from any goroutine.
type Log struct {
	sink Sink
	log  *slog.Logger
	done chan struct{}

	mu      sync.Mutex // guards what follows
	work    sync.Cond  // there is something to do
	idle    sync.Cond  // a batch was handed over
	lines   []line
	bytes   int
	added   uint64 // lines, ever
	handed  uint64 // of those, how many the Sink has
	dropped int
	closed  bool
}

// A line is what one request is told in.
type line struct {
	group, stream, text string
	at                  time.Time
}

// New starts a Log into sink. Close ends it.
func New(sink Sink, log *slog.Logger) *Log {
	if log == nil {
		log = slog.Default()
	}
	l := &Log{sink: sink, log: log, done: make(chan struct{})}
	l.work.L, l.idle.L = &l.mu, &l.mu
	go l.run()
	return l
}

// Add takes a line for a stream of a log group. It never waits: when too much
// waits already, the line is dropped.
func (l *Log) Add(group, stream string, at time.Time, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.lines) >= maxLines || l.bytes+len(text) > maxBytes {
		l.dropped++
		return
	}
	l.lines = append(l.lines, line{group, stream, text, at})
	l.bytes += len(text)
	l.added++
	l.work.Signal()
}

// Flush returns when the Sink has what was added before.
func (l *Log) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for upTo := l.added; l.handed < upTo; {
		l.idle.Wait()
	}
}

// Close hands over what waits, and ends the Log. What is added later is dropped.
func (l *Log) Close() {
	l.mu.Lock()
	l.closed = true
	l.work.Signal()
	l.mu.Unlock()
	<-l.done
}

func (l *Log) run() {
	defer close(l.done)
	for {
		batch, dropped, ok := l.take()
		if dropped > 0 {
			l.log.Warn("access log lines were dropped: the disk does not keep up", "lines", dropped)
		}
		if !ok {
			return
		}
		l.put(batch)
		l.mu.Lock()
		l.handed += uint64(len(batch))
		l.idle.Broadcast()
		l.mu.Unlock()
	}
}

// take waits for lines; false when there will be no more.
func (l *Log) take() (batch []line, dropped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.lines) == 0 && !l.closed {
		l.work.Wait()
	}
	batch, dropped = l.lines, l.dropped
	l.lines, l.bytes, l.dropped = nil, 0, 0
	return batch, dropped, len(batch) > 0
}

// put hands lines over, those of a stream together.
func (l *Log) put(batch []line) {
	type place struct{ group, stream string }
	type lot struct {
		at   []time.Time
		text []string
	}
	lots, order := map[place]*lot{}, []place{}
	for _, x := range batch {
		p := place{x.group, x.stream}
		if lots[p] == nil {
			lots[p], order = new(lot), append(order, p)
		}
		lots[p].at = append(lots[p].at, x.at)
		lots[p].text = append(lots[p].text, x.text)
	}
	for _, p := range order {
		l.sink.Put(p.group, p.stream, lots[p].at, lots[p].text)
	}
}

// Group is the name of the log group that an ARN names, "" when it names none:
// "arn:aws:logs:us-east-1:000000000000:log-group:/my/api" with or without ":*".
func Group(arn string) string {
	p := strings.SplitN(arn, ":", 7)
	if len(p) != 7 || p[0] != "arn" || p[2] != "logs" || p[5] != "log-group" {
		return ""
	}
	return strings.TrimSuffix(p[6], ":*")
}

// Stream is the name of the stream that a stage's lines of a day go to.
func Stream(api, stage string, at time.Time) string {
	return api + "/" + strings.TrimPrefix(stage, "$") + "/" + at.UTC().Format(time.DateOnly)
}
