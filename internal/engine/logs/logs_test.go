package logs

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

// A book keeps what it is given, in batches.
type book struct {
	mu      sync.Mutex // guards batches
	batches [][]Event
}

func (b *book) Put(_, _ string, events []Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.batches = append(b.batches, events)
}

func (b *book) messages() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, batch := range b.batches {
		for _, e := range batch {
			all = append(all, e.Message)
		}
	}
	return all
}

func TestLines(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(s *Stream)
		want []string
	}{
		{"whole lines", func(s *Stream) { fmt.Fprint(s, "a\nb\n") }, []string{"a\n", "b\n"}},
		{"pieces", func(s *Stream) { fmt.Fprint(s, "a"); fmt.Fprint(s, "b\nc"); fmt.Fprint(s, "d\n") }, []string{"ab\n", "cd\n"}},
		{"empty line", func(s *Stream) { fmt.Fprint(s, "\n\n") }, []string{"\n", "\n"}},
		{"unfinished before the platform's", func(s *Stream) { fmt.Fprint(s, "a"); s.Line("END\n"); fmt.Fprint(s, "b\n") }, []string{"a\n", "END\n", "b\n"}},
		{"unfinished at the end", func(s *Stream) { fmt.Fprint(s, "a") }, []string{"a\n"}},
		{"unfinished before Begin", func(s *Stream) { fmt.Fprint(s, "a"); s.Begin(); fmt.Fprint(s, "b\n") }, []string{"a\n", "b\n"}},
		{"broken", func(s *Stream) { fmt.Fprint(s, "a"); s.Break(); s.Break(); fmt.Fprint(s, "b\n") }, []string{"a\n", "b\n"}},
		{"not UTF-8", func(s *Stream) { fmt.Fprint(s, "a\xff\n") }, []string{"a\uFFFD\n"}},
		{"long", func(s *Stream) { fmt.Fprint(s, strings.Repeat("x", maxLine+1)+"\n") }, []string{strings.Repeat("x", maxLine), "x\n"}},
		{"long in pieces", func(s *Stream) {
			for range maxLine/1024 + 1 {
				fmt.Fprint(s, strings.Repeat("y", 1024))
			}
		}, []string{strings.Repeat("y", maxLine), strings.Repeat("y", 1024) + "\n"}},
		{"long, cut between runes", func(s *Stream) { fmt.Fprint(s, "x"+strings.Repeat("€", maxLine/3+1)+"\n") },
			[]string{"x" + strings.Repeat("€", maxLine/3), "€\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &book{}
			s := Open(b, "g", "s")
			tt.do(s)
			s.Close()
			got := b.messages()
			if len(got) != len(tt.want) {
				t.Fatalf("%d events, want %d: %.100q", len(got), len(tt.want), got)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("event %d = %.100q (%d bytes), want %.100q (%d)", i, got[i], len(got[i]), tt.want[i], len(tt.want[i]))
				}
			}
		})
	}
}

// TestJoined: an event of a managed runtime has its line breaks back, in the
// sink and in the tail.
func TestJoined(t *testing.T) {
	for in, want := range map[string]string{
		"a\rb\rc\n":    "a\nb\nc\n",
		"a\rb\r\n":     "a\nb\r\n",
		"plain\n":      "plain\n",
		"half\rbroken": "half\nbroken\n",
		"\r\n":         "\r\n",
	} {
		b := &book{}
		s := Open(b, "g", "s").Joined()
		s.Begin()
		fmt.Fprint(s, in)
		s.Close()
		if got := b.messages(); len(got) != 1 || got[0] != want || string(s.Tail()) != want {
			t.Errorf("%q became %q, and %q in the tail; want %q", in, got, s.Tail(), want)
		}
	}
	b := &book{}
	s := Open(b, "g", "s")
	fmt.Fprint(s, "a\rb\n")
	s.Close()
	if got := b.messages(); len(got) != 1 || got[0] != "a\rb\n" {
		t.Errorf("of another runtime: %q", got)
	}
}

func TestTail(t *testing.T) {
	s := Open(Discard{}, "g", "s")
	defer s.Close()
	fmt.Fprint(s, "before\n")
	s.Begin()
	s.Line("START\n")
	fmt.Fprint(s, "a\nb")
	s.Line("END\n")
	if got := string(s.Tail()); got != "START\na\nb\nEND\n" {
		t.Errorf("tail = %q", got)
	}
	all := ""
	s.Begin()
	for i := range 3000 {
		line := fmt.Sprintf("line %d %s\n", i, strings.Repeat("z", rand.IntN(20)))
		fmt.Fprint(s, line)
		all += line
		if i%100 == 0 || i < 300 {
			want := all[max(0, len(all)-TailSize):]
			if got := string(s.Tail()); got != want {
				t.Fatalf("after %d lines the tail is %q, want %q", i, got, want)
			}
		}
	}
	fmt.Fprint(s, strings.Repeat("q", 3*TailSize)+"\n")
	if got := string(s.Tail()); got != strings.Repeat("q", TailSize-1)+"\n" {
		t.Errorf("after a long line: %d bytes, %.20q", len(got), got)
	}
}

// TestBatches: events wait for company, but not for long.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		s := Open(b, "g", "s")
		for range 3 {
			fmt.Fprint(s, "a\n")
			time.Sleep(delay / 4)
		}
		if len(b.messages()) != 0 {
			t.Error("handed over at once")
		}
		time.Sleep(delay)
		synctest.Wait()
		if got := len(b.batches); got != 1 || len(b.messages()) != 3 {
			t.Errorf("%d batches, %d events; want 1 and 3", got, len(b.messages()))
		}
		fmt.Fprint(s, "b\n")
		time.Sleep(delay)
		synctest.Wait()
		if len(b.messages()) != 4 {
			t.Error("the second batch is late")
		}
		fmt.Fprint(s, strings.Repeat("x\n", maxEvents))
		if len(b.messages()) != 4+maxEvents {
			t.Error("a full batch waits")
		}
		fmt.Fprint(s, strings.Repeat(strings.Repeat("x", 1000)+"\n", maxBytes/1000+1))
		if len(b.messages()) != 4+maxEvents+maxBytes/1000+1 {
			t.Error("a large batch waits")
		}
		fmt.Fprint(s, "last\n")
		s.Close()
		if got := b.messages(); got[len(got)-1] != "last\n" {
			t.Error("Close loses the last event")
		}
		fmt.Fprint(s, "later\n")
		time.Sleep(delay)
		synctest.Wait()
		if got := b.messages(); got[len(got)-1] != "later\n" {
			t.Error("what comes after Close is lost")
		}
	})
}

// TestOrder: many batches, flushed from several sides, stay in order.
func TestOrder(t *testing.T) {
	b := &book{}
	s := Open(b, "g", "s")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.Flush()
			}
		}
	})
	const lines = 20000
	for i := range lines {
		fmt.Fprintf(s, "%d\n", i)
	}
	close(stop)
	wg.Wait()
	s.Close()
	got := b.messages()
	if len(got) != lines {
		t.Fatalf("%d lines, want %d", len(got), lines)
	}
	for i, m := range got {
		if m != fmt.Sprintf("%d\n", i) {
			t.Fatalf("line %d is %q", i, m)
		}
	}
}

// FuzzStream: whatever is written, in whatever pieces, the events put together
// are it, and none is too long.
func FuzzStream(f *testing.F) {
	f.Add("a\nb", uint16(1), uint8(1), false)
	f.Add("é€\U0001F600\n", uint16(3), uint8(2), true)
	f.Add("€", uint16(60000), uint8(255), false)
	f.Fuzz(func(t *testing.T, text string, times uint16, piece uint8, platform bool) {
		text = strings.Repeat(text, min(int(times), (1<<20)/(len(text)+1)))
		b := &book{}
		s := Open(b, "g", "s")
		step := int(piece)*17 + 1
		for rest := text; rest != ""; {
			n := min(step, len(rest))
			s.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		if platform {
			s.Line("END\n")
		}
		s.Close()
		for _, m := range b.messages() {
			if len(m) > 3*maxLine || !utf8.ValidString(m) { // what is not UTF-8 grows when it is replaced
				t.Errorf("event of %d bytes", len(m))
			}
		}
		want := text
		if want != "" && !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		if platform {
			want += "END\n"
		}
		if got := strings.Join(b.messages(), ""); utf8.ValidString(text) && got != want {
			t.Errorf("got %.100q, want %.100q", got, want)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	s := Open(Discard{}, "g", "s")
	line := []byte(strings.Repeat("x", 99) + "\n")
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		s.Write(line)
	}
	s.Close()
}

// TestHub: what streams hold back is with the sink after Flush, and at no other
// cost than before.
func TestHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sink sinkOf
		h := NewHub(&sink)
		a, b := h.Open("g", "a"), h.Open("g", "b")
		a.Line("1\n")
		a.Line("2\n")
		b.Line("3\n")
		if len(sink.puts) != 0 {
			t.Fatalf("put at once: %v", sink.puts)
		}
		h.Flush()
		h.Flush()
		if len(sink.puts) != 2 || len(h.waiting) != 0 {
			t.Errorf("%v, %d wait", sink.puts, len(h.waiting))
		}
		a.Line("4\n")
		time.Sleep(time.Second)
		synctest.Wait()
		if len(sink.puts) != 3 || len(h.waiting) != 0 {
			t.Errorf("%v, %d wait", sink.puts, len(h.waiting))
		}
		a.Line("5\n")
		a.Close()
		b.Close()
		if len(sink.puts) != 4 || len(h.waiting) != 0 {
			t.Errorf("%v, %d wait", sink.puts, len(h.waiting))
		}
	})
}

// A sinkOf keeps puts.
type sinkOf struct{ puts [][]Event }

func (s *sinkOf) Put(_, _ string, events []Event) { s.puts = append(s.puts, events) }
