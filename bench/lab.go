package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// A lab is what scenarios work with.
type lab struct {
	bin, tmp string
	dir      string // the server's data folder
	server   *server
	api      *lambda.Client
	langs    []*language
	raw      rival // the server that does nothing
	size     size
	report   *Report
	out      io.Writer
	err      error // the first of the preparation
}

// A size says how much is measured.
type size struct {
	cold      int           // cold starts for each language
	bursts    int           // rounds of each burst
	turns     int           // how often contenders take turns
	turn      time.Duration // how long each
	functions int           // of the Zipf traffic
	sandboxes int           // of which the memory is taken
	events    int           // of the event driven scenarios
}

var (
	full  = size{cold: 60, bursts: 5, turns: 3, turn: time.Second, functions: 1000, sandboxes: 250, events: 20000}
	quick = size{cold: 10, bursts: 1, turns: 1, turn: 500 * time.Millisecond, functions: 100, sandboxes: 20, events: 1000}
)

// newLab starts the server and makes ready what scenarios share.
func newLab(o options) (*lab, error) {
	tmp, err := os.MkdirTemp("", "mayfly-bench-*")
	if err != nil {
		return nil, err
	}
	l := &lab{bin: o.bin, tmp: tmp, size: full, report: new(Report), out: os.Stdout}
	if o.quick {
		l.size = quick
	}
	if l.server, err = startServer(o.bin, tmp, strings.Fields(o.serve)...); err != nil {
		os.RemoveAll(tmp)
		return nil, err
	}
	l.dir, l.api = l.server.dir, lambda.NewFromConfig(l.config())
	if l.langs, err = l.languages(); err != nil {
		l.close()
		return nil, err
	}
	if o.langs != "" {
		l.langs = slices.DeleteFunc(l.langs, func(g *language) bool { return !slices.Contains(strings.Split(o.langs, ","), g.name) })
	}
	if len(l.langs) == 0 {
		l.close()
		return nil, fmt.Errorf("none of the languages %q can be run here", o.langs)
	}
	l.report.Machine = l.machine(o.serve)
	if o.quick {
		l.report.Machine += ", a quick run that only shows that it works"
	}
	return l, nil
}

func (l *lab) close() {
	l.server.close()
	os.RemoveAll(l.tmp)
}

// machine says where and on what a run is made.
func (l *lab) machine(flags string) string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // not on every system
	var health struct{ Tier, Version string }
	if res, err := http.Get("http://" + l.server.host + "/_mayfly/health"); err == nil {
		_ = json.NewDecoder(res.Body).Decode(&health) // what it does not say stays empty
		res.Body.Close()
	}
	if flags == "" {
		flags = "default settings"
	}
	return fmt.Sprintf("%s, %s/%s %s, %d processors, %.0f GiB, Mayfly %s, tier %s, %s, %s", time.Now().Format("2006-01-02"), runtime.GOOS, runtime.GOARCH,
		strings.TrimSpace(string(kernel)), runtime.NumCPU(), float64(kilobytes("/proc/meminfo", "MemTotal:"))/(1<<30), health.Version, health.Tier, flags, runtime.Version())
}

// rest lets the machine and the server come to rest, so that what went before
// is not measured.
func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// event writes a JSON string of size bytes (15 at least) that begins with the
// request's number: every request is another one, and its answer must be too.
func event(b []byte, caller int, n uint64, size int) []byte {
	b = fmt.Appendf(b[:0], "\"%03d%09d", caller%1000, n%1e9)
	for len(b) < size-1 {
		b = append(b, "the quick brown fox jumps over the lazy dog; "[:min(45, size-1-len(b))]...)
	}
	return append(b, '"')
}

// echoes are n callers, each on a connection of its own, who send events of a
// size and want them back. done closes the connections.
func (l *lab) echoes(host string, c *call, n, size int) (workers []worker, done func(), err error) {
	calls := make([]*call, n)
	for i := range calls {
		calls[i] = c
	}
	return l.echoesTo(host, calls, size)
}

// echoesTo is echoes with a call for each caller.
func (l *lab) echoesTo(host string, calls []*call, size int) (workers []worker, done func(), err error) {
	var clients []*client
	done = func() {
		for _, c := range clients {
			c.close()
		}
	}
	connect := dial
	if len(calls) == 1 {
		connect = dialBlocking
	}
	for i, to := range calls {
		c, err := connect(host, newSigner(l.server.Key, l.server.Secret, l.server.Region, "lambda"))
		if err != nil {
			done()
			return nil, nil, err
		}
		clients = append(clients, c)
		var sent []byte
		workers = append(workers, func(n uint64) error {
			sent = event(sent, i, n, size)
			got, err := c.mustAnswer(to, sent)
			if n == 0 && closedMeanwhile(err) {
				if err = c.again(); err == nil {
					got, err = c.mustAnswer(to, sent)
				}
			}
			if err == nil && !bytes.Equal(got, sent) {
				err = fmt.Errorf("sent %.40s, got %.40s", sent, got)
			}
			return err
		})
	}
	return workers, done, nil
}

// closedMeanwhile reports whether a rival has closed a connection while others
// had their turn: some do so after seconds.
func closedMeanwhile(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// functionEchoes are n callers of one of Mayfly's functions.
func (l *lab) functionEchoes(name string, n, size int) ([]worker, func(), error) {
	return l.echoes(l.server.host, invoke(l.server.host, name, "", nil), n, size)
}

// A contender is one of those that are measured in turn.
type contender struct {
	name    string
	workers []worker
	pid     int // of the server that they call
}

// contest lets contenders take turns and measures each; the CPU time is split
// by the server, what runs below it, and the generator. All are warmed up first.
// The first is ours and must not fail; a rival that does is left out from then
// on, and the report says so.
func (l *lab) contest(ctx context.Context, contenders ...contender) ([]Measure, error) {
	tallies := make([]tally, len(contenders))
	used := make([]usage, len(contenders))
	failed := make([]bool, len(contenders))
	if err := l.warmUp(ctx, contenders[0]); err != nil {
		return nil, err
	}
	for turn := range l.size.turns + 1 {
		for i, c := range contenders {
			if failed[i] {
				continue
			}
			t, u, err := l.turn(ctx, c)
			switch {
			case err != nil && (i == 0 || ctx.Err() != nil):
				return nil, fmt.Errorf("%s: %w", c.name, err)
			case err != nil:
				failed[i] = true
				l.report.skip(l.out, "%s: %.200v", c.name, err)
			case turn > 0:
				tallies[i].add(t)
				used[i] = used[i].plus(u)
			}
		}
	}
	var measures []Measure
	for i, c := range contenders {
		if !failed[i] {
			m := tallies[i].measure(c.name)
			m.CPU = used[i].shares(len(tallies[i].ms))
			measures = append(measures, m)
		}
	}
	return measures, nil
}

// warmUp lets c work until a turn passes in which no sandbox is started, for
// some turns at most.
func (l *lab) warmUp(ctx context.Context, c contender) error {
	for range 20 {
		before := l.server.metrics()["mayfly_cold_starts_total"]
		if _, err := load(ctx, c.workers, l.size.turn); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if l.server.metrics()["mayfly_cold_starts_total"] == before {
			return nil
		}
	}
	l.report.skip(l.out, "%s: sandboxes are started all the time", c.name)
	return nil
}

func (l *lab) turn(ctx context.Context, c contender) (tally, usage, error) {
	before := clockOf(c.pid)
	t, err := load(ctx, c.workers, l.size.turn)
	return t, clockOf(c.pid).since(before), err
}
