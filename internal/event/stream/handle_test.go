package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/batch"
	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/function"
)

// poison is a script that fails at batches with a record.
func poison(bad ...string) func(int, event) (string, bool, error) {
	return func(_ int, e event) (string, bool, error) {
		return "null", slices.ContainsFunc(e.data(), func(d string) bool { return slices.Contains(bad, d) }), nil
	}
}

// partial is a script that reports records as failed.
func partial(bad ...string) func(int, event) (string, bool, error) {
	return func(_ int, e event) (string, bool, error) {
		var failures []map[string]string
		for _, r := range e.Records {
			if slices.Contains(bad, string(r.Kinesis.Data)) {
				failures = append(failures, map[string]string{"itemIdentifier": r.Kinesis.SequenceNumber})
			}
		}
		b, _ := json.Marshal(map[string]any{"batchItemFailures": failures})
		return string(b), false, nil
	}
}

// reports are the conditions that a box was told, and of how many records.
func reports(t *testing.T, got [][]byte) (all []string) {
	t.Helper()
	for _, b := range got {
		var rep report
		if err := json.Unmarshal(b, &rep); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %d", rep.Request.Condition, rep.Kinesis.Size))
	}
	return all
}

func TestBatchSize(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.BatchSize = 2
		r.put(0, "k", "a", "b", "c", "d", "e")
		r.start()
		r.want("batches", r.fs.batches(), [][]string{{"a", "b"}, {"c", "d"}, {"e"}})
	})
}

func TestABatchingWindowGathers(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.BatchSize, r.job.Window = 3, 10*time.Second
		r.start()
		r.put(0, "k", "a")
		rest(9 * time.Second)
		r.put(0, "k", "b")
		r.settle()
		r.want("before the window's end", r.fs.batches(), [][]string{})
		rest(time.Second)
		r.want("at the window's end", r.fs.batches(), [][]string{{"a", "b"}})
		r.put(0, "k", "c", "d", "e")
		r.settle()
		r.want("a full batch does not wait", r.fs.batches(), [][]string{{"a", "b"}, {"c", "d", "e"}})
	})
}

func TestABatchHoldsSixMegabytes(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		big := strings.Repeat("x", 1<<20)
		for range 7 {
			r.put(0, "k", big)
		}
		r.start()
		r.want("invocations", len(r.fs.seen()), 2) // base64 makes 4 of 3 bytes
		for _, c := range r.fs.seen() {
			if len(c.in.Payload) > batch.MaxBytes {
				r.Errorf("an event of %d bytes", len(c.in.Payload))
			}
		}
	})
}

func TestAFailedBatchIsRetriedAndBlocksItsShard(t *testing.T) {
	simulate(t, 2, func(r *rig) {
		r.fs.script = func(n int, e event) (string, bool, error) { return "null", n < 3 && e.data()[0] == "a", nil }
		r.put(0, "k", "a")
		r.start()
		r.put(0, "k", "b")
		r.put(1, "l", "other")
		r.settle()
		r.want("beside it", r.fs.batches(), [][]string{{"a"}, {"other"}})
		rest(time.Minute)
		r.want("in the end", r.fs.batches(), [][]string{{"a"}, {"other"}, {"a"}, {"a"}, {"b"}})
		r.want("notes", r.noted(), []string{"PROBLEM: Function call failed", "OK", "PROBLEM: Function call failed", "OK", "OK"})
	})
}

func TestMaximumRetryAttempts(t *testing.T) {
	for _, retries := range []int{0, 2} {
		simulate(t, 1, func(r *rig) {
			r.job.Retries, r.job.OnFailure = retries, queueARN
			r.fs.script = poison("bad")
			r.put(0, "k", "a", "bad")
			r.start()
			r.put(0, "k", "b")
			rest(time.Hour)
			r.want("invocations", len(r.fs.seen()), retries+2)
			r.want("records", r.fs.all(), []string{"b"})
			r.want("reports", reports(r.T, r.queue.all()), []string{"RetryAttemptsExhausted 2"})
		})
	}
}

func TestRetriesHaveNoEndByDefault(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.fs.script = poison("bad")
		r.put(0, "k", "bad")
		r.start()
		rest(24 * time.Hour)
		if n := len(r.fs.seen()); n < 1000 {
			r.Errorf("%d invocations in a day", n)
		}
		r.want("mark", r.mark("shardId-000000000000").From, "")
	})
}

func TestMaximumRecordAge(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.MaxAge, r.job.OnFailure = time.Minute, queueARN
		r.fs.script = poison("bad")
		r.put(0, "k", "bad")
		rest(20 * time.Second)
		r.put(0, "k", "young")
		r.start()
		rest(39 * time.Second)
		r.want("before its time", len(r.queue.all()), 0)
		rest(2 * time.Second)
		r.want("reports", reports(r.T, r.queue.all()), []string{"RecordAgeExceeded 1"})
		r.want("records", r.fs.all(), []string{"young"})
		var rep report
		r.must(json.Unmarshal(r.queue.all()[0], &rep))
		if rep.Response != nil || rep.Request.Invoked == 0 {
			r.Errorf("the report is %s", r.queue.all()[0])
		}
	})
}

func TestWhatIsTooOldIsNotHandledAtAll(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.MaxAge = time.Minute
		r.put(0, "k", "old")
		rest(2 * time.Minute)
		r.put(0, "k", "new")
		r.start()
		r.want("batches", r.fs.batches(), [][]string{{"new"}})
	})
}

func TestBisect(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Bisect, r.job.Retries, r.job.OnFailure = true, 1, queueARN
		r.fs.script = poison("bad")
		r.put(0, "k", "a", "b", "bad", "c", "d")
		r.start()
		rest(time.Hour)
		r.want("records", r.fs.all(), []string{"a", "b", "c", "d"})
		r.want("reports", reports(r.T, r.queue.all()), []string{"RetryAttemptsExhausted 1"})
		r.want("the bad one alone, and its retry", tally(r.fs.batches(), "bad"), 2)
	})
}

// tally is how often the function was given one record alone.
func tally(batches [][]string, one string) (n int) {
	for _, b := range batches {
		if slices.Equal(b, []string{one}) {
			n++
		}
	}
	return n
}

func TestWithoutBisectTheWholeBatchIsGivenUp(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Retries = 1
		r.fs.script = poison("bad")
		r.put(0, "k", "a", "bad", "c")
		r.start()
		rest(time.Hour)
		r.want("records", r.fs.all(), []string{})
	})
}

func TestPartOfABatchMayFail(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Reports, r.job.Retries, r.job.OnFailure = true, 1, queueARN
		r.fs.script = partial("bad", "d")
		r.put(0, "k", "a", "b", "bad", "c", "d")
		r.start()
		r.want("mark at the lowest failure", r.mark("shardId-000000000000").From, "2")
		rest(time.Hour)
		r.want("batches", r.fs.batches(), [][]string{{"a", "b", "bad", "c", "d"}, {"bad", "c", "d"}})
		r.want("reports", reports(r.T, r.queue.all()), []string{"RetryAttemptsExhausted 3"})
	})
}

func TestReportsAreReadOnlyWhereTheyAreAskedFor(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.fs.script = partial("bad")
		r.put(0, "k", "a", "bad")
		r.start()
		rest(time.Hour)
		r.want("batches", r.fs.batches(), [][]string{{"a", "bad"}})
	})
}

func TestPartialFailuresAreBisected(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Reports, r.job.Bisect, r.job.Retries, r.job.OnFailure = true, true, 0, queueARN
		r.fs.script = partial("bad")
		r.put(0, "k", "a", "b", "bad", "c", "d")
		r.start()
		rest(time.Hour)
		r.want("batches", r.fs.batches(), [][]string{{"a", "b", "bad", "c", "d"}, {"bad", "c", "d"}, {"bad"}, {"c", "d"}})
		r.want("reports", reports(r.T, r.queue.all()), []string{"RetryAttemptsExhausted 1"})
	})
}

// https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
func TestAnswersThatReport(t *testing.T) {
	for answer, done := range map[string]bool{
		``: true, `null`: true, `{}`: true, `{"batchItemFailures":null}`: true, `{"batchItemFailures":[]}`: true,
		`{"batchItemFailures":[{"itemIdentifier":""}]}`: false, `{"batchItemFailures":[{"itemIdentifier":null}]}`: false,
		`{"batchItemFailures":[{"itemIdentifie":"1"}]}`: false, `{"batchItemFailures":[{"itemIdentifier":"1"}]}`: false,
		`{"batchItemFailures":`: false, `"text"`: false,
	} {
		simulate(t, 1, func(r *rig) {
			r.job.Reports = true
			r.fs.script = func(n int, _ event) (string, bool, error) {
				if n > 0 {
					return "null", false, nil
				}
				return answer, false, nil
			}
			r.put(0, "k", "a", "b")
			r.start()
			rest(time.Minute)
			if once := len(r.fs.seen()) == 1; once != done {
				r.Errorf("%s: %d invocations", answer, len(r.fs.seen()))
			}
		})
	}
}

func TestThrottlesAreNoRetries(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Retries = 0
		r.fs.script = func(n int, _ event) (string, bool, error) {
			switch {
			case n < 8:
				return "", false, &function.Throttled{}
			case n < 10:
				return "", false, errors.New("the engine is out of order")
			}
			return "null", false, nil
		}
		r.put(0, "k", "a")
		r.start()
		r.want("note", r.noted()[len(r.noted())-1], "PROBLEM: Function call was throttled")
		rest(time.Hour)
		r.want("records", r.fs.all(), []string{"a"})
		var waits []time.Duration
		for i, c := range r.fs.seen()[1:] {
			waits = append(waits, c.at.Sub(r.fs.seen()[i].at))
		}
		if !slices.IsSorted(waits) || waits[len(waits)-1] < 10*waits[0] {
			r.Errorf("it waited %v", waits)
		}
	})
}

func TestALoopIsGivenUp(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.OnFailure = queueARN
		r.fs.script = func(n int, _ event) (string, bool, error) {
			if n == 0 {
				return "", false, &function.Refusal{Kind: function.ErrRecursive, Text: "a loop"}
			}
			return "null", false, nil
		}
		r.put(0, "k", "a")
		r.start()
		r.put(0, "k", "b")
		r.settle()
		r.want("records", r.fs.all(), []string{"b"})
		r.want("reports", reports(r.T, r.queue.all()), []string{"RecursiveInvocation 1"})
	})
}

func TestTheReportOfAFailure(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Retries, r.job.OnFailure = 1, queueARN
		r.fs.script = poison("bad")
		r.put(0, "k", "a")
		first := time.Now()
		rest(time.Second)
		r.put(0, "k", "bad")
		last := time.Now()
		r.start()
		rest(time.Minute)
		var rep map[string]any
		r.must(json.Unmarshal(r.queue.all()[0], &rep))
		c := r.fs.seen()[1]
		r.want("request", rep["requestContext"], map[string]any{
			"requestId": c.in.RequestID, "functionArn": functionARN, "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 2})
		r.want("response", rep["responseContext"], map[string]any{"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"})
		r.want("batch", rep["KinesisBatchInfo"], map[string]any{
			"shardId": "shardId-000000000000", "startSequenceNumber": c.Records[0].Kinesis.SequenceNumber, "endSequenceNumber": c.Records[1].Kinesis.SequenceNumber,
			"approximateArrivalOfFirstRecord": stamp(first), "approximateArrivalOfLastRecord": stamp(last), "batchSize": 2, "streamArn": streamARN})
		r.want("version", rep["version"], "1.0")
		if rep["payload"] != nil {
			r.Errorf("a queue got the records: %s", r.queue.all()[0])
		}
	})
}

func TestAReportInABucketHasTheRecords(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Retries, r.job.OnFailure = 0, "arn:aws:s3:::failures"
		r.fs.script = poison("bad")
		r.put(0, "k", "bad")
		r.start()
		now := time.Now().UTC()
		prefix := "aws/lambda/u/shardId-000000000000/" + now.Format("2006/01/02/2006-01-02T15.04.05-")
		if len(r.bucket.keys) != 1 || !strings.HasPrefix(r.bucket.keys[0], prefix) {
			r.Fatalf("keys %q, want one of %s", r.bucket.keys, prefix)
		}
		var rep struct{ Payload string }
		r.must(json.Unmarshal(r.bucket.all()[0], &rep))
		r.want("payload", rep.Payload, string(r.fs.seen()[0].in.Payload))
	})
}

func TestADestinationThatIsGoneDoesNotBlock(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Retries, r.job.OnFailure = 0, queueARN
		r.queue.err = target.ErrNotFound
		r.fs.script = poison("bad")
		r.put(0, "k", "bad")
		r.start()
		r.put(0, "k", "b")
		r.settle()
		r.want("records", r.fs.all(), []string{"b"})
		r.want("counts", r.m.Stats()[0].Counts, Counts{Polled: 2, Invoked: 2, Failures: 1, Dropped: 1})
	})
}

func TestADestinationThatFailsIsTriedAgain(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.job.Retries, r.job.OnFailure = 0, queueARN
		r.queue.err = errors.New("the disk is full")
		r.fs.script = poison("bad")
		r.put(0, "k", "bad")
		r.start()
		r.put(0, "k", "b")
		rest(time.Minute)
		r.want("it waits", r.fs.all(), []string{})
		r.queue.mu.Lock()
		r.queue.err = nil
		r.queue.mu.Unlock()
		rest(time.Minute)
		r.want("records", r.fs.all(), []string{"b"})
		r.want("reports", reports(r.T, r.queue.all()), []string{"RetryAttemptsExhausted 1"})
	})
}

func TestStopping(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.fs.script = func(int, event) (string, bool, error) { time.Sleep(time.Minute); return "null", false, nil }
		r.put(0, "k", "a")
		r.start()
		r.put(0, "k", "b")
		before := time.Now()
		r.stop()
		if d := time.Since(before); d < 59*time.Second {
			r.Errorf("it did not wait for its batch, but %v", d)
		}
		r.want("batches", r.fs.batches(), [][]string{{"a"}})
		r.want("mark", r.mark("shardId-000000000000").From, "1")
	})
}

func TestIteratorAge(t *testing.T) {
	simulate(t, 1, func(r *rig) {
		r.put(0, "k", "a")
		rest(time.Hour)
		r.start()
		if d := r.m.Stats()[0].IteratorAge; d < time.Hour || d > time.Hour+time.Second {
			r.Errorf("the age is %v", d)
		}
	})
}
