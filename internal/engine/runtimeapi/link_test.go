package runtimeapi

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A peer is a bootstrap: the other end of a link.
type peer struct {
	t    testing.TB
	conn net.Conn
}

// socketPair is two ends of a stream socket.
func socketPair(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if theirs, err = net.Dial("unix", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

func attached(t testing.TB) (*Server, *peer) {
	t.Helper()
	s := New()
	s.Reset()
	ours, theirs := socketPair(t)
	s.Attach(ours)
	t.Cleanup(s.Close)
	return s, &peer{t, theirs}
}

// frame makes a frame; one with a head when head is not "".
func frame(kind byte, head, payload string) []byte {
	body := payload
	if head != "" {
		body = string(binary.LittleEndian.AppendUint32(nil, uint32(len(head)))) + head + payload
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(1+len(body)))
	return append(append(b, kind), body...)
}

func (p *peer) send(frames ...[]byte) {
	p.t.Helper()
	if _, err := p.conn.Write(bytes.Join(frames, nil)); err != nil {
		p.t.Fatal(err)
	}
}

// receive reads a frame.
func (p *peer) receive() (kind byte, body []byte) {
	p.t.Helper()
	var prefix [5]byte
	if _, err := io.ReadFull(p.conn, prefix[:]); err != nil {
		p.t.Fatal(err)
	}
	body = make([]byte, binary.LittleEndian.Uint32(prefix[:])-1)
	if _, err := io.ReadFull(p.conn, body); err != nil {
		p.t.Fatal(err)
	}
	return prefix[4], body
}

// invocation reads one, as a bootstrap does.
func (p *peer) invocation() (head map[string]any, payload string) {
	p.t.Helper()
	kind, body := p.receive()
	if kind != frameInvoke {
		p.t.Fatalf("got a frame %c", kind)
	}
	n := binary.LittleEndian.Uint32(body)
	if err := json.Unmarshal(body[4:4+n], &head); err != nil {
		p.t.Fatalf("%s: %v", body[4:4+n], err)
	}
	return head, string(body[4+n:])
}

// ended waits until the server has closed the link.
func (p *peer) ended() {
	p.t.Helper()
	if b, err := io.ReadAll(p.conn); len(b) > 0 {
		p.t.Errorf("the link goes on: %q, %v", b, err)
	}
}

const plain = `{"type":"application/json"}`

func TestLinkNext(t *testing.T) {
	s, p := attached(t)
	p.send(frame('N', "", ""))
	<-s.Started()
	s.Begin(&Call{
		ID: "1", Attempt: "a", Payload: []byte(`{"k":1}`), Deadline: time.UnixMilli(1900000000123), InvokedARN: "arn:f:prod",
		TraceHeader: "Root=\x01\"x\\\xff", ClientContext: `{"ü":1}`, Identity: `{"i":1}`, Tenant: "blue", Answer: io.Discard, Limit: 7,
	})
	head, payload := p.invocation()
	if payload != `{"k":1}` {
		t.Errorf("payload %q", payload)
	}
	want := map[string]any{
		"lambda-runtime-aws-request-id": "1", "lambda-runtime-deadline-ms": "1900000000123", "limit": 7.0,
		"lambda-runtime-invoked-function-arn": "arn:f:prod", "lambda-runtime-trace-id": "Root=\x01\"x\\\ufffd",
		"lambda-runtime-client-context": `{"ü":1}`, "lambda-runtime-cognito-identity": `{"i":1}`,
		"lambda-runtime-aws-tenant-id": "blue", "lambda-runtime-invocation-id": "a",
	}
	for k, v := range want {
		if head[k] != v {
			t.Errorf("%s = %q, want %q", k, head[k], v)
		}
	}
	if len(head) != len(want) {
		t.Errorf("head %v", head)
	}
}

// TestLinkAnswer: one frame is the answer, and asks for more.
func TestLinkAnswer(t *testing.T) {
	s, p := attached(t)
	p.send(frame('N', "", ""))
	<-s.Started()
	for _, n := range []int{0, 5, linkBuffer, 100, 6 << 20, 1} {
		var out bytes.Buffer
		var kinds []string
		text := strings.Repeat("x", n)
		got := make(chan string)
		go func() {
			_, payload := p.invocation()
			got <- payload
			p.send(frame('R', plain, text))
		}()
		done := s.Begin(&Call{ID: "1", Payload: []byte(text), Answer: &out, Begin: func(k string) { kinds = append(kinds, k) }})
		if payload := <-got; payload != text {
			t.Errorf("got a payload of %d bytes, want %d", len(payload), n)
		}
		<-done
		r := s.End()
		if !r.Answered || r.Failure != nil || r.Produced != int64(n) || out.String() != text || r.Last.Before(r.First) {
			t.Errorf("%d: result = %+v, %d bytes", n, r, out.Len())
		}
		if len(kinds) != 1 || kinds[0] != "application/json" {
			t.Errorf("media types %q", kinds)
		}
	}
}

// turnOn brings a peer to where it has an invocation.
func turnOn(t *testing.T, s *Server, p *peer, c *Call) (done <-chan struct{}) {
	t.Helper()
	p.send(frame('N', "", ""))
	<-s.Started()
	c.ID = "1"
	done = s.Begin(c)
	p.invocation()
	return done
}

func TestLinkFailure(t *testing.T) {
	s, p := attached(t)
	done := turnOn(t, s, p, &Call{Answer: io.Discard})
	p.send(frame('F', `{"type":"Function.E"}`, `{"errorType":"E"}`))
	<-done
	if r := s.End(); r.Failure == nil || r.Failure.Type != "Function.E" || string(r.Failure.Payload) != `{"errorType":"E"}` {
		t.Errorf("result = %+v", r)
	}
}

// TestLinkDying: a last failure is there when the link ends, and asks for nothing.
func TestLinkDying(t *testing.T) {
	s, p := attached(t)
	done := turnOn(t, s, p, &Call{Answer: io.Discard})
	p.send(frame('D', `{"type":"E"}`, "why"))
	p.ended()
	select {
	case <-done:
		t.Error("it asked for more")
	default:
	}
	if r := s.End(); !r.Answered || r.Failure == nil || r.Failure.Type != "E" || string(r.Failure.Payload) != "why" {
		t.Errorf("result = %+v", r)
	}
}

func TestLinkInitError(t *testing.T) {
	s, p := attached(t)
	p.send(frame('X', `{"type":"Runtime.E"}`, `{"errorType":"E"}`))
	p.ended()
	<-s.Started()
	if f := s.InitFailure(); f == nil || f.Type != "Runtime.E" || string(f.Payload) != `{"errorType":"E"}` {
		t.Errorf("failure = %+v", f)
	}
}

func TestLinkTooLarge(t *testing.T) {
	for name, send := range map[string][]byte{
		"told":  frame('R', `{"type":"application/json","large":11}`, ""),
		"piece": bytes.Join([][]byte{frame('S', plain, ""), frame('C', "", "123456"), frame('C', "", "789012"), frame('C', "", "x"), frame('E', "{}", "")}, nil),
		"sent":  frame('R', plain, "12345678901"), // against the rules, but seen through
	} {
		t.Run(name, func(t *testing.T) {
			s, p := attached(t)
			var out bytes.Buffer
			done := turnOn(t, s, p, &Call{Answer: &out, Limit: 10})
			p.send(send)
			if name == "sent" {
				p.ended()
			} else {
				<-done
			}
			if r := s.End(); r.Failure == nil || r.Failure.Type != "Function.ResponseSizeTooLarge" || out.Len() > 10 {
				t.Errorf("result = %+v, %d bytes", r, out.Len())
			}
		})
	}
}

// TestLinkStreaming: each piece is with the caller before the next one is written.
func TestLinkStreaming(t *testing.T) {
	for end, want := range map[string]string{"{}": "", `{"type":"Function.Broke"}`: "Function.Broke"} {
		s, p := attached(t)
		r, w := io.Pipe()
		var kind string
		done := turnOn(t, s, p, &Call{Answer: w, Begin: func(k string) { kind = k }})
		p.send(frame('S', `{"type":"text/plain"}`, ""))
		for _, piece := range []string{"one", "two", strings.Repeat("x", 100000)} {
			go p.send(frame('C', "", piece))
			b := make([]byte, len(piece))
			if _, err := io.ReadFull(r, b); err != nil || string(b) != piece {
				t.Fatalf("got %.20q, %v", b, err)
			}
		}
		p.send(frame('E', end, want))
		<-done
		res := s.End()
		if (want == "") != (res.Failure == nil) || want != "" && (res.Failure.Type != want || string(res.Failure.Payload) != want) {
			t.Errorf("result = %+v", res)
		}
		if res.Produced != 100006 || kind != "text/plain" {
			t.Errorf("%d bytes of %s", res.Produced, kind)
		}
	}
}

// TestLinkDyingAmidAnswer: its last word ends the answer, too.
func TestLinkDyingAmidAnswer(t *testing.T) {
	s, p := attached(t)
	turnOn(t, s, p, &Call{Answer: io.Discard})
	p.send(frame('S', plain, ""))
	p.send(frame('C', "", "some"))
	p.send(frame('D', `{"type":"Runtime.Gone"}`, "{}"))
	p.ended()
	if r := s.End(); r.Failure == nil || r.Failure.Type != "Runtime.Gone" || string(r.Failure.Payload) != "{}" || r.Produced != 4 {
		t.Errorf("result = %+v", r)
	}
}

// TestLinkTruncated: a runtime that dies in the middle of its answer.
func TestLinkTruncated(t *testing.T) {
	whole := frame('R', plain, "0123456789")
	for _, send := range [][]byte{whole[:len(whole)-3], append(frame('S', plain, ""), frame('C', "", "abc")...)} {
		s, p := attached(t)
		turnOn(t, s, p, &Call{Answer: io.Discard})
		p.send(send)
		p.conn.Close()
		s.serving.Wait()
		if r := s.End(); r.Failure == nil || r.Failure.Type != "Runtime.TruncatedResponse" {
			t.Errorf("result = %+v", r)
		}
	}
}

func TestLinkAssign(t *testing.T) {
	s, p := attached(t)
	p.send(frame('B', "", ""))
	<-s.Waiting()
	if err := s.Assign(map[string]string{"A": "ü\n", "B": ""}); err != nil {
		t.Fatal(err)
	}
	kind, body := p.receive()
	if want := `{"env":{"A":"ü\n","B":""}}`; kind != 'A' || string(body) != want {
		t.Errorf("got %c %s", kind, body)
	}
	s.Reset()
	p.ended()
	if err := s.Assign(nil); err == nil {
		t.Error("an assignment without a link")
	}
	select {
	case <-s.Waiting():
		t.Error("nothing waits after Reset")
	default:
	}
}

// TestLinkRules ends a link for each thing that a runtime must not do.
func TestLinkRules(t *testing.T) {
	next, answer := frame('N', "", ""), frame('R', plain, "1")
	long := binary.LittleEndian.AppendUint32(nil, 0xffffffff)
	for name, send := range map[string][]byte{
		"no length":         {0, 0, 0, 0, 'N'},
		"unknown kind":      frame('Z', "", ""),
		"kind of ours":      frame('I', plain, ""),
		"next twice":        nil,
		"answer to nothing": answer,
		"failure of none":   frame('F', plain, ""),
		"stream of none":    frame('S', plain, ""),
		"piece of none":     frame('C', "", "x"),
		"end of none":       frame('E', "{}", ""),
		"next with body":    frame('N', "", "x"),
		"blank twice":       append(frame('B', "", ""), frame('B', "", "")...),
		"head too long":     append(append(frame('X', "", "")[:0], 0xff, 0xff, 0, 0, 'X'), long...),
		"head past the end": {6, 0, 0, 0, 'X', 9, 0, 0, 0, '{'},
		"no head":           {1, 0, 0, 0, 'X'},
		"head no JSON":      frame('X', "{", ""),
		"endless report":    append(append(long[:4:4], 'X'), 2, 0, 0, 0, '{', '}'),
	} {
		t.Run(name, func(t *testing.T) {
			s, p := attached(t)
			if name == "next twice" {
				turnOn(t, s, p, &Call{Answer: io.Discard})
				send = next
			}
			p.send(send)
			p.ended()
		})
	}
}

// TestLinkBesideHTTP: code that speaks to the public API sees the same states.
func TestLinkBesideHTTP(t *testing.T) {
	s, c := serve(t)
	ours, theirs := socketPair(t)
	s.Attach(ours)
	p := &peer{t, theirs}
	var out bytes.Buffer
	done := turnOn(t, s, p, &Call{Answer: &out})
	c.post("init/error", "x").want(t, 403, forbidden("Running", "InitError"))
	c.post("invocation/2/response", "x").want(t, 400, `{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`)
	p.send(frame('R', plain, "1"))
	<-done
	s.End()
	done = s.Begin(&Call{ID: "2", Answer: &out})
	p.invocation()
	c.post("invocation/2/response", "2").want(t, 202, accepted)
	got := c.nextAsync()
	<-done
	s.End()
	s.Begin(&Call{ID: "3", Answer: &out})
	(<-got).want(t, 200, "")
	p.send(frame('R', plain, "late"))
	p.ended()
	if out.String() != "12" {
		t.Errorf("answers %q", &out)
	}
}

// TestLinkUnread: a runtime that does not read holds nobody up for longer than
// its invocation lasts.
func TestLinkUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New()
		s.Reset()
		ours, theirs := net.Pipe()
		s.Attach(ours)
		p := &peer{t, theirs}
		p.send(frame('N', "", ""))
		<-s.Started()
		start := time.Now()
		s.Begin(&Call{ID: "1", Payload: make([]byte, 1<<20), Answer: io.Discard, Deadline: start.Add(3 * time.Second)})
		if waited := time.Since(start); waited > 4*time.Second {
			t.Errorf("waited for %v", waited)
		}
		p.ended()
		s.Close()
	})
}

// FuzzLink sends any bytes on a link, with invocations beginning and ending
// meanwhile. Nothing may panic or hang, nor an answer pass its limit.
func FuzzLink(f *testing.F) {
	next, answer := frame('N', "", ""), frame('R', plain, "12345")
	f.Add(bytes.Join([][]byte{frame('B', "", ""), next, answer, answer}, nil), uint8(7))
	f.Add(bytes.Join([][]byte{next, frame('S', plain, ""), frame('C', "", "1234"), frame('C', "", "56789"), frame('E', `{"type":"E"}`, "x"), answer}, nil), uint8(1))
	f.Add(bytes.Join([][]byte{next, frame('F', `{"type":"E"}`, "x"), frame('D', `{"type":"E"}`, "x")}, nil), uint8(3))
	f.Add(frame('X', `{"type":"E"}`, "x"), uint8(200))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 'R', 0xff, 0xff, 0xff, 0xff}, uint8(9))
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		synctest.Test(t, func(t *testing.T) {
			s := New()
			s.Reset()
			ours, theirs := net.Pipe()
			s.Attach(ours)
			go io.Copy(io.Discard, theirs)
			for len(data) > 0 {
				n := min(int(step)+1, len(data))
				theirs.SetWriteDeadline(time.Now().Add(time.Second))
				if _, err := theirs.Write(data[:n]); err != nil {
					break
				}
				data = data[n:]
				synctest.Wait()
				fuzzTurn(t, s)
			}
			theirs.Close()
			s.Reset()
			s.Close()
		})
	})
}

// fuzzTurn does what the engine does, when the engine would.
func fuzzTurn(t *testing.T, s *Server) {
	select {
	case <-s.Started():
	default:
		return
	}
	r := s.current()
	r.mu.Lock()
	turn, ready := r.turn, r.state == ready
	r.mu.Unlock()
	switch {
	case turn == nil && ready:
		s.Begin(&Call{ID: "1", Payload: []byte("{}"), Answer: io.Discard, Limit: 8, Deadline: time.Now().Add(time.Minute)})
	case turn != nil:
		select {
		case <-turn.done:
			if res := s.End(); res.Produced > 8 {
				t.Errorf("%d bytes pass the limit", res.Produced)
			}
		default:
		}
	}
}

// FuzzHead holds the head of an invocation to what the package json reads.
func FuzzHead(f *testing.F) {
	f.Add("id", `{"a":"\u00fc"}`)
	f.Add("\x00\x1f\"\\/\x7f\xff", "")
	f.Fuzz(func(t *testing.T, id, context string) {
		b := appendInvocation(nil, &turn{Call: &Call{ID: id, ClientContext: context, Payload: []byte("xyz")}})
		if n := binary.LittleEndian.Uint32(b); int(n) != len(b)-4+3 {
			t.Errorf("length %d of %d", n, len(b))
		}
		var head map[string]any
		if err := json.Unmarshal(b[9:], &head); err != nil {
			t.Fatalf("%q: %v", b[9:], err)
		}
		want, got := strings.ToValidUTF8(context, "\ufffd"), ""
		if v, ok := head["lambda-runtime-client-context"]; ok {
			got = v.(string)
		}
		if got != want {
			t.Errorf("%q became %q", context, got)
		}
	})
}

// BenchmarkLink and BenchmarkHTTP are round trips of an invocation with a peer in
// this process.
func BenchmarkLink(b *testing.B) {
	s, p := attached(b)
	go func() {
		answer := frame('R', plain, `{"ok":true}`)
		p.conn.Write(frame('N', "", ""))
		for in := make([]byte, 4096); ; {
			if _, err := p.conn.Read(in); err != nil {
				return
			}
			p.conn.Write(answer)
		}
	}()
	benchmark(b, s)
}

func BenchmarkHTTP(b *testing.B) {
	s, c := serve(b)
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	go func() {
		next := []byte("GET " + base + "invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
		answer := []byte("POST " + base + "invocation/1/response HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}")
		for in := make([]byte, 4096); ; {
			for _, request := range [][]byte{next, answer} {
				conn.Write(request)
				if _, err := conn.Read(in); err != nil {
					return
				}
			}
		}
	}()
	benchmark(b, s)
}

func benchmark(b *testing.B, s *Server) {
	<-s.Started()
	b.ReportAllocs()
	for b.Loop() {
		done := s.Begin(&Call{ID: "1", Attempt: "a", Payload: []byte(`{"k":1}`), InvokedARN: "arn:f", TraceHeader: "Root=1",
			Answer: io.Discard, Limit: 6 << 20, Deadline: time.Now().Add(time.Minute)})
		<-done
		if r := s.End(); !r.Answered {
			b.Fatal("no answer")
		}
	}
}
