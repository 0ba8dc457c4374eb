package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"
)

const streamedMB = 100

// stream measures when the first byte of a streamed answer is there, and what a
// long one costs, beside the same as a plain server.
func stream(ctx context.Context, l *lab) error {
	for _, lang := range l.langs {
		if lang.name == "node" {
			return l.streamRows(ctx, lang)
		}
	}
	l.report.skip(l.out, "stream: there is no Node.js")
	return nil
}

func (l *lab) streamRows(ctx context.Context, lang *language) error {
	f := function{name: "stream-" + lang.name, lang: lang, memory: wholeCPU, files: map[string]string{"index.js": source("functions/stream.js")}}
	if err := l.deploy(ctx, f); err != nil {
		return err
	}
	defer l.remove(context.WithoutCancel(ctx), f.name)
	plain, err := rival{"node:http", []string{lang.interpreter, l.file("rivals/stream.js")}}.start()
	if err != nil {
		return err
	}
	defer plain.stop()
	path := "/2021-11-15/functions/" + f.name + "/response-streaming-invocations"
	ours := &streamer{name: lang.runtime, host: l.server.host, path: path, pid: l.server.pid()}
	theirs := &streamer{name: plain.name, host: plain.host, path: "/", pid: plain.cmd.Process.Pid}
	for _, s := range []*streamer{ours, theirs} {
		if err := s.connect(l); err != nil {
			return err
		}
		defer s.close()
	}
	if err := l.firstBytes(ctx, lang.name, ours, theirs); err != nil {
		return err
	}
	return l.longStreams(ctx, lang.name, ours, theirs)
}

// firstBytes measures, in turn, how long the first of 100 bytes takes.
func (l *lab) firstBytes(ctx context.Context, lang string, streamers ...*streamer) error {
	ms := make([][]float64, len(streamers))
	for turn := range l.size.turns + 1 {
		for i, s := range streamers {
			some, err := s.firsts(ctx, 500)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if turn > 0 { // all is warm
				ms[i] = append(ms[i], some...)
			}
		}
	}
	row := Row{ID: "stream/" + lang + "/first", Ours: measureOf(streamers[0].name+", first byte", ms[0])}
	for i, s := range streamers[1:] {
		row.Rivals = append(row.Rivals, measureOf(s.name+", first byte", ms[i+1]))
	}
	l.report.add(l.out, row)
	return nil
}

// firsts are the times of n first bytes.
func (s *streamer) firsts(ctx context.Context, n int) (ms []float64, err error) {
	for range n {
		began := time.Now()
		first, _, err := s.stream(100)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		ms = append(ms, millis(first.Sub(began)))
	}
	return ms, nil
}

// longStreams measures what 100 MB take and cost, and how much the server grows.
func (l *lab) longStreams(ctx context.Context, lang string, streamers ...*streamer) error {
	row := Row{ID: fmt.Sprintf("stream/%s/%dMB", lang, streamedMB)}
	for i, s := range streamers {
		m, growth, err := l.longStream(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if i > 0 {
			row.Rivals = append(row.Rivals, m)
			continue
		}
		row.Ours = m
		row.Facts = append(row.Facts, Fact{"memory of the server before", growth.before, "MiB"}, Fact{"at its peak", growth.peak, "MiB"}, Fact{"after", growth.after, "MiB"})
	}
	l.report.add(l.out, row)
	return nil
}

// A growth is the resident set of a server, in MiB.
type growth struct{ before, peak, after float64 }

func (l *lab) longStream(ctx context.Context, s *streamer) (Measure, growth, error) {
	if _, _, err := s.stream(streamedMB << 20); err != nil { // is warm then
		return Measure{}, growth{}, err
	}
	forgetPeak(s.pid)
	grew := growth{before: mib(residentOf(s.pid))}
	var ms []float64
	clock := clockOf(s.pid)
	for range 5 * l.size.turns {
		began := time.Now()
		_, n, err := s.stream(streamedMB << 20)
		if err == nil && n < streamedMB<<20 {
			err = fmt.Errorf("only %d bytes came", n)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return Measure{}, growth{}, err
		}
		ms = append(ms, millis(time.Since(began)))
	}
	m := measureOf(fmt.Sprintf("%s, %d MB", s.name, streamedMB), ms)
	m.CPU = clockOf(s.pid).since(clock).shares(len(ms))
	grew.peak, grew.after = mib(peakOf(s.pid)), mib(residentOf(s.pid))
	return m, grew, nil
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// peakOf is the largest resident set that a process has had, in bytes.
func peakOf(pid int) int64 { return kilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:") }

// forgetPeak has peakOf begin anew. Where it cannot, the peak is that of all the run.
func forgetPeak(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o200)
}

// A streamer is what streams, and a client of it.
type streamer struct {
	name, host, path string
	pid              int
	call             *call
	*client
}

func (s *streamer) connect(l *lab) (err error) {
	s.call = newCall(s.host, s.path, "", nil)
	s.client, err = dial(s.host, newSigner(l.server.Key, l.server.Secret, l.server.Region, "lambda"))
	return err
}

// stream has so many bytes streamed. It returns when the first was there, and how
// many came, with what is around them.
func (s *streamer) stream(size int) (first time.Time, n int64, err error) {
	if err := s.send(s.call, strconv.AppendInt(nil, int64(size), 10)); err != nil {
		return first, 0, err
	}
	var a answer
	length, err := s.readStart(&a)
	if err == nil && (a.Status != 200 || length >= 0) {
		err = fmt.Errorf("status %d, a body of %d bytes", a.Status, length)
	}
	if err != nil {
		return first, 0, err
	}
	for {
		chunk, err := s.skipChunk(&first)
		if n += chunk; err != nil || chunk == 0 {
			return first, n, err
		}
	}
}

// skipChunk reads a chunk and keeps nothing of it; 0 is the last.
func (s *streamer) skipChunk(first *time.Time) (int64, error) {
	line, err := s.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	size, err := strconv.ParseUint(string(bytes.TrimRight(line, "\r\n")), 16, 31)
	if err != nil {
		return 0, fmt.Errorf("not the length of a chunk: %q", line)
	}
	if first.IsZero() {
		if _, err := s.in.Peek(1); err != nil {
			return 0, err
		}
		*first = time.Now()
	}
	_, err = s.in.Discard(int(size) + 2)
	return int64(size), err
}
