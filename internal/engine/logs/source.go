package logs

import (
	"strings"
	"time"
	"unicode/utf8"
)

// A source is raw output of which a stream makes lines. The stream's mu guards it.
type source struct {
	partial   []byte // after the last newline
	joined    bool   // see Stream.Joined
	extension bool
}

// A Source is a writer to a stream beside the code: its lines are its own, however
// the two interleave.
type Source struct {
	stream *Stream
	source
}

// A Tap sees each line that the code (or an extension) wrote, without its line
// feed, in the order of the log. The stream is locked meanwhile.
type Tap func(extension bool, at time.Time, line string)

// Extension makes a Source for the output of one extension.
func (s *Stream) Extension() *Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &Source{stream: s, source: source{extension: true}}
	s.others = append(s.others, o)
	return o
}

// Write implements io.Writer. It never fails.
func (o *Source) Write(p []byte) (int, error) { return o.stream.take(&o.source, p) }

// Close ends a line that was left unfinished.
func (o *Source) Close() {
	o.stream.mu.Lock()
	defer o.stream.mu.Unlock()
	o.stream.breakLine(&o.source)
}

// Tap has f see every line from now on.
func (s *Stream) Tap(f Tap) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tap = f
}

// line adds one line of output, the unfinished part before it included.
func (s *Stream) line(from *source, p []byte) {
	if len(from.partial) == 0 && len(p) <= maxLine {
		s.say(from, string(p))
		return
	}
	from.partial = append(from.partial, p...)
	s.splitLong(from)
	s.cut(from, len(from.partial))
}

// splitLong cuts events off an unfinished line that is too long for one,
// between runes.
func (s *Stream) splitLong(from *source) {
	for len(from.partial) > maxLine {
		n := maxLine
		for n > maxLine-utf8.UTFMax && !utf8.RuneStart(from.partial[n]) {
			n--
		}
		s.cut(from, n)
	}
}

func (s *Stream) breakLine(from *source) {
	if len(from.partial) > 0 {
		from.partial = append(from.partial, '\n')
		s.cut(from, len(from.partial))
	}
}

// cut makes an event of the first n unfinished bytes.
func (s *Stream) cut(from *source, n int) {
	if n == 0 {
		return
	}
	s.say(from, string(from.partial[:n]))
	from.partial = from.partial[:copy(from.partial, from.partial[n:])]
	if cap(from.partial) > 64<<10 && len(from.partial) == 0 {
		from.partial = nil // one long line should not be kept for good
	}
}

// say makes an event of what a source wrote.
func (s *Stream) say(from *source, message string) {
	if from.joined {
		message = unjoin(message)
	}
	s.add(message)
	if s.tap != nil {
		s.tap(from.extension, time.Now(), strings.TrimSuffix(message, "\n"))
	}
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
