package e2e

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// pyWitness writes down each event that it handles, in a file that outlives
// the server, and fails for poison.
const pyWitness = `import json, os, time
book = os.open(os.environ["BOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def handler(event, context):
    lines, failed = [], []
    for r in event.get("Records", [event]):
        id = json.loads(r["body"]) if "body" in r else r.get("id") if "detail" not in r else "e" + r["detail"]["n"]
        if "poison" in id:
            failed.append({"itemIdentifier": r.get("messageId")})
        else:
            lines.append("%d %s\n" % (time.time_ns(), id))
    os.write(book, "".join(lines).encode())
    if failed and "Records" not in event:
        raise ValueError("poison")
    return {"batchItemFailures": failed}
`

// lanes is how many groups the FIFO queue has, each with a sender of its own.
const lanes = 4

// A witnessed is what the senders were told, and when the server died.
type witnessed struct {
	book  string
	count atomic.Int64
	next  atomic.Int64

	mu    sync.Mutex // guards what follows
	acked map[string]bool
	last  [lanes]int // of each group, the last number that was acknowledged
	kills []int64
}

// TestKill9Events kills the server at random moments while events go through
// asynchronous invocation, queues and a bus. Every event that was acknowledged
// is handled or in a dead-letter queue; groups keep their order; an event comes
// twice only when it was under way at a kill.
//
// MAYFLY_KILLS and MAYFLY_KILL_EVENTS make it longer.
func TestKill9Events(t *testing.T) {
	kills, events := setting(t, "MAYFLY_KILLS", 5), setting(t, "MAYFLY_KILL_EVENTS", 3000)
	if testing.Short() {
		kills, events = 2, 500
	}
	s := start(t, "--tier", "process") // so that the code can write the book
	w := &witnessed{book: filepath.Join(t.TempDir(), "book"), acked: map[string]bool{}}
	urls := w.prepare(t, s)
	for round := range kills {
		w.underLoad(t, s, urls, events*round/kills, events/kills)
		s.run()
	}
	dead := w.await(t, s, urls)
	w.judge(t, dead)
}

func setting(t testing.TB, name string, usual int) int {
	if v := os.Getenv(name); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	return usual
}

// prepare makes the function and the ways to it, and answers the queues' URLs.
func (w *witnessed) prepare(t *testing.T, s *server) map[string]string {
	c := s.clients(t)
	urls := map[string]string{"dead": c.queue("dead", nil)}
	visible := map[string]string{"VisibilityTimeout": "5"}
	redrive := map[string]string{"VisibilityTimeout": "5", "RedrivePolicy": `{"deadLetterTargetArn":"` + resource("sqs", "dead") + `","maxReceiveCount":2}`}
	urls["plain"] = c.queue("plain", redrive)
	urls["bus"] = c.queue("bus", redrive)
	visible["FifoQueue"] = "true"
	urls["ordered"] = c.queue("ordered.fifo", visible)
	create(t, c.lambda, "witness", s.pythonRuntime(), "app.handler", zipped(t, map[string]string{"app.py": pyWitness}), func(in *lambda.CreateFunctionInput) {
		in.Timeout, in.Environment = aws.Int32(5), &types.Environment{Variables: map[string]string{"BOOK": w.book}}
		in.DeadLetterConfig = &types.DeadLetterConfig{TargetArn: aws.String(resource("sqs", "dead"))}
	})
	if _, err := c.lambda.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: aws.String("witness"), ReservedConcurrentExecutions: aws.Int32(16)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.lambda.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("witness"), MaximumRetryAttempts: aws.Int32(0)}); err != nil {
		t.Fatal(err)
	}
	few := func(in *lambda.CreateEventSourceMappingInput) {
		in.ScalingConfig = &types.ScalingConfig{MaximumConcurrency: aws.Int32(2)}
	}
	for _, q := range []string{"plain", "bus", "ordered.fifo"} {
		c.mapped(q, "witness", few, reporting)
	}
	c.allow("witness", "events")
	c.rule("all", "kill", eventtypes.Target{Id: aws.String("f"), Arn: aws.String(resource("lambda", "function:witness"))},
		eventtypes.Target{Id: aws.String("q"), Arn: aws.String(resource("sqs", "bus")), InputTransformer: &eventtypes.InputTransformer{
			InputPathsMap: map[string]string{"n": "$.detail.n"}, InputTemplate: aws.String(`"b<n>"`)}})
	return urls
}

// underLoad sends from several sides, and kills the server at a random moment
// on the way to so many more acknowledged events.
func (w *witnessed) underLoad(t *testing.T, s *server, urls map[string]string, from, events int) {
	ctx, cancel := context.WithCancel(t.Context())
	c := s.clients(t)
	until := int64(from + events)
	moment := w.count.Load() + rand.Int64N(max(1, until-w.count.Load()))
	reached := make(chan struct{})
	tell := sync.OnceFunc(func() { close(reached) })
	var wg sync.WaitGroup
	work := []func(context.Context, *clients, map[string]string) bool{w.sendAsync, w.sendAsync, w.sendPlain, w.sendBus}
	for lane := range lanes {
		work = append(work, func(ctx context.Context, c *clients, urls map[string]string) bool {
			return w.sendOrdered(ctx, c, urls, lane)
		})
	}
	for _, send := range work {
		wg.Go(func() {
			for ctx.Err() == nil && w.count.Load() < until && send(ctx, c, urls) {
				if w.count.Load() > moment {
					tell()
				}
			}
			tell() // refused or done
		})
	}
	<-reached
	time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
	w.mu.Lock()
	w.kills = append(w.kills, time.Now().UnixNano())
	w.mu.Unlock()
	s.kill()
	cancel()
	wg.Wait()
}

// ids are n new names, one in fifty of them poison.
func (w *witnessed) ids(n int) (ids []string) {
	for range n {
		i := w.next.Add(1)
		if ids = append(ids, fmt.Sprint(i)); i%50 == 0 {
			ids[len(ids)-1] += "poison"
		}
	}
	return ids
}

// ack remembers what was acknowledged: ids under each prefix.
func (w *witnessed) ack(ids []string, prefixes ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		for _, p := range prefixes {
			w.acked[p+id] = true
		}
	}
	w.count.Add(int64(len(ids)))
}

func (w *witnessed) sendAsync(ctx context.Context, c *clients, _ map[string]string) bool {
	ids := w.ids(1)
	_, err := c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("witness"), InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"id":"a` + ids[0] + `"}`)})
	if err == nil {
		w.ack(ids, "a")
	}
	return err == nil
}

func (w *witnessed) sendPlain(ctx context.Context, c *clients, urls map[string]string) bool {
	ids := w.ids(10)
	var all []sqstypes.SendMessageBatchRequestEntry
	for _, id := range ids {
		all = append(all, sqstypes.SendMessageBatchRequestEntry{Id: &id, MessageBody: aws.String(`"q` + id + `"`)})
	}
	out, err := c.sqs.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: aws.String(urls["plain"]), Entries: all})
	if err != nil {
		return false
	}
	ids = nil
	for _, e := range out.Successful {
		ids = append(ids, *e.Id)
	}
	w.ack(ids, "q")
	return true
}

func (w *witnessed) sendBus(ctx context.Context, c *clients, _ map[string]string) bool {
	ids := w.ids(10)
	var all []eventtypes.PutEventsRequestEntry
	for _, id := range ids {
		all = append(all, eventtypes.PutEventsRequestEntry{Source: aws.String("kill"), DetailType: aws.String("t"), Detail: aws.String(`{"n":"` + id + `"}`)})
	}
	out, err := c.events.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: all})
	if err != nil || out.FailedEntryCount > 0 {
		return false
	}
	w.ack(ids, "e", "b")
	return true
}

// sendOrdered sends the next number of a group. One that was not acknowledged
// is sent again: its deduplication id keeps it from being there twice.
func (w *witnessed) sendOrdered(ctx context.Context, c *clients, urls map[string]string, lane int) bool {
	w.mu.Lock()
	n := w.last[lane] + 1
	w.mu.Unlock()
	group, id := fmt.Sprintf("g%d", lane), fmt.Sprintf("g%d-%d", lane, n)
	_, err := c.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(urls["ordered"]), MessageBody: aws.String(`"` + id + `"`), MessageGroupId: &group, MessageDeduplicationId: &id})
	if err != nil {
		return false
	}
	w.ack([]string{id}, "")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last[lane] = n
	return true
}

// A sight is one handling of an event.
type sight struct {
	at int64
	id string
}

// read reads the witness's book.
func (w *witnessed) read(t *testing.T) (all []sight) {
	f, err := os.Open(w.book)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := bufio.NewScanner(f); r.Scan(); {
		at, id, _ := strings.Cut(r.Text(), " ")
		n, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			t.Fatalf("the book says %q", r.Text())
		}
		all = append(all, sight{n, id})
	}
	return all
}

// await waits until all that was acknowledged is somewhere, as long as there
// is progress, and answers what is in the dead-letter queue.
func (w *witnessed) await(t *testing.T, s *server, urls map[string]string) map[string]int {
	c, dead := s.clients(t), map[string]int{}
	missing, progress := len(w.acked)+1, time.Now()
	var some []string
	for time.Since(progress) < 40*time.Second {
		for _, m := range c.drained(urls["dead"]) {
			dead[deadID(*m.Body)]++
		}
		seen := map[string]bool{}
		for _, one := range w.read(t) {
			seen[one.id] = true
		}
		n := 0
		some = nil
		for id := range w.acked {
			if !seen[id] && dead[id] == 0 {
				if n++; len(some) < 10 {
					some = append(some, id)
				}
			}
		}
		if n == 0 {
			return dead
		}
		if n < missing {
			missing, progress = n, time.Now()
		}
		time.Sleep(200 * time.Millisecond)
	}
	ms, _ := c.lambda.ListEventSourceMappings(t.Context(), &lambda.ListEventSourceMappingsInput{})
	for _, m := range ms.EventSourceMappings {
		t.Logf("%s: %s, %s", *m.EventSourceArn, *m.State, aws.ToString(m.LastProcessingResult))
	}
	for name, url := range urls {
		out, err := c.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %s visible, %s not", name, out.Attributes["ApproximateNumberOfMessages"], out.Attributes["ApproximateNumberOfMessagesNotVisible"])
	}
	t.Errorf("%d of %d acknowledged events are neither handled nor in the dead-letter queue, among them %s", missing, len(w.acked), some)
	return dead
}

// deadID is which event a dead letter is.
func deadID(body string) string {
	for _, m := range []struct{ before, prefix string }{{`{"id":"`, ""}, {`"n":"`, "e"}, {`"`, ""}} {
		if _, rest, ok := strings.Cut(body, m.before); ok && (m.before != `{"id":"` || strings.HasPrefix(body, m.before)) {
			id, _, _ := strings.Cut(rest, `"`)
			return m.prefix + id
		}
	}
	return body
}

// judge holds the book to what was promised.
func (w *witnessed) judge(t *testing.T, dead map[string]int) {
	first, twice := map[string]int64{}, 0
	var most [lanes]int
	all := w.read(t)
	slices.SortStableFunc(all, func(a, b sight) int { return int(a.at - b.at) })
	for _, one := range all {
		if before, ok := first[one.id]; ok {
			twice++
			if !w.killedBetween(before, one.at) {
				t.Errorf("%s was handled twice, %v apart, and no kill between", one.id, time.Duration(one.at-before))
			}
		}
		first[one.id] = one.at
		var lane, n int
		if _, err := fmt.Sscanf(one.id, "g%d-%d", &lane, &n); err == nil {
			if n > most[lane]+1 {
				t.Errorf("%s was handled after g%d-%d", one.id, lane, most[lane])
			}
			most[lane] = max(most[lane], n)
		}
	}
	both, poison := 0, 0
	for id := range dead {
		if _, ok := first[id]; ok {
			both++ // handled, killed before that was written, and then given up
		}
		if strings.Contains(id, "poison") {
			poison++
		}
	}
	for id := range w.acked {
		if strings.Contains(id, "poison") && dead[id] == 0 {
			t.Errorf("%s is not in the dead-letter queue", id)
		}
	}
	t.Logf("%d sent and acknowledged, %d deliveries wanted, %d kills; %d handled, %d of them again after a kill; %d dead letters, %d of them poison, %d handled as well",
		w.count.Load(), len(w.acked), len(w.kills), len(all), twice, len(dead), poison, both)
}

// inFlight is how long before a kill an event may have been handled that the
// server had not settled when it died.
const inFlight = 5 * time.Second

// killedBetween tells whether the server was killed between two handlings, and
// soon after the first.
func (w *witnessed) killedBetween(first, second int64) bool {
	for _, k := range w.kills {
		if first < k+int64(time.Second) && second > k && k-first < int64(inFlight) {
			return true
		}
	}
	return false
}
