package runtimeapi

import (
	"bytes"
	"net"
	"testing"
	"time"
)

// waitingPeer attaches a runtime that waits for its first invocation.
func waitingPeer(t *testing.T) (*Server, *peer) {
	t.Helper()
	s, p := attached(t)
	p.send(frame('N', "", ""))
	<-s.Started()
	return s, p
}

// isClosed reports whether done is closed now.
func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// TestFollow: one invocation after the other is followed to its end.
func TestFollow(t *testing.T) {
	s, p := waitingPeer(t)
	for _, text := range []string{"one", "two", "three"} {
		go func() {
			p.invocation()
			p.send(frame('R', plain, text))
		}()
		var out bytes.Buffer
		done := s.Follow(&Call{ID: text, Deadline: time.Now().Add(time.Hour), Answer: &out})
		if !isClosed(done) {
			t.Fatal("Follow returned before the end")
		}
		if r := s.End(); !r.Answered || r.Failure != nil || out.String() != text {
			t.Errorf("%+v, answer %q", r, &out)
		}
	}
}

// TestFollowAndBegin: one may come after the other.
func TestFollowAndBegin(t *testing.T) {
	s, p := waitingPeer(t)
	for n := range 20 {
		go func() {
			p.invocation()
			p.send(frame('S', plain, ""), frame('C', "", "a"))
			p.send(frame('C', "", "b"), frame('E', "{}", ""))
		}()
		var out bytes.Buffer
		call := &Call{ID: "1", Deadline: time.Now().Add(time.Hour), Answer: &out}
		if n%3 == 0 {
			<-s.Begin(call)
		} else {
			<-s.Follow(call)
		}
		if s.End(); out.String() != "ab" {
			t.Fatalf("answer %q", &out)
		}
	}
}

// TestFollowDoesNotWait: who follows is not kept by a caller who does not read.
func TestFollowDoesNotWait(t *testing.T) {
	for name, answer := range map[string][]byte{
		"in pieces": append(frame('S', plain, ""), frame('C', "", "a")...),
		"long":      frame('R', plain, string(make([]byte, 1<<20))),
	} {
		t.Run(name, func(t *testing.T) {
			s, p := waitingPeer(t)
			go func() {
				p.invocation()
				p.conn.Write(answer) // which may not end
			}()
			caller := &patient{make(chan struct{}), make(chan struct{})}
			done := s.Follow(&Call{ID: "1", Deadline: time.Now().Add(time.Hour), Answer: caller})
			<-caller.begun
			if isClosed(done) {
				t.Error("that was not the end")
			}
			if r := s.End(); r.Answered {
				t.Errorf("result = %+v", r)
			}
		})
	}
}

// TestFollowEndsAtDeadline: and what the runtime says later is read all the same.
func TestFollowEndsAtDeadline(t *testing.T) {
	s, p := waitingPeer(t)
	var out bytes.Buffer
	done := s.Follow(&Call{ID: "1", Deadline: time.Now().Add(time.Millisecond), Answer: &out})
	if isClosed(done) {
		t.Fatal("there was no answer")
	}
	p.invocation()
	p.send(frame('R', plain, "late"))
	<-done
	if r := s.End(); !r.Answered || out.String() != "late" {
		t.Errorf("%+v, answer %q", r, &out)
	}
}

// TestFollowInterrupted: what the process has started keeps the link open.
func TestFollowInterrupted(t *testing.T) {
	s, p := waitingPeer(t)
	interrupt := s.Interrupter()
	go func() {
		p.invocation()
		interrupt()
	}()
	if isClosed(s.Follow(&Call{ID: "1", Deadline: time.Now().Add(time.Hour), Answer: new(bytes.Buffer)})) {
		t.Fatal("there was no answer")
	}
	s.End()
	s.Reset()
	p.ended()
	s.Interrupter()() // of a runtime that has no link
}

// TestFollowBroken: a link that ends, or a runtime that breaks the rules.
func TestFollowBroken(t *testing.T) {
	for name, act := range map[string]func(p *peer){
		"ends":           func(p *peer) { p.conn.Close() },
		"ends in answer": func(p *peer) { b := frame('R', plain, "half"); p.send(b[:len(b)-1]); p.conn.Close() },
		"another frame":  func(p *peer) { p.send(frame('Z', "", "")) },
	} {
		s, p := waitingPeer(t)
		go func() {
			p.invocation()
			act(p)
		}()
		if isClosed(s.Follow(&Call{ID: "1", Deadline: time.Now().Add(time.Hour), Answer: new(bytes.Buffer)})) {
			t.Errorf("%s: the runtime asks for more", name)
		}
		if r := s.End(); r.Answered != (name == "ends in answer") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestFollowTwoAnswers: the second is no answer to what comes next.
func TestFollowTwoAnswers(t *testing.T) {
	s, p := waitingPeer(t)
	go func() {
		p.invocation()
		p.send(frame('R', plain, "1"), frame('R', plain, "stale"))
	}()
	var out bytes.Buffer
	<-s.Follow(&Call{ID: "1", Deadline: time.Now().Add(time.Hour), Answer: &out})
	if s.End(); out.String() != "1" {
		t.Fatalf("answer %q", &out)
	}
	p.ended()
}

// A quietable is a connection that says whether anything came.
type quietable struct {
	net.Conn
	quiet bool
}

func (q quietable) Quiet() bool { return q.quiet }

// TestFollowUnquiet: a runtime that spoke without being asked gets nothing more.
func TestFollowUnquiet(t *testing.T) {
	s := New()
	defer s.Close()
	s.Reset()
	ours, theirs := socketPair(t)
	s.Attach(quietable{ours, false})
	p := &peer{t, theirs}
	p.send(frame('N', "", ""))
	<-s.Started()
	if isClosed(s.Follow(&Call{ID: "1", Deadline: time.Now().Add(time.Hour), Answer: new(bytes.Buffer)})) {
		t.Error("the runtime asks for more")
	}
	p.ended()
}

func BenchmarkLinkFollow(b *testing.B) {
	s, p := attached(b)
	p.send(frame('N', "", ""))
	<-s.Started()
	go func() {
		answer := frame('R', plain, "answer")
		buf := make([]byte, 4096)
		for {
			if _, err := p.conn.Read(buf); err != nil {
				return
			}
			p.conn.Write(answer)
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		<-s.Follow(&Call{ID: "1", Deadline: time.Now().Add(time.Hour), Answer: new(bytes.Buffer)})
		s.End()
	}
}
