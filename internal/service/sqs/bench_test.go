package sqs

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

// cpu is the process's time on the processor so far.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// each runs do b.N times in so many goroutines, and reports rate and cost.
func each(b *testing.B, goroutines int, do func(ctx context.Context)) {
	var left atomic.Int64
	left.Store(int64(b.N))
	before := cpu()
	b.ResetTimer()
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				do(context.Background())
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-us/call")
}

func benchURL(w *world, q *queue) *string { return str("http://x/" + testAccount + "/" + q.name) }

func BenchmarkSend(b *testing.B) {
	for name, body := range map[string]string{"100B": strings.Repeat("x", 100), "1KB": strings.Repeat("x", 1000)} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			u := benchURL(w, w.create("q"))
			each(b, 64, func(ctx context.Context) {
				if _, err := w.api.sendMessage(ctx, &SendMessageRequest{QueueUrl: u, MessageBody: &body}); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func BenchmarkSendFIFO(b *testing.B) {
	w := newWorld(b)
	u := benchURL(w, w.create("q.fifo"))
	var n atomic.Int64
	each(b, 64, func(ctx context.Context) {
		i := n.Add(1)
		g, d, body := string(rune('a'+i%20)), time.Unix(0, i).String(), "x"
		d = strings.ReplaceAll(d, " ", "")
		if _, err := w.api.sendMessage(ctx, &SendMessageRequest{QueueUrl: u, MessageBody: &body, MessageGroupId: &g, MessageDeduplicationId: &d}); err != nil {
			b.Error(err)
		}
	})
}

// fill puts n messages into a queue, in large transactions.
func (w *world) fill(q *queue, n int, body string) {
	for n > 0 {
		var ms []*message
		for range min(n, 1000) {
			m, err := w.compose(q, &draft{body: body}, "me")
			if err != nil {
				w.t.Fatal(err)
			}
			ms = append(ms, m)
		}
		if err := w.send(context.Background(), q, ms...); err != nil {
			w.t.Fatal(err)
		}
		n -= len(ms)
	}
}

// BenchmarkReceiveDelete receives ten and deletes them, for each operation.
func BenchmarkReceiveDelete(b *testing.B) {
	w := newWorld(b)
	q := w.create("q")
	w.fill(q, 10*b.N, strings.Repeat("x", 1000))
	each(b, 16, func(ctx context.Context) {
		ms, err := w.receive(ctx, q, 10, time.Minute, 0)
		var rs []receipt
		for _, m := range ms {
			r, _ := parseHandle(m.handle)
			rs = append(rs, r)
		}
		if err == nil {
			_, err = w.erase(ctx, q, rs)
		}
		if err != nil || len(rs) == 0 {
			b.Error(err, len(rs))
		}
	})
}

// BenchmarkWake is from a send to the receiver's having the message.
func BenchmarkWake(b *testing.B) {
	w := newWorld(b)
	q := w.create("q")
	var sum time.Duration
	for b.Loop() {
		got := make(chan time.Time)
		go func() {
			ms, err := w.receive(context.Background(), q, 1, time.Minute, 20*time.Second)
			if err != nil || len(ms) != 1 {
				b.Error(err)
			}
			got <- time.Now()
		}()
		for waiting := 0; waiting == 0; {
			q.mu.Lock()
			waiting = q.waiters.Len()
			q.mu.Unlock()
		}
		w.push(q, draft{body: "x"})
		sent := time.Now()
		sum += (<-got).Sub(sent)
	}
	b.ReportMetric(float64(sum.Microseconds())/float64(b.N), "us-after-send")
}

// BenchmarkHTTPSend is through the wire; the clients' cost is in it.
func BenchmarkHTTPSend(b *testing.B) {
	w := newWorld(b)
	q := w.create("q")
	base := wiretest.Serve(b, Service(w.Book))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	body := `{"QueueUrl":"` + w.url(base, q.name) + `","MessageBody":"` + strings.Repeat("x", 1000) + `"}`
	each(b, 64, func(ctx context.Context) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, base, strings.NewReader(body))
		if err != nil {
			b.Error(err)
			return
		}
		r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		answer, err := client.Do(r)
		if err != nil || answer.StatusCode != 200 {
			b.Error(answer, err)
			return
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	})
}

// BenchmarkIdle is what a thousand queues cost on which somebody waits.
func BenchmarkIdle(b *testing.B) {
	w := newWorld(b)
	ctx, stop := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	for i := range 1000 {
		q := w.create("q" + strconv.Itoa(i))
		wg.Go(func() { w.Receive(ctx, q.arn, 10) })
	}
	for b.Loop() {
		before := cpu()
		time.Sleep(3 * time.Second)
		b.ReportMetric(float64((cpu()-before).Microseconds())/3e4, "cpu-percent")
	}
	stop()
	wg.Wait()
}
