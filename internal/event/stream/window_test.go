package stream

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// count is a script that counts records in its window's state.
func count(_ int, e event) (string, bool, error) {
	var state struct{ N int }
	_ = json.Unmarshal(e.State, &state)
	return fmt.Sprintf(`{"state":{"n":%d}}`, state.N+len(e.Records)), false, nil
}

// said is what an invocation was told, in short: its records, the state that it
// got, and whether it was the last of its window.
func said(calls []call) (all []string) {
	for _, c := range calls {
		s := strings.Join(c.data(), ",") + " " + string(c.State)
		if c.Final {
			s += " final"
		}
		if c.Early {
			s += " early"
		}
		all = append(all, s)
	}
	return all
}

// minute waits for the start of the next minute, and a little more.
func minute() { rest(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute + time.Second))) }

func TestATumblingWindowHasState(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Tumbling, r.job.BatchSize = time.Minute, 2
		r.fs.script = count
		minute()
		r.put(0, "k", "a", "b", "c")
		r.start()
		rest(10 * time.Second)
		r.put(0, "k", "d")
		r.settle()
		r.want("in the window", said(r.fs.seen()), []string{`a,b {}`, `c {"n":2}`, `d {"n":3}`})
		minute()
		r.want("behind it", said(r.fs.seen()[3:]), []string{` {"n":4} final`})
		r.put(0, "k", "e")
		r.settle()
		r.want("the next one", said(r.fs.seen()[4:]), []string{`e {}`})
		c := r.fs.seen()[0]
		if c.ShardID != "shardId-000000000000" || c.ARN != streamARN || c.Window.End.Sub(c.Window.Start) != time.Minute ||
			c.Window.Start.After(c.at) || c.Window.Start.Second() != 0 || c.Window.End.Before(c.at) {
			r.Errorf("the event is %s", c.in.Payload)
		}
	})
}

func TestABatchIsOfOneWindow(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Tumbling = time.Minute
		r.fs.script = count
		minute()
		r.put(0, "k", "a")
		minute()
		r.put(0, "k", "b")
		minute()
		r.start() // when both are long over
		rest(5 * time.Second)
		r.want("invocations", said(r.fs.seen()), []string{`a {}`, ` {"n":1} final`, `b {}`, ` {"n":1} final`})
	})
}

func TestAWindowSurvivesARestart(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Tumbling = time.Minute
		r.fs.script = count
		minute()
		r.put(0, "k", "a", "b")
		r.start()
		r.stop()
		r.must(r.db.Close())
		r.open()
		r.start()
		minute()
		r.want("invocations", said(r.fs.seen()), []string{`a,b {}`, ` {"n":2} final`})
		if r.mark("shardId-000000000000").Window != nil {
			r.Error("the window is still open")
		}
	})
}

func TestAWindowEndsWithItsShard(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Tumbling = 15 * time.Minute
		r.fs.script = count
		r.put(0, "k", "a")
		r.stream.Reshape(1, 0)
		r.put(1, "k", "b")
		r.start()
		r.want("invocations", said(r.fs.seen()), []string{`a {}`, ` {"n":1} final`, `b {}`})
	})
}

func TestATooLargeStateEndsAWindowEarly(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Tumbling, r.job.BatchSize = time.Minute, 1
		large := `{"s":"` + strings.Repeat("x", maxState) + `"}`
		r.fs.script = func(n int, e event) (string, bool, error) {
			if n == 0 {
				return `{"state":` + large + `}`, false, nil
			}
			return count(n, e)
		}
		minute()
		r.put(0, "k", "a", "b")
		r.start()
		got := said(r.fs.seen())
		got[1] = strings.ReplaceAll(got[1], large, "large")
		r.want("invocations", got, []string{`a {}`, ` large final early`, `b {}`})
	})
}

func TestAnAnswerWithoutStateFails(t *testing.T) {
	for _, answer := range []string{`null`, `{}`, `{"state":null}`, `{"state":[]}`, `{"state":`, `"text"`} {
		simulate(t, 1, func(r *rig) {
			r.job.Tumbling = time.Minute
			r.fs.script = func(n int, e event) (string, bool, error) {
				if n == 0 {
					return answer, false, nil
				}
				return count(n, e)
			}
			r.put(0, "k", "a")
			r.start()
			rest(time.Second)
			r.want(answer, said(r.fs.seen()), []string{`a {}`, `a {}`})
		})
	}
}

func TestAPartialFailureKeepsTheState(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Tumbling, r.job.Reports = time.Minute, true
		r.fs.script = func(n int, e event) (string, bool, error) {
			if n == 0 {
				return fmt.Sprintf(`{"state":{"n":1},"batchItemFailures":[{"itemIdentifier":%q}]}`, e.Records[1].Kinesis.SequenceNumber), false, nil
			}
			return count(n, e)
		}
		minute()
		r.put(0, "k", "a", "b")
		r.start()
		rest(time.Second)
		r.want("invocations", said(r.fs.seen()), []string{`a,b {}`, `b {"n":1}`})
	})
}

func TestAWindowThatCannotBeClosed(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Tumbling, r.job.Retries = time.Minute, 1
		r.fs.script = func(n int, e event) (string, bool, error) {
			if e.Final {
				return "", true, nil
			}
			return count(n, e)
		}
		minute()
		r.put(0, "k", "a")
		r.start()
		minute()
		rest(10 * time.Second)
		r.put(0, "k", "b")
		r.settle()
		r.want("invocations", said(r.fs.seen()), []string{`a {}`, ` {"n":1} final`, ` {"n":1} final`, `b {}`})
	})
}

func TestAnUpdateWithoutWindowsClosesTheLast(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Tumbling = time.Minute
		r.fs.script = count
		r.put(0, "k", "a")
		r.start()
		r.stop()
		r.job.Tumbling, r.job.Factor = 0, 3
		r.put(0, "k", "b")
		r.start()
		r.want("invocations", said(r.fs.seen()), []string{`a {}`, ` {"n":1} final`, `b `})
	})
}

// FuzzState holds what is taken for a state to what an event may have.
func FuzzState(f *testing.F) {
	for _, s := range []string{`{"state":{}}`, `{"state":{"a":1},"batchItemFailures":[]}`, `{"state":1}`, `{}`, ``, `[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		state, ok := stateOf(answer)
		var members map[string]any
		if ok && (json.Unmarshal(state, &members) != nil || members == nil) {
			t.Errorf("%q has the state %q", answer, state)
		}
		w := windowAt(time.Unix(90, 0), time.Minute).with(state)
		if out := append(w.append([]byte(`{"Records":[]`), "s", "arn", true), '}'); ok && !json.Valid(out) {
			t.Errorf("the event is %s", out)
		}
	})
}
