package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// create makes a function and waits until it is active.
func create(t testing.TB, c *lambda.Client, name, runtime, handler string, zip []byte, more ...func(*lambda.CreateFunctionInput)) {
	t.Helper()
	in := &lambda.CreateFunctionInput{FunctionName: &name, Runtime: types.Runtime(runtime), Handler: &handler,
		Role: aws.String("arn:aws:iam::000000000000:role/e2e"), Code: &types.FunctionCode{ZipFile: zip}, Timeout: aws.Int32(30)}
	for _, f := range more {
		f(in)
	}
	if _, err := c.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	active(t, c, name)
}

func active(t testing.TB, c *lambda.Client, name string) {
	t.Helper()
	fast := func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 200*time.Millisecond
	}
	in := &lambda.GetFunctionInput{FunctionName: &name}
	if err := lambda.NewFunctionActiveV2Waiter(c, fast).Wait(t.Context(), in, time.Minute); err != nil {
		t.Fatal(err)
	}
	fast2 := func(o *lambda.FunctionUpdatedV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 200*time.Millisecond
	}
	if err := lambda.NewFunctionUpdatedV2Waiter(c, fast2).Wait(t.Context(), in, time.Minute); err != nil {
		t.Fatal(err)
	}
}

// invoke runs a function that must succeed.
func invoke(t testing.TB, c *lambda.Client, name, payload string) string {
	t.Helper()
	out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(payload)})
	if err != nil {
		t.Fatal(err)
	}
	if out.FunctionError != nil {
		t.Fatalf("%s failed: %s", name, out.Payload)
	}
	return string(out.Payload)
}

// bootstrap builds the Go program in e2e/functions/NAME as a custom runtime.
func bootstrap(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(compiled(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return zipped(t, map[string]string{"+bootstrap": string(b)})
}

// compiled builds a program of e2e/functions, and returns its file.
func compiled(t testing.TB, name string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "bootstrap")
	c := exec.Command("go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", out, "./functions/"+name)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, text)
	}
	return out
}

func TestGoSDK(t *testing.T) {
	s := start(t)
	ctx := t.Context()
	c := lambda.NewFromConfig(s.config())
	create(t, c, "sdk", s.pythonRuntime(), "app.handler", zipped(t, map[string]string{"app.py": pyEcho}))

	out, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("sdk"), Payload: []byte(`{"a":[1,2]}`), LogType: types.LogTypeTail})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out.Payload), `"event": {"a": [1, 2]}`) || out.StatusCode != 200 || *out.ExecutedVersion != "$LATEST" {
		t.Errorf("invoke = %d %s", out.StatusCode, out.Payload)
	}

	var notFound *types.ResourceNotFoundException
	if _, err := c.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("nope")}); !errors.As(err, &notFound) {
		t.Errorf("GetFunction of none = %v", err)
	}
	var conflict *types.ResourceConflictException
	_, err = c.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("sdk"), Runtime: types.RuntimePython312, Handler: aws.String("a.b"),
		Role: aws.String("arn:aws:iam::000000000000:role/e2e"), Code: &types.FunctionCode{ZipFile: zipped(t, map[string]string{"a.py": ""})}})
	if !errors.As(err, &conflict) || !strings.Contains(conflict.ErrorMessage(), "Function already exist: sdk") {
		t.Errorf("a second CreateFunction = %v", err)
	}
	var stale *types.PreconditionFailedException
	_, err = c.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("sdk"), Timeout: aws.Int32(9), RevisionId: aws.String("00000000-0000-0000-0000-000000000000")})
	if !errors.As(err, &stale) {
		t.Errorf("update with a stale revision = %v", err)
	}
	t.Run("pages", func(t *testing.T) { goPages(t, s, c) })
	t.Run("throttle", func(t *testing.T) { goThrottle(t, c) })
	t.Run("provisioned", func(t *testing.T) { goProvisioned(t, c) })
	t.Run("identity", func(t *testing.T) { goIdentity(t, s) })
	t.Run("logs", func(t *testing.T) {
		l := cloudwatchlogs.NewFromConfig(s.config())
		out, err := l.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/sdk"), FilterPattern: aws.String(`"REPORT RequestId"`)})
		if err != nil || len(out.Events) == 0 {
			t.Errorf("FilterLogEvents = %v, %v", out, err)
		}
	})
}

func goPages(t *testing.T, s *server, c *lambda.Client) {
	for i := range 4 {
		create(t, c, fmt.Sprintf("page%d", i), "provided.al2023", "x", zipped(t, map[string]string{"+bootstrap": "#!/bin/sh\n"}))
	}
	n := 0
	for p := lambda.NewListFunctionsPaginator(c, &lambda.ListFunctionsInput{MaxItems: aws.Int32(2)}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Functions) > 2 {
			t.Errorf("a page of %d", len(page.Functions))
		}
		n += len(page.Functions)
	}
	if n != 5 {
		t.Errorf("%d functions in all pages, want 5", n)
	}
}

func goThrottle(t *testing.T, c *lambda.Client) {
	ctx := t.Context()
	if _, err := c.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: aws.String("sdk"), ReservedConcurrentExecutions: aws.Int32(0)}); err != nil {
		t.Fatal(err)
	}
	_, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("sdk")}, func(o *lambda.Options) { o.RetryMaxAttempts = 1 })
	var busy *types.TooManyRequestsException
	if !errors.As(err, &busy) || busy.Reason != types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded || aws.ToString(busy.RetryAfterSeconds) == "" {
		t.Errorf("invoke with no concurrency = %v %+v", err, busy)
	}
	if _, err := c.DeleteFunctionConcurrency(ctx, &lambda.DeleteFunctionConcurrencyInput{FunctionName: aws.String("sdk")}); err != nil {
		t.Fatal(err)
	}
	invoke(t, c, "sdk", "{}")
}

func goProvisioned(t *testing.T, c *lambda.Client) {
	ctx := t.Context()
	v, err := c.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: aws.String("sdk")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.PutProvisionedConcurrencyConfig(ctx, &lambda.PutProvisionedConcurrencyConfigInput{FunctionName: aws.String("sdk"), Qualifier: v.Version, ProvisionedConcurrentExecutions: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "provisioned concurrency", func() bool {
		p, err := c.GetProvisionedConcurrencyConfig(ctx, &lambda.GetProvisionedConcurrencyConfigInput{FunctionName: aws.String("sdk"), Qualifier: v.Version})
		return err == nil && p.Status == types.ProvisionedConcurrencyStatusEnumReady && *p.AvailableProvisionedConcurrentExecutions == 2
	})
	out, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("sdk"), Qualifier: v.Version, LogType: types.LogTypeTail})
	if err != nil || out.FunctionError != nil {
		t.Fatal(err, out)
	}
}

func goIdentity(t *testing.T, s *server) {
	ctx := t.Context()
	who, err := sts.NewFromConfig(s.config()).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != "arn:aws:iam::000000000000:root" || *who.Account != "000000000000" {
		t.Fatalf("caller = %+v, %v", who, err)
	}
	_, err = iam.NewFromConfig(s.config()).CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("r"),
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	role, err := sts.NewFromConfig(s.config()).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::000000000000:role/r"), RoleSessionName: aws.String("me")})
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.config()
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: *role.Credentials.AccessKeyId, SecretAccessKey: *role.Credentials.SecretAccessKey, SessionToken: *role.Credentials.SessionToken}, nil
	})
	who, err = sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != "arn:aws:sts::000000000000:assumed-role/r/me" {
		t.Errorf("caller with the role's credentials = %v, %v", who, err)
	}
	bad := s.config()
	bad.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: s.AccessKey, SecretAccessKey: "wrong"}, nil
	})
	_, err = lambda.NewFromConfig(bad).ListFunctions(ctx, &lambda.ListFunctionsInput{})
	if err == nil || !strings.Contains(err.Error(), "InvalidSignatureException") {
		t.Errorf("a wrong secret = %v", err)
	}
	r, err := http.Get(s.URL + "/2015-03-31/functions")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 403 || !strings.HasPrefix(r.Header.Get("X-Amzn-ErrorType"), "MissingAuthenticationTokenException") {
		t.Errorf("unsigned: %d %v", r.StatusCode, r.Header)
	}
}
