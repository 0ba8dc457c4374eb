package logs

import (
	"bytes"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
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
	joined      bool // see Joined
	hub         *Hub // nil without one

	putting sync.Mutex // held while the sink is called, before mu: keeps batches in order

	mu      sync.Mutex // guards what follows
	partial []byte     // output after the last newline
	events  []Event    // not yet with the sink
	size    int        // of events
	tail    tail
	timer   *time.Timer // runs while events wait; nil before the first
	closed  bool
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
	s.joined = true
	return s
}

// Name is the stream's name.
func (s *Stream) Name() string { return s.name }

// Write takes what the code wrote. It never fails.
func (s *Stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			s.partial = append(s.partial, p...)
			s.splitLong()
			break
		}
		s.line(p[:i+1])
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
	s.breakLine()
	s.add(message)
}

// Begin empties the tail.
func (s *Stream) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breakLine()
	s.tail.reset()
}

// Break ends a line that the code left unfinished.
func (s *Stream) Break() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breakLine()
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
	s.breakLine()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.Flush()
}

// line adds one line of output, the unfinished part before it included.
func (s *Stream) line(p []byte) {
	if len(s.partial) == 0 && len(p) <= maxLine {
		s.add(string(p))
		return
	}
	s.partial = append(s.partial, p...)
	s.splitLong()
	s.take(len(s.partial))
}

// splitLong cuts events off an unfinished line that is too long for one,
// between runes.
func (s *Stream) splitLong() {
	for len(s.partial) > maxLine {
		n := maxLine
		for n > maxLine-utf8.UTFMax && !utf8.RuneStart(s.partial[n]) {
			n--
		}
		s.take(n)
	}
}

func (s *Stream) breakLine() {
	if len(s.partial) > 0 {
		s.partial = append(s.partial, '\n')
		s.take(len(s.partial))
	}
}

// take makes an event of the first n unfinished bytes.
func (s *Stream) take(n int) {
	if n == 0 {
		return
	}
	s.add(string(s.partial[:n]))
	s.partial = s.partial[:copy(s.partial, s.partial[n:])]
	if cap(s.partial) > 64<<10 && len(s.partial) == 0 {
		s.partial = nil // one long line should not be kept for good
	}
}

// add makes an event of message, and sees that it gets to the sink in time.
func (s *Stream) add(message string) {
	if s.joined {
		message = unjoin(message)
	}
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

// unjoin turns carriage returns into line breaks, but for the one that is half
// of the line break at the end.
func unjoin(message string) string {
	body := strings.TrimSuffix(message, "\r\n")
	if !strings.Contains(body, "\r") {
		return message
	}
	return strings.ReplaceAll(body, "\r", "\n") + message[len(body):]
}

func (s *Stream) full() bool { return len(s.events) >= maxEvents || s.size >= maxBytes }
