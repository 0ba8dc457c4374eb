package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"golang.org/x/sync/errgroup"
)

// senders is how many send events at a time.
const senders = 64

// events measures what calls functions without waiting for them.
func events(ctx context.Context, l *lab) error {
	if l.langs[0].name != "python" {
		l.report.skip(l.out, "events: the function is in Python, which is not here")
		return nil
	}
	f := function{name: "started", lang: l.langs[0], files: map[string]string{"app.py": source("functions/started.py")}, memory: wholeCPU, limit: 20}
	if err := l.deploy(ctx, f); err != nil {
		return err
	}
	defer l.remove(context.WithoutCancel(ctx), f.name)
	for _, step := range []func(context.Context, *lab) error{queueLatency, enqueue, drain, accept, idleQueues, schedules} {
		if err := step(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// sqs is a call of one of the queues' operations.
func (l *lab) sqs(operation string) *call {
	return newCall(l.server.host, "/", "", map[string]string{"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS." + operation})
}

// ask makes one call and decodes its answer.
func (l *lab) ask(service string, to *call, in, out any) error {
	c, err := l.server.dial(service)
	if err != nil {
		return err
	}
	defer c.close()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	got, err := c.mustAnswer(to, body)
	if err == nil && out != nil {
		err = json.Unmarshal(got, out)
	}
	return err
}

// queue makes a queue.
func (l *lab) queue(name string) (url string, err error) {
	var out struct{ QueueUrl string }
	err = l.ask("sqs", l.sqs("CreateQueue"), map[string]string{"QueueName": name}, &out)
	return out.QueueUrl, err
}

func (l *lab) dropQueue(url string) {
	l.keep(l.ask("sqs", l.sqs("DeleteQueue"), map[string]string{"QueueUrl": url}, nil))
}

// waiting is how many messages a queue holds, delivered ones too.
func (l *lab) waiting(url string) (int, error) {
	var out struct{ Attributes map[string]string }
	err := l.ask("sqs", l.sqs("GetQueueAttributes"), map[string]any{"QueueUrl": url,
		"AttributeNames": []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"}}, &out)
	n := 0
	for _, v := range out.Attributes {
		i, _ := strconv.Atoi(v)
		n += i
	}
	return n, err
}

// awaitEmpty returns when all messages of a queue are dealt with.
func (l *lab) awaitEmpty(url string) error {
	return await("the queue to be empty", 5*time.Minute, func() bool {
		n, err := l.waiting(url)
		return err == nil && n == 0
	})
}

// subscribe maps a queue to the function started.
func (l *lab) subscribe(ctx context.Context, name string, batch int32) (id string, err error) {
	out, err := l.api.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("started"), BatchSize: &batch,
		EventSourceArn: aws.String("arn:aws:sqs:" + l.server.Region + ":000000000000:" + name)})
	if err != nil {
		return "", err
	}
	return *out.UUID, await("a mapping to be enabled", time.Minute, func() bool {
		m, err := l.api.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: out.UUID})
		return err == nil && *m.State == "Enabled"
	})
}

func (l *lab) unsubscribe(ctx context.Context, id string) {
	_, err := l.api.DeleteEventSourceMapping(context.WithoutCancel(ctx), &lambda.DeleteEventSourceMappingInput{UUID: &id})
	l.keep(err)
}

// queueLatency sends one message at a time to an idle queue; the function says
// in its log how long after that it began.
func queueLatency(ctx context.Context, l *lab) error {
	url, err := l.queue("latency")
	if err != nil {
		return err
	}
	defer l.dropQueue(url)
	id, err := l.subscribe(ctx, "latency", 1)
	if err != nil {
		return err
	}
	defer l.unsubscribe(ctx, id)
	c, err := l.server.dial("sqs")
	if err != nil {
		return err
	}
	defer c.close()
	n, send := max(20, l.size.events/100), l.sqs("SendMessage")
	for range n {
		body := fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"%d"}`, url, time.Now().UnixNano())
		if _, err := c.mustAnswer(send, []byte(body)); err != nil {
			return err
		}
		if err := l.awaitEmpty(url); err != nil {
			return err
		}
		rest(ctx, 20*time.Millisecond)
	}
	ms, err := l.startedAfter(ctx, "started", n)
	if err != nil {
		return err
	}
	warm := ms[len(ms)/10:] // the first ones are cold
	l.report.add(l.out, Row{ID: "events/latency", Ours: measureOf("SendMessage to handler started, idle queue", warm)})
	return nil
}

// startedAfter reads n times from the log of a function.
func (l *lab) startedAfter(ctx context.Context, function string, n int) (ms []float64, err error) {
	api := cloudwatchlogs.NewFromConfig(l.config())
	err = await("the log of all messages", time.Minute, func() bool {
		ms = ms[:0]
		in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/" + function), FilterPattern: aws.String("after")}
		for p := cloudwatchlogs.NewFilterLogEventsPaginator(api, in); p.HasMorePages(); {
			page, err := p.NextPage(ctx)
			if err != nil {
				return false
			}
			for _, e := range page.Events {
				if ns, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimPrefix(*e.Message, "after ")), 64); err == nil {
					ms = append(ms, ns/1e6)
				}
			}
		}
		return len(ms) >= n
	})
	return ms, err
}

// posts are callers who send bodies made from their request's number.
func (l *lab) posts(service string, to *call, n int, body func(caller int, n uint64) string) (workers []worker, done func(), err error) {
	var clients []*client
	done = func() {
		for _, c := range clients {
			c.close()
		}
	}
	for i := range n {
		c, err := l.server.dial(service)
		if err != nil {
			done()
			return nil, nil, err
		}
		clients = append(clients, c)
		workers = append(workers, func(n uint64) error {
			_, err := c.mustAnswer(to, []byte(body(i, n)))
			return err
		})
	}
	return workers, done, nil
}

// enqueue sends messages that are on disk when they are answered; the rival is
// the least that this takes: a log that is synced for all who wait.
func enqueue(ctx context.Context, l *lab) error {
	url, err := l.queue("enqueue")
	if err != nil {
		return err
	}
	defer l.dropQueue(url)
	ours, done, err := l.posts("sqs", l.sqs("SendMessage"), senders, func(caller int, n uint64) string {
		return fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"%d-%d %0100d"}`, url, caller, n, n)
	})
	if err != nil {
		return err
	}
	defer done()
	floor, err := newCommitLog(l.tmp)
	if err != nil {
		return err
	}
	defer floor.close()
	measures, err := l.contest(ctx, contender{fmt.Sprintf("SendMessage x%d", senders), ours, l.server.pid()},
		contender{fmt.Sprintf("append and fsync, one group for all who wait, x%d", senders), floor.writers(senders), 0})
	if err != nil {
		return err
	}
	l.report.add(l.out, Row{ID: "events/enqueue", Ours: measures[0], Rivals: measures[1:]})
	return nil
}

// drain fills a queue, and lets a function with batches of ten empty it.
func drain(ctx context.Context, l *lab) error {
	url, err := l.queue("drain")
	if err != nil {
		return err
	}
	defer l.dropQueue(url)
	entries := make([]string, 10)
	for i := range entries {
		entries[i] = fmt.Sprintf(`{"Id":"%d","MessageBody":"message %d"}`, i, i)
	}
	body := fmt.Sprintf(`{"QueueUrl":%q,"Entries":[%s]}`, url, strings.Join(entries, ","))
	if err := l.repeat(ctx, "sqs", l.sqs("SendMessageBatch"), l.size.events/10, func(int) string { return body }); err != nil {
		return err
	}
	before, began := clockOf(l.server.pid()), time.Now()
	id, err := l.subscribe(ctx, "drain", 10)
	if err != nil {
		return err
	}
	defer l.unsubscribe(ctx, id)
	if err := l.awaitEmpty(url); err != nil {
		return err
	}
	rate := float64(l.size.events) / time.Since(began).Seconds()
	l.report.add(l.out, Row{ID: "events/drain", Ours: Measure{Name: fmt.Sprintf("queue of %d to function, batches of 10", l.size.events), N: l.size.events,
		PerSec: Estimate{rate, rate, rate}, CPU: clockOf(l.server.pid()).since(before).shares(l.size.events)}})
	return nil
}

// repeat makes n calls from many sides.
func (l *lab) repeat(ctx context.Context, service string, to *call, n int, body func(i int) string) error {
	return l.repeatTo(ctx, service, n, func(i int) (*call, string) { return to, body(i) })
}

// repeatTo is repeat with a call of its own for each.
func (l *lab) repeatTo(ctx context.Context, service string, n int, request func(i int) (*call, string)) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range senders {
		g.Go(func() error {
			c, err := l.server.dial(service)
			if err != nil {
				return err
			}
			defer c.close()
			for i := next.Add(1); i <= int64(n) && ctx.Err() == nil; i = next.Add(1) {
				to, body := request(int(i))
				if _, err := c.mustAnswer(to, []byte(body)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// accept invokes asynchronously: an event that was answered is on disk.
func accept(ctx context.Context, l *lab) error {
	to := invoke(l.server.host, "started", "", map[string]string{"x-amz-invocation-type": "Event"})
	ours, done, err := l.posts("lambda", to, senders, func(caller int, n uint64) string { return fmt.Sprintf(`{"Records":[],"n":"%d-%d"}`, caller, n) })
	if err != nil {
		return err
	}
	defer done()
	measures, err := l.contest(ctx, contender{fmt.Sprintf("asynchronous invocations accepted x%d", senders), ours, l.server.pid()})
	if err != nil {
		return err
	}
	l.report.add(l.out, Row{ID: "events/async", Ours: measures[0]})
	return nil
}

// idleQueues has many queues with a mapping each do nothing.
func idleQueues(ctx context.Context, l *lab) error {
	n := l.size.functions
	ids := make([]string, n)
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i := range n {
		g.Go(func() error {
			name := fmt.Sprintf("idle-%d", i)
			if _, err := l.queue(name); err != nil {
				return err
			}
			id, err := l.subscribe(inner, name, 10)
			ids[i] = id
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	rest(ctx, 10*time.Second) // what async calls are left may end
	const watched = 5 * time.Second
	before := clockOf(l.server.pid())
	rest(ctx, watched)
	used := clockOf(l.server.pid()).since(before)
	l.report.add(l.out, Row{ID: "events/idle", Ours: Measure{Name: fmt.Sprintf("%d queues with a mapping each, idle", n)},
		Facts: []Fact{{"CPU of the server", 100 * used.server.Seconds() / watched.Seconds(), "%"}}})
	for _, id := range ids {
		l.unsubscribe(ctx, id)
	}
	return nil
}

// schedules stores many schedules, some of which are due at the same second.
func schedules(ctx context.Context, l *lab) error {
	url, err := l.queue("fired")
	if err != nil {
		return err
	}
	defer l.dropQueue(url)
	stored, due := 5*l.size.events, l.size.events/4
	began := time.Now()
	schedule := func(prefix string, at time.Time) func(i int) (*call, string) {
		body := fmt.Sprintf(`{"ScheduleExpression":"at(%s)","FlexibleTimeWindow":{"Mode":"OFF"},"Target":{"Arn":"arn:aws:sqs:%s:000000000000:fired","RoleArn":"arn:aws:iam::000000000000:role/bench"}}`,
			at.UTC().Format("2006-01-02T15:04:05"), l.server.Region)
		return func(i int) (*call, string) {
			return newCall(l.server.host, fmt.Sprintf("/schedules/%s-%d", prefix, i), "", map[string]string{"content-type": "application/json"}), body
		}
	}
	if err := l.repeatTo(ctx, "scheduler", stored, schedule("far", began.AddDate(1, 0, 0))); err != nil {
		return err
	}
	made := float64(stored) / time.Since(began).Seconds()
	lead := time.Duration(float64(due)/made*2*float64(time.Second)) + 3*time.Second // time enough to store them
	at := time.Now().Add(lead).Truncate(time.Second)
	if err := l.repeatTo(ctx, "scheduler", due, schedule("due", at)); err != nil {
		return err
	}
	if late := time.Since(at); late > 0 {
		return fmt.Errorf("the schedules were stored %v too late", late)
	}
	err = await("all that are due to fire", lead+5*time.Minute, func() bool {
		n, err := l.waiting(url)
		return err == nil && n >= due
	})
	if err != nil {
		return err
	}
	rate := float64(due) / time.Since(at).Seconds()
	l.report.add(l.out, Row{ID: "events/schedules", Ours: Measure{Name: fmt.Sprintf("%d schedules of %d due at one second", due, stored+due), N: due,
		PerSec: Estimate{rate, rate, rate}}, Facts: []Fact{{"schedules created", made, "a second"}}})
	return nil
}
