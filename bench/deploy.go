package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"golang.org/x/sync/errgroup"
)

// A function says what to deploy.
type function struct {
	name   string
	lang   *language
	files  map[string]string // the language's own unless set
	memory int32             // 128 unless set
	env    map[string]string
	limit  int32 // seconds; 60 unless set
}

// fresh makes each archive new.
func fresh() string { return fmt.Sprintf("%d-%d", time.Now().UnixNano(), rand.Int64()) }

func (l *lab) config() aws.Config {
	return aws.Config{Region: l.server.Region, BaseEndpoint: aws.String("http://" + l.server.host),
		Credentials: credentials.NewStaticCredentialsProvider(l.server.Key, l.server.Secret, "")}
}

// deploy creates f by the API that everybody uses.
func (l *lab) deploy(ctx context.Context, f function) error {
	if f.files == nil {
		f.files = f.lang.files
	}
	if f.memory == 0 {
		f.memory = 128
	}
	if f.limit == 0 {
		f.limit = 60
	}
	_, err := l.api.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: &f.name, Runtime: types.Runtime(f.lang.runtime), Handler: &f.lang.handler,
		MemorySize: &f.memory, Timeout: &f.limit, Role: aws.String("arn:aws:iam::000000000000:role/bench"),
		Environment: &types.Environment{Variables: f.env}, Code: &types.FunctionCode{ZipFile: archive(f.files, fresh())}})
	if err != nil {
		return fmt.Errorf("create %s: %w", f.name, err)
	}
	return l.settle(ctx, f.name)
}

// deployAll creates n functions like f, named by their numbers.
func (l *lab) deployAll(ctx context.Context, f function, n int) ([]string, error) {
	names := make([]string, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range n {
		names[i] = fmt.Sprintf("%s-%d", f.name, i)
		g.Go(func() error {
			one := f
			one.name = names[i]
			return l.deploy(ctx, one)
		})
	}
	return names, g.Wait()
}

// renew gives a function new code and publishes it: the version is one that
// nobody has called.
func (l *lab) renew(ctx context.Context, f function) (version string, err error) {
	if f.files == nil {
		f.files = f.lang.files
	}
	out, err := l.api.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: &f.name, Publish: true, ZipFile: archive(f.files, fresh())})
	if err != nil {
		return "", fmt.Errorf("update %s: %w", f.name, err)
	}
	return *out.Version, l.settle(ctx, f.name)
}

// settle returns when a change of a function is done.
func (l *lab) settle(ctx context.Context, name string) error {
	for ctx.Err() == nil {
		c, err := l.api.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
		switch {
		case err != nil:
			return err
		case c.State == types.StateFailed || c.LastUpdateStatus == types.LastUpdateStatusFailed:
			return fmt.Errorf("%s: %s %s", name, aws.ToString(c.StateReason), aws.ToString(c.LastUpdateStatusReason))
		case c.State == types.StateActive && c.LastUpdateStatus == types.LastUpdateStatusSuccessful:
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return ctx.Err()
}

// remove deletes functions, which ends their sandboxes.
func (l *lab) remove(ctx context.Context, names ...string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, name := range names {
		g.Go(func() error {
			_, err := l.api.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &name})
			return err
		})
	}
	return g.Wait()
}
