package logs_test

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/logs"
)

// A list is a Sink that keeps messages.
type list struct{ messages []string }

func (l *list) Put(_, _ string, events []logs.Event) {
	for _, e := range events {
		l.messages = append(l.messages, e.Message)
	}
}

// TestExtensionLines: lines of the code and of extensions are whole, however the parts
// of them come; the platform's break the code's alone.
func TestExtensionLines(t *testing.T) {
	sink := &list{}
	s := logs.Open(sink, "g", "s").Joined()
	var tapped []string
	a, b := s.Extension(), s.Extension()
	io.WriteString(s, "before the tap\n")
	s.Tap(func(extension bool, at time.Time, line string) {
		if extension {
			line = "x:" + line
		}
		if time.Since(at) > time.Minute {
			t.Errorf("%s at %v", line, at)
		}
		tapped = append(tapped, line)
	})
	io.WriteString(s, "code ")
	io.WriteString(a, "first ")
	io.WriteString(b, "second ")
	io.WriteString(a, "agent\r1\nopen")
	s.Line("PLATFORM\n")
	io.WriteString(s, "more\rlines\n")
	io.WriteString(b, "agent\n")
	a.Close()
	io.WriteString(b, "last")
	s.Close()
	want := []string{"before the tap\n", "first agent\r1\n", "code \n", "PLATFORM\n", "more\nlines\n", "second agent\n", "open\n", "last\n"}
	if !slices.Equal(sink.messages, want) {
		t.Errorf("log %q\nwant %q", sink.messages, want)
	}
	wantTapped := []string{"x:first agent\r1", "code ", "more\nlines", "x:second agent", "x:open", "x:last"}
	if !slices.Equal(tapped, wantTapped) {
		t.Errorf("tapped %q\nwant   %q", tapped, wantTapped)
	}
}

func TestExtensionLongLine(t *testing.T) {
	sink := &list{}
	s := logs.Open(sink, "g", "s")
	io.WriteString(s.Extension(), strings.Repeat("x", 300<<10)+"\n")
	s.Close()
	if len(sink.messages) != 2 || len(sink.messages[0]) != 256<<10 {
		t.Errorf("%d messages", len(sink.messages))
	}
}
