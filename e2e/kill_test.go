package e2e

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// An acknowledged is what the server has said yes to.
type acknowledged struct {
	mu        sync.Mutex        // guards all
	functions map[string]string // name to CodeSha256
	roles     []string
	tags      map[string]string // on the function called load
	lines     []string          // in the log group /kill
	invokes   int               // of the function called load
}

// TestKill9 kills the server under load, 20 times at a random moment, and wants
// every acknowledged write back and nothing left over.
func TestKill9(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	s := start(t)
	marker := filepath.Base(filepath.Dir(s.Data)) // in the path of whatever the server makes
	zip := bootstrap(t, "callback")
	create(t, lambda.NewFromConfig(s.config()), "load", "provided.al2023", "x", echoBootstrap(t))
	if _, err := cloudwatchlogs.NewFromConfig(s.config()).CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/kill")}); err != nil {
		t.Fatal(err)
	}
	a := &acknowledged{functions: map[string]string{}, tags: map[string]string{}}
	var slowest time.Duration
	for round := range rounds {
		a.underLoad(t, s, round, zip)
		began := time.Now()
		s.run()
		slowest = max(slowest, time.Since(began))
		a.check(t, s)
		if t.Failed() {
			t.Fatalf("after kill %d", round+1)
		}
	}
	t.Logf("%d functions, %d roles, %d tags, %d log lines, %d invocations acknowledged; slowest restart %v",
		len(a.functions), len(a.roles), len(a.tags), len(a.lines), a.invokes, slowest.Round(time.Millisecond))
	if slowest > 10*time.Second { // a bound for any machine; the bench says what this one does
		t.Errorf("a restart took %v", slowest)
	}
	s.stop()
	if left := leftovers(marker, s.Data); len(left) > 0 {
		t.Errorf("left over after the last stop:\n%s", strings.Join(left, "\n"))
	}
	s.run()
}

// underLoad writes and invokes from several sides until the server is killed
// at a random moment.
func (a *acknowledged) underLoad(t *testing.T, s *server, round int, zip []byte) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for w, work := range []func(ctx context.Context, s *server, id string) bool{a.makeFunction(zip), a.makeRole, a.tag, a.log, a.invoke, a.invoke} {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil && work(ctx, s, fmt.Sprintf("r%dw%di%d", round, w, i)); i++ {
			}
		})
	}
	time.Sleep(time.Duration(100+rand.IntN(900)) * time.Millisecond)
	s.kill()
	cancel()
	wg.Wait()
}

func once(o *lambda.Options) { o.RetryMaxAttempts = 1 }

func (a *acknowledged) makeFunction(zip []byte) func(context.Context, *server, string) bool {
	return func(ctx context.Context, s *server, id string) bool {
		out, err := lambda.NewFromConfig(s.config()).CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: &id, Runtime: "provided.al2023",
			Handler: aws.String("x"), Role: aws.String("arn:aws:iam::000000000000:role/kill"), Code: &types.FunctionCode{ZipFile: zip}}, once)
		if err == nil {
			a.mu.Lock()
			a.functions[id] = *out.CodeSha256
			a.mu.Unlock()
		}
		return err == nil
	}
}

func (a *acknowledged) makeRole(ctx context.Context, s *server, id string) bool {
	_, err := iam.NewFromConfig(s.config()).CreateRole(ctx, &iam.CreateRoleInput{RoleName: &id, AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)},
		func(o *iam.Options) { o.RetryMaxAttempts = 1 })
	if err == nil {
		a.mu.Lock()
		a.roles = append(a.roles, id)
		a.mu.Unlock()
	}
	return err == nil
}

func (a *acknowledged) tag(ctx context.Context, s *server, id string) bool {
	_, err := lambda.NewFromConfig(s.config()).TagResource(ctx, &lambda.TagResourceInput{
		Resource: aws.String("arn:aws:lambda:us-east-1:000000000000:function:load"), Tags: map[string]string{"last": id}}, once)
	if err == nil {
		a.mu.Lock()
		a.tags["last"] = id
		a.mu.Unlock()
	}
	return err == nil
}

func (a *acknowledged) log(ctx context.Context, s *server, id string) bool {
	c := cloudwatchlogs.NewFromConfig(s.config(), func(o *cloudwatchlogs.Options) { o.RetryMaxAttempts = 1 })
	stream := id[:strings.Index(id, "w")]
	c.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String("/kill"), LogStreamName: &stream}) // exists after the first
	_, err := c.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String("/kill"), LogStreamName: &stream,
		LogEvents: []logtypes.InputLogEvent{{Message: &id, Timestamp: aws.Int64(time.Now().UnixMilli())}}})
	if err == nil {
		a.mu.Lock()
		a.lines = append(a.lines, id)
		a.mu.Unlock()
	}
	return err == nil
}

func (a *acknowledged) invoke(ctx context.Context, s *server, id string) bool {
	out, err := lambda.NewFromConfig(s.config()).Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("load"), Payload: []byte(`"` + id + `"`)}, once)
	if err == nil && out.FunctionError == nil {
		a.mu.Lock()
		a.invokes++
		a.mu.Unlock()
	}
	return err == nil
}

// check wants everything that was acknowledged.
func (a *acknowledged) check(t *testing.T, s *server) {
	t.Helper()
	ctx := t.Context()
	c := lambda.NewFromConfig(s.config())
	have := map[string]string{}
	for p := lambda.NewListFunctionsPaginator(c, &lambda.ListFunctionsInput{}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Functions {
			have[*f.FunctionName] = *f.CodeSha256
		}
	}
	for name, sha := range a.functions {
		if have[name] != sha {
			t.Errorf("function %s was acknowledged with code %s; now %q", name, sha, have[name])
		}
	}
	roles := map[string]bool{}
	for p := iam.NewListRolesPaginator(iam.NewFromConfig(s.config()), &iam.ListRolesInput{}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Roles {
			roles[*r.RoleName] = true
		}
	}
	for _, r := range a.roles {
		if !roles[r] {
			t.Errorf("role %s is lost", r)
		}
	}
	a.checkLines(t, s)
	out, err := c.ListTags(ctx, &lambda.ListTagsInput{Resource: aws.String("arn:aws:lambda:us-east-1:000000000000:function:load")})
	if err != nil {
		t.Fatal(err)
	}
	if want := a.tags["last"]; want != "" && out.Tags["last"] < want && len(out.Tags["last"]) <= len(want) {
		t.Errorf("tag is %q, acknowledged %q", out.Tags["last"], want)
	}
	if n := usage(t, s, "load"); n < a.invokes {
		t.Errorf("%d invocations were answered, %d are metered", a.invokes, n)
	}
}

func (a *acknowledged) checkLines(t *testing.T, s *server) {
	t.Helper()
	lines := map[string]int{}
	l := cloudwatchlogs.NewFromConfig(s.config())
	for p := cloudwatchlogs.NewFilterLogEventsPaginator(l, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/kill")}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			lines[*e.Message]++
		}
	}
	for _, id := range a.lines {
		if lines[id] != 1 {
			t.Errorf("log line %s is there %d times", id, lines[id])
		}
	}
}

// usage is how many requests of a function are metered.
func usage(t testing.TB, s *server, function string) int {
	t.Helper()
	n := 0
	for _, l := range object(t, s.sh(s.Data, "mayfly usage --json"))["lines"].([]any) {
		line := l.(map[string]any)
		if name, _ := line["function"].(string); strings.HasSuffix(name, function) {
			n += int(line["requests"].(float64))
		}
	}
	return n
}

// dataHash is how the namespace tier of the server on the folder data names what
// it makes outside of it.
func dataHash(data string) string {
	h := fnv.New32a()
	h.Write([]byte(filepath.Join(data, "sandboxes")))
	return fmt.Sprintf("%08x", h.Sum32())
}

// leftovers looks for processes, mounts, loop devices, control groups and links
// that the server on the folder data has left; marker is part of its path.
func leftovers(marker, data string) []string {
	var left []string
	hash := dataHash(data)
	sh := func(what, command string) {
		out, _ := exec.Command("bash", "-c", command).Output()
		for line := range strings.Lines(string(out)) {
			left = append(left, what+": "+strings.TrimSpace(line))
		}
	}
	sh("process", "for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/environ 2>/dev/null | grep -q '^AWS_LAMBDA_FUNCTION_NAME=load' && echo $p $(tr '\\0' ' ' <$p/cmdline); done")
	sh("mount", "grep -F "+marker+" /proc/mounts")
	sh("loop", "losetup -a 2>/dev/null | grep -F "+marker)
	sh("control group", "find /sys/fs/cgroup -type d -name mayfly-"+hash)
	sh("link", "ip -o link 2>/dev/null | grep -oE 'mfly"+hash[4:]+"[0-9a-z]*'")
	slices.Sort(left)
	return slices.Compact(left)
}

// echoBootstrap is a function that answers its event, in Go.
func echoBootstrap(t testing.TB) []byte { return bootstrap(t, "echo") }
