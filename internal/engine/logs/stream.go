package logs

import (
	"bytes"
	"strings"
	"sync"
	"time"
)

const (
	// maxLine is the longest event; a longer line becomes several.
	// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/logsapi/API_PutLogEvents.html
	maxLine = 256 << 10

	delay     = 100 * time.Millisecond // the longest that an event waits for company
	maxEvents = 1000                   // a batch of so many events waits no longer
	maxBytes  = 512 << 10              // nor one of so many bytes
)

// A Stream is the log of one sandbox. It takes raw output through Write and
// whole lines through Line, in the order of the calls, and hands them to a sink
// as events. Its methods may be called from any goroutine.
type Stream struct {
	sink        Sink
	group, name string
	hub         *Hub // nil without one

	putting sync.Mutex // held while the sink is called, before mu: keeps batches in order

	mu     sync.Mutex // guards what follows
	code   source     // the function's own output
	others []*Source
	tap    Tap     // nil for none
	events []Event // not yet with the sink
	size   int     // of events
	tail   tail
	timer  *time.Timer // runs while events wait; nil before the first
	closed bool
}

// Open makes the Stream called name in group.
func Open(sink Sink, group, name string) *Stream {
	return &Stream{sink: sink, group: group, name: name}
}

// Joined makes s of a runtime whose events may have several lines: as AWS's
// own clients for Python and Node.js do, ours write a carriage return for each line
// break within an event. In what leaves s these are line breaks again. It is
// called before the first Write.
func (s *Stream) Joined() *Stream {
	s.code.joined = true
	return s
}

// Name is the stream's name.
func (s *Stream) Name() string { return s.name }

// Write takes what the code wrote. It never fails.
func (s *Stream) Write(p []byte) (int, error) { return s.take(&s.code, p) }

// take takes what a source wrote.
func (s *Stream) take(from *source, p []byte) (int, error) {
	s.mu.Lock()
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			from.partial = append(from.partial, p...)
			s.splitLong(from)
			break
		}
		s.line(from, p[:i+1])
		p = p[i+1:]
	}
	full := s.full()
	s.mu.Unlock()
	if full {
		s.Flush()
	}
	return n, nil
}

// Line adds a message of the platform's, which ends with a newline. It never
// joins what the code left unfinished.
func (s *Stream) Line(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breakLine(&s.code)
	s.add(message)
}

// Begin empties the tail.
func (s *Stream) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breakLine(&s.code)
	s.tail.reset()
}

// Break ends a line that the code left unfinished.
func (s *Stream) Break() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breakLine(&s.code)
}

// Tail is the end of the log since Begin.
func (s *Stream) Tail() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tail.bytes()
}

// Flush hands all events to the sink.
func (s *Stream) Flush() {
	s.putting.Lock()
	defer s.putting.Unlock()
	s.mu.Lock()
	events := s.events
	s.events, s.size = nil, 0
	if len(events) > 0 {
		s.timer.Stop()
	}
	s.mu.Unlock()
	if len(events) > 0 {
		s.sink.Put(s.group, s.name, events)
		s.settled()
	}
}

// settled tells the hub that all is with the sink, unless more has come.
func (s *Stream) settled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) == 0 {
		s.hub.through(s)
	}
}

// Close hands over what is left. Later writes reach the sink at once.
func (s *Stream) Close() {
	s.mu.Lock()
	s.breakLine(&s.code)
	for _, o := range s.others {
		s.breakLine(&o.source)
	}
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.Flush()
}

// add makes an event of message, and sees that it gets to the sink in time.
func (s *Stream) add(message string) {
	message = strings.ToValidUTF8(message, "\uFFFD") // as CloudWatch Logs wants
	s.tail.write(message)
	s.events = append(s.events, Event{time.Now(), message})
	s.size += len(message)
	switch {
	case len(s.events) > 1 && !s.closed: // the timer runs
		return
	case s.timer == nil:
		s.timer = time.AfterFunc(delay, s.Flush)
	case s.closed:
		s.timer.Reset(0)
	default:
		s.timer.Reset(delay)
	}
	s.hub.waits(s)
}

func (s *Stream) full() bool { return len(s.events) >= maxEvents || s.size >= maxBytes }
