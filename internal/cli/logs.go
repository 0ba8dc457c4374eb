package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// A logEvent is one line of a log.
type logEvent struct {
	ID        string `json:"eventId"`
	Stream    string `json:"logStreamName"`
	Timestamp int64  `json:"timestamp"` // ms
	Message   string `json:"message"`
}

// A seenKey tells a line from every other.
type seenKey struct {
	at         int64
	stream, id string
}

// A tail is one run of logs.
type tail struct {
	*program
	api    *client
	group  string
	filter string
	since  int64            // ms; what to ask for
	seen   map[seenKey]bool // what was printed since then
	newest int64
}

func (p *program) logsCommand() *cobra.Command {
	var follow bool
	var since, filter string
	c := &cobra.Command{
		Use: "logs [NAME]", Short: "Show what a function logs", Args: args(0, 1, "at most one function"),
		Long: `Show the lines that a function and the platform wrote, the oldest first. With -f
go on until interrupted. Without a name it is the function of mayfly.json in this
folder; a name that begins with a slash is a log group.

PATTERN is a filter of CloudWatch Logs: words, "quoted words", { $.level = "ERROR" }.`,
		Example: `  mayfly logs hello --since 1h
  mayfly logs hello -f
  mayfly logs hello --filter ERROR --json`,
		ValidArgsFunction: p.completeFunctions,
		RunE: func(c *cobra.Command, args []string) error {
			from, err := parseSince(since, time.Now())
			if err != nil {
				return err
			}
			name, err := nameOr(args)
			if err != nil {
				return err
			}
			t := &tail{program: p, group: logGroup(name), filter: filter, since: from.UnixMilli(), seen: map[seenKey]bool{}}
			if t.api, err = p.client(); err != nil {
				return err
			}
			if follow {
				return t.follow(c.Context())
			}
			return t.once(c.Context(), name)
		},
	}
	f := c.Flags()
	f.BoolVarP(&follow, "follow", "f", false, "go on showing new lines")
	f.StringVar(&since, "since", "10m", "how far back: a duration such as 90s, 10m, 2h, 7d, or a time such as 2026-11-23T18:00:00Z")
	f.StringVar(&filter, "filter", "", "show what matches this pattern alone")
	return c
}

func logGroup(name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return "/aws/lambda/" + name
}

// parseSince reads --since.
func parseSince(s string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	text, days := strings.CutSuffix(s, "d")
	if days {
		text += "h"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return time.Time{}, usage("--since %s is neither a duration nor a time", s).next("write 90s, 10m, 2h, 7d or 2026-11-23T18:00:00Z")
	}
	if days {
		d *= 24
	}
	return now.Add(-d), nil
}

// logTries is how often a log that is not there is asked for again: what a
// function's first invocation wrote arrives a moment after its answer.
const logTries = 3

// once prints what is there.
func (t *tail) once(ctx context.Context, name string) error {
	err := t.fetch(ctx)
	for i := 0; i < logTries && is(err, "ResourceNotFoundException"); i++ {
		if err := sleep(ctx, followEvery); err != nil {
			return err
		}
		err = t.fetch(ctx)
	}
	if is(err, "ResourceNotFoundException") {
		return fail("there is no log of %s", name).next("a function has one once it was invoked: `mayfly invoke %s`", name)
	}
	if err == nil && len(t.seen) == 0 && !t.json {
		fmt.Fprintln(t.err, t.paintErr(dim, "nothing was logged in that time: look further back with --since 1d"))
	}
	return err
}

// How often to look for new lines, and how much later than a line's own time
// it may arrive and still be shown.
const (
	followEvery = 500 * time.Millisecond
	late        = 30 * time.Second
)

// follow prints what is there and what comes, until ctx ends. A function that
// has no log yet is waited for.
func (t *tail) follow(ctx context.Context) error {
	for {
		if err := t.fetch(ctx); err != nil && !is(err, "ResourceNotFoundException") {
			return err
		}
		t.advance()
		if err := sleep(ctx, followEvery); err != nil {
			return err
		}
	}
}

// advance moves the beginning of what is asked for, but leaves room for lines
// that arrive late; what was seen there already is not shown twice.
func (t *tail) advance() {
	t.since = max(t.since, t.newest-late.Milliseconds())
	maps.DeleteFunc(t.seen, func(k seenKey, _ bool) bool { return k.at < t.since })
}

// fetch asks for everything since t.since, page by page, and prints what is new.
func (t *tail) fetch(ctx context.Context) error {
	in := map[string]any{"logGroupName": t.group, "startTime": t.since}
	if t.filter != "" {
		in["filterPattern"] = t.filter
	}
	for {
		var out struct {
			Events    []logEvent `json:"events"`
			NextToken string     `json:"nextToken"`
		}
		if err := t.api.target(ctx, "FilterLogEvents", in, &out); err != nil {
			return err
		}
		for _, e := range out.Events {
			if err := t.show(e); err != nil {
				return err
			}
		}
		if out.NextToken == "" {
			return nil
		}
		in["nextToken"] = out.NextToken
	}
}

// show prints a line once.
func (t *tail) show(e logEvent) error {
	key := seenKey{e.Timestamp, e.Stream, e.ID}
	if t.seen[key] {
		return nil
	}
	t.seen[key] = true
	t.newest = max(t.newest, e.Timestamp)
	if t.json {
		b, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(t.out, "%s\n", b) // one to a line, so that a program can follow
		return err
	}
	at := time.UnixMilli(e.Timestamp).UTC().Format("2006-01-02T15:04:05.000Z")
	_, err := fmt.Fprintf(t.out, "%s %s\n", t.paint(dim, at), t.paintLine(breaks(strings.TrimRight(e.Message, "\n"))))
	return err
}

// breaks shows the line breaks of one event, which runtimes write as returns to
// keep a stack trace together.
func breaks(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// paintLine makes the platform's lines recede and errors stand out.
func (t *tail) paintLine(s string) string {
	switch {
	case platformLine(s):
		return t.paint(dim, s)
	case strings.HasPrefix(s, "REPORT RequestId: "):
		return t.paint(cyan, s)
	case strings.HasPrefix(s, "[ERROR]"), strings.Contains(s, "\tERROR\t"), strings.Contains(s, "Task timed out"):
		return t.paint(red, s)
	case strings.HasPrefix(s, "[WARNING]"), strings.Contains(s, "\tWARN\t"):
		return t.paint(yellow, s)
	}
	return s
}
