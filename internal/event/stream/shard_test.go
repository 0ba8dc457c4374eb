package stream

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// inOrder holds the records of each key, "key-number", to the order that they
// were put in: as a function sees them first, and none is missing of want.
func (r *rig) inOrder(want map[string]int) {
	r.Helper()
	last := map[string]int{}
	for _, d := range r.fs.all() {
		key, number, _ := strings.Cut(d, "-")
		var n int
		fmt.Sscan(number, &n)
		switch {
		case n == last[key]+1:
			last[key] = n
		case n > last[key]:
			r.Fatalf("%s came after %s-%d", d, key, last[key])
		}
	}
	r.want("the last of each key", last, want)
}

func TestLanesWorkBesideEachOther(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Factor = 10
		r.fs.script = func(int, event) (string, bool, error) { time.Sleep(time.Second); return "null", false, nil }
		want := map[string]int{}
		for n := range 20 {
			for k := range 50 {
				key := fmt.Sprint("k", k)
				want[key] = n + 1
				r.put(0, key, fmt.Sprintf("%s-%d", key, n+1))
			}
		}
		r.start()
		rest(time.Hour)
		r.want("at a time", r.fs.peak(), 10)
		r.inOrder(want)
	})
}

func TestOneLaneWorksAlone(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.BatchSize = 1
		r.fs.script = func(int, event) (string, bool, error) { time.Sleep(time.Second); return "null", false, nil }
		for k := range 20 {
			r.put(0, fmt.Sprint("k", k), "x")
		}
		r.start()
		rest(time.Hour)
		r.want("at a time", r.fs.peak(), 1)
	})
}

func TestALaneThatFailsDoesNotStopTheOthers(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Factor, r.job.BatchSize = 2, 10
		r.fs.script = func(_ int, e event) (string, bool, error) {
			return "null", slices.Contains(e.data(), "bad"), nil
		}
		bad, good := "a", "b"
		for laneOf(good, 2) == laneOf(bad, 2) {
			good += "b"
		}
		r.put(0, bad, "bad")
		for n := range 100 {
			r.put(0, good, fmt.Sprintf("k-%d", n+1))
		}
		r.start()
		rest(time.Minute)
		r.inOrder(map[string]int{"k": 100})
		r.want("the shard's mark", r.mark("shardId-000000000000").From, "")
		r.stop() // what the other lane has done is not done again
		r.must(r.db.Close())
		r.open()
		before := len(r.fs.all())
		r.start()
		rest(time.Minute)
		r.want("handled again", len(r.fs.all())-before, 0)
	})
}

func TestLanesAreNotFilledWithoutEnd(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.BatchSize = 10
		r.fs.script = poison("bad")
		r.put(0, "k", "bad")
		for n := range 1000 {
			r.put(0, "k", fmt.Sprint(n))
		}
		r.start()
		rest(time.Minute)
		if n := r.m.Stats()[0].Polled; n > 10*fullBatches+leastPage {
			r.Errorf("%d records are held", n)
		}
	})
}

func TestTheFactorMayChange(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.BatchSize = 3
		want := map[string]int{}
		put := func(rounds int) {
			for range rounds {
				for k := range 30 {
					key := fmt.Sprint("k", k)
					want[key]++
					r.put(0, key, fmt.Sprintf("%s-%d", key, want[key]))
				}
			}
		}
		for i, factor := range []int{4, 10, 1, 7, 7, 2} {
			stuck := fmt.Sprintf("k%d-%d", i, want[fmt.Sprint("k", i)]+2)
			r.job.Factor = factor
			r.fs.script = func(_ int, e event) (string, bool, error) { return "null", slices.Contains(e.data(), stuck), nil }
			put(5)
			r.start()
			rest(time.Minute)
			r.stop() // while one lane is stuck and others are ahead
		}
		r.fs.script = nil
		r.start()
		rest(time.Hour)
		r.inOrder(want)
		total := 0
		for _, n := range want {
			total += n
		}
		r.want("handled in all, each once", len(r.fs.all()), total)
		if n := len(r.mark("shardId-000000000000").Ahead); n != 1 {
			r.Errorf("%d generations are remembered", n)
		}
	})
}

func TestChildrenComeAfterTheirParents(t *testing.T) {
	simulate(t, 2, func(r *rig) {
		release := make(chan struct{})
		r.fs.script = func(_ int, e event) (string, bool, error) {
			if slices.Contains(e.data(), "slow") {
				<-release
			}
			return "null", false, nil
		}
		r.put(0, "k", "slow")
		r.put(1, "l", "a")
		r.start()
		r.stream.Reshape(1, 0, 1) // a merge
		r.put(2, "k", "b")
		r.stream.Reshape(2, 2) // and a split of what comes of it
		r.put(3, "k", "c")
		r.put(4, "l", "d")
		rest(time.Hour)
		r.want("before both parents are done", r.fs.all(), []string{"a"})
		close(release)
		rest(time.Second)
		got := r.fs.all()
		slices.Sort(got[:2])
		slices.Sort(got[3:])
		r.want("then", got, []string{"a", "slow", "b", "c", "d"})
		r.want("the parent's mark", r.mark("shardId-000000000000").Ended, true)
		r.stream.Remove(0)
		r.stream.Reshape(1, 3, 4)
		r.put(5, "k", "e")
		r.settle()
		r.want("at last", r.fs.all()[5:], []string{"e"})
		r.want("a mark of what is gone", r.mark("shardId-000000000000").Ended, false)
	})
}

func TestShardsThatEndedWhileNobodyRead(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.start()
		r.stop()
		r.put(0, "k", "a")
		r.stream.Reshape(2, 0)
		r.put(1, "k", "b")
		r.start()
		r.want("records", r.fs.all(), []string{"a", "b"})
		r.stop()
		r.put(1, "k", "c")
		r.stream.Reshape(1, 1)
		r.put(3, "k", "d")
		r.stream.Remove(1) // too old, and never read to its end
		r.start()
		r.settle()
		r.want("records", r.fs.all(), []string{"a", "b", "d"})
	})
}

func TestLatestTakesNothingOfParents(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.put(0, "k", "a")
		r.stream.Reshape(2, 0)
		r.put(1, "k", "b")
		r.job.Start = source.Start{At: source.AtLatest}
		r.start()
		r.put(1, "k", "c")
		r.stream.Reshape(1, 1, 2)
		r.put(3, "k", "d")
		r.settle()
		r.want("records", r.fs.all(), []string{"c", "d"})
	})
}

func TestNewShardsWithoutParents(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.start()
		r.stream.Grow()
		r.put(1, "k", "a")
		r.settle()
		r.want("records", r.fs.all(), []string{"a"})
	})
}

func TestAStreamThatCannotBeRead(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.stream.With(func() { r.stream.Fail = fmt.Errorf("out of order") })
		r.start()
		rest(time.Minute)
		r.want("note", r.noted()[len(r.noted())-1], "PROBLEM: The event source could not be read.")
		r.put(0, "k", "a")
		r.stream.With(func() { r.stream.Fail = nil })
		rest(time.Minute)
		r.want("records", r.fs.all(), []string{"a"})
		r.stream.With(func() { r.stream.Fail = fmt.Errorf("again") })
		rest(time.Second)
		r.stream.With(func() { r.stream.Fail = nil })
		r.put(0, "k", "b")
		rest(time.Minute)
		r.want("records", r.fs.all(), []string{"a", "b"})
	})
}

func TestAStreamOfTheSameNameIsAnother(t *testing.T) {
	simulate(t, 2, func(r *rig) {
		r.put(0, "k", "a", "b", "c")
		r.stream.Reshape(1, 0)
		r.start()
		r.stream.With(func() { r.stream.Fail = source.ErrNotFound })
		rest(time.Minute)
		r.want("note", r.noted()[len(r.noted())-1], "PROBLEM: The event source does not exist.")
		r.stream.Recreate(1)
		r.put(0, "k", "d")
		r.stream.With(func() { r.stream.Fail = nil })
		rest(time.Minute)
		r.want("records", r.fs.all(), []string{"a", "b", "c", "d"})
	})
}

// TestRandomly puts records while shards are split and merged at random, the
// function fails at random, and the reader is stopped at random: no record is
// lost, and those of a key stay in order.
func TestRandomly(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			simulate(t, 1, func(r *rig) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				r.job.Plan = Plan{
					BatchSize: 1 + rnd.IntN(20), Factor: 1 + rnd.IntN(10), Retries: -1, MaxAge: -1,
					Bisect: rnd.IntN(2) == 0, Reports: rnd.IntN(2) == 0, Window: time.Duration(rnd.IntN(2)) * time.Second,
				}
				r.fs.script = func(n int, e event) (string, bool, error) {
					time.Sleep(time.Duration(n*7919%100) * time.Millisecond)
					if bad := n % 5; bad == 0 && len(e.Records) > 0 && r.job.Reports {
						b, _ := json.Marshal(e.Records[n%len(e.Records)].Kinesis.SequenceNumber)
						return `{"batchItemFailures":[{"itemIdentifier":` + string(b) + `}]}`, false, nil
					}
					return "null", n%7 == 0, nil
				}
				r.load(rnd)
			})
		})
	}
}

// load puts records and reshapes the stream for a while, and waits until all is
// done.
func (r *rig) load(rnd *rand.Rand) {
	want, open, shards := map[string]int{}, []int{0}, 1
	r.start()
	for range 200 {
		for range rnd.IntN(10) {
			key := fmt.Sprint("k", rnd.IntN(12))
			want[key]++
			r.stream.Spread(key, fmt.Sprintf("%s-%d", key, want[key]))
		}
		switch rnd.IntN(12) {
		case 0: // a split
			i := rnd.IntN(len(open))
			r.stream.Reshape(2, open[i])
			open = append(slices.Delete(open, i, i+1), shards, shards+1)
			shards += 2
		case 1: // a merge
			if len(open) > 1 {
				rnd.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
				r.stream.Reshape(1, open[0], open[1])
				open = append(open[2:], shards)
				shards++
			}
		case 2:
			if rnd.IntN(2) == 0 {
				r.job.Factor = 1 + rnd.IntN(10)
			}
			r.stop()
			r.start()
		}
		rest(time.Duration(rnd.IntN(300)) * time.Millisecond)
	}
	rest(time.Hour)
	r.inOrder(want)
}
