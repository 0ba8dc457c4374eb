package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// pyTopic writes down each event, and fails at records that begin with bad; of
// those that begin with part it tells.
const pyTopic = `import base64, json, os
book = os.open(os.environ["BOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def handler(event, context):
    os.write(book, (json.dumps(event, separators=(",", ":")) + "\n").encode())
    failed = []
    for name, records in event["records"].items():
        for r in records:
            value = base64.b64decode(r.get("value", ""))
            if value.startswith(b"bad"):
                raise Exception("a bad record")
            if value.startswith(b"part"):
                failed.append({"itemIdentifier": {"partition": name, "offset": r["offset"]}})
    return {"batchItemFailures": failed}
`

// A kafkaRig is a server, a broker, and a function whose events are written down.
type kafkaRig struct {
	*testing.T
	s    *server
	b    *broker
	c    *clients
	book string
}

func newKafkaRig(t *testing.T) *kafkaRig {
	b := startBroker(t)
	r := &kafkaRig{T: t, b: b, book: filepath.Join(t.TempDir(), "book")}
	r.s = start(t, "--tier", "process") // so that the code can write the book
	r.c = r.s.clients(t)
	r.function("topic")
	return r
}

// function makes one. A topic may be mapped to it once.
func (r *kafkaRig) function(name string) {
	r.Helper()
	create(r.T, r.c.lambda, name, r.s.pythonRuntime(), "app.handler", zipped(r.T, map[string]string{"app.py": pyTopic}), func(in *lambda.CreateFunctionInput) {
		in.Environment = &types.Environment{Variables: map[string]string{"BOOK": r.book}}
	})
}

// mapped maps a topic to the function.
func (r *kafkaRig) mapped(topic, group, server string, more ...func(*lambda.CreateEventSourceMappingInput)) string {
	r.Helper()
	in := &lambda.CreateEventSourceMappingInput{
		FunctionName: aws.String("topic"), Topics: []string{topic}, StartingPosition: types.EventSourcePositionTrimHorizon,
		SelfManagedEventSource:            &types.SelfManagedEventSource{Endpoints: map[string][]string{"KAFKA_BOOTSTRAP_SERVERS": {server}}},
		SelfManagedKafkaEventSourceConfig: &types.SelfManagedKafkaEventSourceConfig{ConsumerGroupId: &group},
		MaximumBatchingWindowInSeconds:    aws.Int32(0),
	}
	for _, f := range more {
		f(in)
	}
	out, err := r.c.lambda.CreateEventSourceMapping(r.Context(), in)
	if err != nil {
		r.Fatal(err)
	}
	return *out.UUID
}

func access(kind types.SourceAccessType, secret string) types.SourceAccessConfiguration {
	return types.SourceAccessConfiguration{Type: kind, URI: aws.String(resource("secretsmanager", "secret:"+secret))}
}

func (r *kafkaRig) secret(name string, content map[string]string) {
	r.Helper()
	b, err := json.Marshal(content)
	if err != nil {
		r.Fatal(err)
	}
	write(r.T, filepath.Join(r.s.Data, "secrets", name+".json"), string(b))
}

// caughtUp waits until a group has done all of a topic.
func (r *kafkaRig) caughtUp(group, topic string) {
	r.Helper()
	await(r.T, "group "+group, func() bool { return r.b.lag(group, topic) == 0 })
}

// state is how a mapping is, and its last result.
func (r *kafkaRig) state(uuid string) (state, result string) {
	r.Helper()
	out, err := r.c.lambda.GetEventSourceMapping(r.Context(), &lambda.GetEventSourceMappingInput{UUID: &uuid})
	if err != nil {
		r.Fatal(err)
	}
	return *out.State, aws.ToString(out.LastProcessingResult)
}

// enable switches a mapping on or off.
func (r *kafkaRig) enable(uuid string, on bool) {
	r.Helper()
	want := map[bool]string{true: "Enabled", false: "Disabled"}[on]
	_, err := r.c.lambda.UpdateEventSourceMapping(r.Context(), &lambda.UpdateEventSourceMappingInput{UUID: &uuid, Enabled: &on})
	if err != nil {
		r.Fatal(err)
	}
	await(r.T, want, func() bool { s, _ := r.state(uuid); return s == want })
}

// handled are the values that the function has got of a topic, in order.
func (r *kafkaRig) handled(topic string) (all []string) {
	r.Helper()
	for _, line := range bookLines(r.book) {
		var e struct {
			Records map[string][]struct {
				Topic string
				Value []byte
			}
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			r.Fatalf("%v: %s", err, line)
		}
		for _, records := range e.Records {
			for _, one := range records {
				if one.Topic == topic {
					all = append(all, string(one.Value))
				}
			}
		}
	}
	return all
}

func TestKafka(t *testing.T) {
	r := newKafkaRig(t)
	t.Run("event", r.with(testKafkaEvent))
	t.Run("access", r.with(testKafkaAccess))
	t.Run("failures", r.with(testKafkaFailures))
	t.Run("group", r.with(testKafkaGroup))
	t.Run("positions", r.with(testKafkaPositions))
	t.Run("refusals", r.with(testKafkaRefusals))
	t.Run("cluster", r.with(testKafkaCluster))
	t.Run("recreated", r.with(testKafkaRecreated))
	t.Run("outage", r.with(testKafkaOutage))
}

func (r *kafkaRig) with(f func(*kafkaRig)) func(*testing.T) {
	return func(t *testing.T) {
		one, b, c := *r, *r.b, *r.c
		b.t, c.t = t, t
		one.T, one.b, one.c = t, &b, &c
		f(&one)
	}
}

func testKafkaEvent(r *kafkaRig) {
	r.b.topic("plain", 1)
	r.b.put("plain", 0, "one", "two")
	if err := r.b.client.ProduceSync(r.Context(), &kgo.Record{Topic: "plain", Key: []byte("gone"), Timestamp: time.UnixMilli(1)}).FirstErr(); err != nil {
		r.Fatal(err)
	}
	r.mapped("plain", "plain-readers", r.b.open)
	r.caughtUp("plain-readers", "plain")
	record := func(offset int, value string) string {
		return fmt.Sprintf(`{"topic":"plain","partition":0,"offset":%d,"timestamp":1545084650987,"timestampType":"CREATE_TIME","key":"aw==","value":%q,"headers":[{"h":[118,-36]}]}`, offset, value)
	}
	want := `{"eventSource":"SelfManagedKafka","bootstrapServers":"` + r.b.open + `","records":{"plain-0":[` + record(0, "b25l") + "," + record(1, "dHdv") +
		`,{"topic":"plain","partition":0,"offset":2,"timestamp":1,"timestampType":"CREATE_TIME","key":"Z29uZQ==","headers":[]}]}}`
	if got := bookLines(r.book); len(got) != 1 || got[0] != want {
		r.Errorf("got\n%s want\n%s", strings.Join(got, "\n"), want)
	}
}

func testKafkaAccess(r *kafkaRig) {
	r.secret("kafka/root", map[string]string{"certificate": r.b.root})
	r.secret("kafka/login", map[string]string{"username": "ada", "password": "engine"})
	r.secret("kafka/wrong", map[string]string{"username": "ada", "password": "motor"})
	r.secret("kafka/client", map[string]string{"certificate": r.b.cert, "privateKey": r.b.key})
	root := access(types.SourceAccessTypeServerRootCaCertificate, "kafka/root")
	for i, kind := range []types.SourceAccessType{types.SourceAccessTypeSaslScram512Auth, types.SourceAccessTypeSaslScram256Auth, types.SourceAccessTypeBasicAuth, types.SourceAccessTypeClientCertificateTlsAuth} {
		topic, server, secret := fmt.Sprintf("door-%d", i), r.b.sasl, "kafka/login-AbCdEf"
		if kind == types.SourceAccessTypeClientCertificateTlsAuth {
			server, secret = r.b.mtls, "kafka/client"
		}
		r.b.topic(topic, 1)
		r.b.put(topic, 0, string(kind))
		r.mapped(topic, topic, server, func(in *lambda.CreateEventSourceMappingInput) {
			in.SourceAccessConfigurations = []types.SourceAccessConfiguration{root, access(kind, secret), {Type: types.SourceAccessTypeVpcSubnet, URI: aws.String("subnet:subnet-1")}}
		})
		r.caughtUp(topic, topic)
		if got := r.handled(topic); !slices.Equal(got, []string{string(kind)}) {
			r.Errorf("%s: handled %q", kind, got)
		}
	}
	// A wrong password is told of, and a right one needs no restart.
	r.b.topic("locked", 1)
	r.b.put("locked", 0, "in")
	uuid := r.mapped("locked", "locked", r.b.sasl, func(in *lambda.CreateEventSourceMappingInput) {
		in.SourceAccessConfigurations = []types.SourceAccessConfiguration{root, access(types.SourceAccessTypeSaslScram512Auth, "kafka/wrong")}
	})
	await(r.T, "the problem", func() bool {
		_, result := r.state(uuid)
		return result == "PROBLEM: Authentication failed. Please check the secret of your SourceAccessConfigurations."
	})
	r.secret("kafka/wrong", map[string]string{"username": "ada", "password": "engine"})
	r.caughtUp("locked", "locked")
}

func testKafkaFailures(r *kafkaRig) {
	r.b.topic("risky", 1)
	r.b.topic("dead", 1)
	r.mapped("risky", "risky", r.b.open, func(in *lambda.CreateEventSourceMappingInput) {
		in.MaximumRetryAttempts, in.BatchSize, in.BisectBatchOnFunctionError = aws.Int32(0), aws.Int32(10), aws.Bool(true)
		in.FunctionResponseTypes = []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures}
		in.DestinationConfig = &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String("kafka://dead")}}
	})
	r.b.put("risky", 0, "fine", "bad", "good", "part", "last")
	r.caughtUp("risky", "risky")
	dead := r.b.read("dead", 2)
	for i, want := range []string{"1", "3"} {
		var rep struct {
			RequestContext struct{ Condition string }
			KafkaBatchInfo struct {
				BatchSize        int
				BootstrapServers string
				RecordsInfo      map[string]struct{ FirstRecordOffset, LastRecordOffset string }
			}
			Payload string
		}
		if err := json.Unmarshal(dead[i].Value, &rep); err != nil {
			r.Fatal(err)
		}
		info := rep.KafkaBatchInfo.RecordsInfo["risky-0"]
		if rep.RequestContext.Condition != "RetryAttemptsExhausted" || info.FirstRecordOffset != want || info.LastRecordOffset != want || !strings.Contains(rep.Payload, `"offset":`+want) {
			r.Errorf("failure %d: %s", i, dead[i].Value)
		}
	}
	for _, value := range []string{"fine", "good", "last"} {
		if !slices.Contains(r.handled("risky"), value) {
			r.Errorf("%s was not handled", value)
		}
	}
	// A queue is told of them, too.
	url := r.c.queue("dead", nil)
	r.b.topic("sent", 1)
	r.mapped("sent", "sent", r.b.open, func(in *lambda.CreateEventSourceMappingInput) {
		in.MaximumRetryAttempts = aws.Int32(0)
		in.FilterCriteria = &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String(`{"value":[{"prefix":"bad"}]}`)}}}
		in.DestinationConfig = &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String(resource("sqs", "dead"))}}
	})
	r.b.put("sent", 0, "skipped", "bad")
	r.caughtUp("sent", "sent")
	if got := r.c.drained(url); len(got) != 1 || !strings.Contains(*got[0].Body, `"recordsInfo":{"sent-0":{"firstRecordOffset":"1"`) {
		r.Errorf("the queue was told %v", got)
	}
}

// The group's offsets are what counts: an operator may set them back while the
// mapping is disabled.
func testKafkaGroup(r *kafkaRig) {
	r.b.topic("again", 2)
	r.b.put("again", 0, "a", "b")
	r.b.put("again", 1, "c")
	uuid := r.mapped("again", "again", r.b.open)
	r.caughtUp("again", "again")
	r.enable(uuid, false)
	back := kadm.Offsets{}
	back.AddOffset("again", 0, 1, -1)
	if done, err := r.b.admin.CommitOffsets(r.Context(), "again", back); err != nil || done.Error() != nil {
		r.Fatal(err, done.Error())
	}
	r.enable(uuid, true)
	await(r.T, "the record to come again", func() bool { return len(r.handled("again")) == 4 })
	r.caughtUp("again", "again")
	got := r.handled("again")
	slices.Sort(got)
	if !slices.Equal(got, []string{"a", "b", "b", "c"}) {
		r.Errorf("handled %q", got)
	}
	// A new partition is read from its start, and what was there goes on.
	if _, err := r.b.admin.CreatePartitions(r.Context(), 1, "again"); err != nil {
		r.Fatal(err)
	}
	r.enable(uuid, false)
	r.b.client.ForceMetadataRefresh()
	await(r.T, "the new partition", func() bool {
		err := r.b.client.ProduceSync(r.Context(), &kgo.Record{Topic: "again", Partition: 2, Value: []byte("d")}).FirstErr()
		return err == nil
	})
	r.enable(uuid, true)
	r.caughtUp("again", "again")
	if got := r.handled("again"); got[len(got)-1] != "d" {
		r.Errorf("handled %q", got)
	}
	// Two readers share the work, and nothing comes twice.
	r.function("second")
	other := r.mapped("again", "again", r.b.open, func(in *lambda.CreateEventSourceMappingInput) { in.FunctionName = aws.String("second") })
	await(r.T, "the second one", func() bool { return r.members("again") == 2 })
	before := len(r.handled("again"))
	for i := range 60 {
		r.b.put("again", int32(i%3), fmt.Sprintf("n%d", i))
	}
	r.caughtUp("again", "again")
	got = r.handled("again")[before:]
	slices.Sort(got)
	if n := len(slices.Compact(slices.Clone(got))); n != 60 || len(got) != 60 {
		r.Errorf("of 60 records %d were handled, %d times", n, len(got))
	}
	r.enable(other, false)
	await(r.T, "the second one to leave", func() bool { return r.members("again") == 1 })
	r.b.put("again", 0, "end")
	r.b.put("again", 1, "end")
	r.b.put("again", 2, "end")
	r.caughtUp("again", "again")
}

// members is how many have partitions of a group that has settled.
func (r *kafkaRig) members(group string) int {
	r.Helper()
	all, err := r.b.admin.DescribeGroups(r.Context(), group)
	if err != nil {
		r.Fatal(err)
	}
	if all[group].State != "Stable" {
		return 0
	}
	n := 0
	for _, m := range all[group].Members {
		if a, ok := m.Assigned.AsConsumer(); ok && len(a.Topics) > 0 {
			n++
		}
	}
	return n
}

func testKafkaPositions(r *kafkaRig) {
	r.b.topic("late", 1)
	old := &kgo.Record{Topic: "late", Value: []byte("old"), Timestamp: time.Now().Add(-time.Hour)}
	recent := &kgo.Record{Topic: "late", Value: []byte("recent"), Timestamp: time.Now().Add(-time.Minute)}
	if err := r.b.client.ProduceSync(r.Context(), old, recent).FirstErr(); err != nil {
		r.Fatal(err)
	}
	r.function("latest")
	uuid := r.mapped("late", "latest", r.b.open, func(in *lambda.CreateEventSourceMappingInput) {
		in.FunctionName, in.StartingPosition = aws.String("latest"), types.EventSourcePositionLatest
	})
	await(r.T, "the mapping", func() bool { s, _ := r.state(uuid); return s == "Enabled" })
	r.b.put("late", 0, "new")
	r.caughtUp("latest", "late")
	if got := r.handled("late"); !slices.Equal(got, []string{"new"}) {
		r.Errorf("LATEST has handled %q", got)
	}
	r.mapped("late", "timed", r.b.open, func(in *lambda.CreateEventSourceMappingInput) {
		in.StartingPosition, in.StartingPositionTimestamp = types.EventSourcePositionAtTimestamp, aws.Time(time.Now().Add(-30*time.Minute))
	})
	r.caughtUp("timed", "late")
	if got := r.handled("late"); !slices.Equal(got, []string{"new", "recent", "new"}) {
		r.Errorf("AT_TIMESTAMP has handled %q", got[1:])
	}
}

func testKafkaRefusals(r *kafkaRig) {
	for name, test := range map[string]struct {
		change func(*lambda.CreateEventSourceMappingInput)
		want   string
	}{
		"no topic":    {func(in *lambda.CreateEventSourceMappingInput) { in.Topics = nil }, "Topics must be specified"},
		"no position": {func(in *lambda.CreateEventSourceMappingInput) { in.StartingPosition = "" }, "startingPosition"},
		"factor":      {func(in *lambda.CreateEventSourceMappingInput) { in.ParallelizationFactor = aws.Int32(2) }, "Unsupported ParallelizationFactor"},
		"window":      {func(in *lambda.CreateEventSourceMappingInput) { in.TumblingWindowInSeconds = aws.Int32(2) }, "Unsupported TumblingWindowInSeconds"},
		"no secret": {func(in *lambda.CreateEventSourceMappingInput) {
			in.SourceAccessConfigurations = []types.SourceAccessConfiguration{access(types.SourceAccessTypeBasicAuth, "none")}
		}, "Cannot access secret manager value"},
		"a loop": {func(in *lambda.CreateEventSourceMappingInput) {
			in.DestinationConfig = &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String("kafka://refused")}}
		}, "must not be the one that is read"},
		"an unknown cluster": {func(in *lambda.CreateEventSourceMappingInput) {
			in.SelfManagedEventSource, in.SelfManagedKafkaEventSourceConfig, in.EventSourceArn = nil, nil, aws.String(resource("kafka", "cluster/none/1"))
		}, "clusters.json"},
	} {
		in := &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("topic"), Topics: []string{"refused"}, StartingPosition: types.EventSourcePositionLatest,
			SelfManagedEventSource: &types.SelfManagedEventSource{Endpoints: map[string][]string{"KAFKA_BOOTSTRAP_SERVERS": {r.b.open}}}}
		test.change(in)
		_, err := r.c.lambda.CreateEventSourceMapping(r.Context(), in)
		if refused, ok := errors.AsType[*types.InvalidParameterValueException](err); !ok || !strings.Contains(*refused.Message, test.want) {
			r.Errorf("%s: %v", name, err)
		}
	}
	_, err := r.c.lambda.CreateEventSourceMapping(r.Context(), &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("topic"), Topics: []string{"plain"},
		StartingPosition: types.EventSourcePositionLatest, SelfManagedEventSource: &types.SelfManagedEventSource{Endpoints: map[string][]string{"KAFKA_BOOTSTRAP_SERVERS": {r.b.open}}}})
	if _, ok := errors.AsType[*types.ResourceConflictException](err); !ok {
		r.Errorf("the same topic and function again: %v", err)
	}
}

// A cluster may be named as on AWS.
func testKafkaCluster(r *kafkaRig) {
	arn := resource("kafka", "cluster/shop/0f1e")
	b, err := json.Marshal(map[string][]string{arn: {r.b.open}})
	if err != nil {
		r.Fatal(err)
	}
	write(r.T, filepath.Join(r.s.Data, "clusters.json"), string(b))
	r.b.topic("managed", 1)
	r.b.put("managed", 0, "x")
	uuid := r.mapped("managed", "", "", func(in *lambda.CreateEventSourceMappingInput) {
		in.SelfManagedEventSource, in.SelfManagedKafkaEventSourceConfig, in.EventSourceArn = nil, nil, &arn
	})
	r.caughtUp(uuid, "managed") // the group is called as the mapping is
	all := bookLines(r.book)
	if want := `{"eventSource":"aws:kafka","eventSourceArn":"` + arn + `","bootstrapServers":"` + r.b.open + `",`; !strings.HasPrefix(all[len(all)-1], want) {
		r.Errorf("got %s, want %s...", all[len(all)-1], want)
	}
	out, err := r.c.lambda.ListEventSourceMappings(r.Context(), &lambda.ListEventSourceMappingsInput{EventSourceArn: &arn})
	if err != nil || len(out.EventSourceMappings) != 1 || *out.EventSourceMappings[0].AmazonManagedKafkaEventSourceConfig.ConsumerGroupId != uuid {
		r.Errorf("listed: %v, %v", out, err)
	}
}

// A topic that is deleted and made again is another one, read from its start.
func testKafkaRecreated(r *kafkaRig) {
	r.b.topic("phoenix", 2)
	r.b.put("phoenix", 0, "a", "b")
	uuid := r.mapped("phoenix", "phoenix", r.b.open)
	r.caughtUp("phoenix", "phoenix")
	if _, err := r.b.admin.DeleteTopics(r.Context(), "phoenix"); err != nil {
		r.Fatal(err)
	}
	await(r.T, "the problem", func() bool {
		_, result := r.state(uuid)
		return result == "PROBLEM: The event source does not exist."
	})
	r.b.topic("phoenix", 1)
	r.b.client.PurgeTopicsFromClient("phoenix")
	r.b.put("phoenix", 0, "c")
	r.caughtUp("phoenix", "phoenix")
	if got := r.handled("phoenix"); !slices.Equal(got, []string{"a", "b", "c"}) {
		r.Errorf("handled %q", got)
	}
}

// A broker that is away for a while is waited for.
func testKafkaOutage(r *kafkaRig) {
	r.b.topic("steady", 1)
	r.b.put("steady", 0, "a")
	r.mapped("steady", "steady", r.b.open)
	r.caughtUp("steady", "steady")
	r.b.restart()
	r.b.put("steady", 0, "b")
	r.caughtUp("steady", "steady")
	if got := r.handled("steady"); !slices.Equal(got, []string{"a", "b"}) {
		r.Errorf("handled %q", got)
	}
}

// TestKill9Kafka kills the server while records come. All are handled, those of
// a partition in order, but for those that come again.
//
// MAYFLY_KILLS makes it longer.
func TestKill9Kafka(t *testing.T) {
	r := newKafkaRig(t)
	r.b.topic("flood", 3)
	r.mapped("flood", "flood", r.b.open, func(in *lambda.CreateEventSourceMappingInput) { in.BatchSize = aws.Int32(20) })
	ctx, cancel := context.WithCancel(t.Context())
	var put [3]atomic.Int64
	var work sync.WaitGroup
	for n := range put {
		work.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				one := &kgo.Record{Topic: "flood", Partition: int32(n), Value: fmt.Appendf(nil, "%d %d", n, i)}
				if r.b.client.ProduceSync(context.WithoutCancel(ctx), one).FirstErr() != nil {
					return
				}
				put[n].Add(1)
			}
		})
	}
	kills := setting(t, "MAYFLY_KILLS", 3)
	for range kills {
		before := len(bookLines(r.book))
		await(t, "some batches", func() bool { return len(bookLines(r.book)) > before+20 })
		r.s.kill()
		r.s.run()
	}
	cancel()
	work.Wait()
	r.caughtUp("flood", "flood")
	var next [3]int64
	twice := 0
	for _, v := range r.handled("flood") {
		var n, i int64
		if _, err := fmt.Sscan(v, &n, &i); err != nil {
			t.Fatal(err)
		}
		switch {
		case i > next[n]:
			t.Fatalf("of partition %d %d comes before %d", n, i, next[n])
		case i < next[n]:
			twice++
		default:
			next[n]++
		}
	}
	total := int64(0)
	for n := range put {
		if next[n] != put[n].Load() {
			t.Errorf("of partition %d %d records were handled, %d were put", n, next[n], put[n].Load())
		}
		total += next[n]
	}
	t.Logf("%d kills, %d records, %d came again", kills, total, twice)
}
