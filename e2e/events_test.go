package e2e

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// resource is the ARN of something in the server's account.
func resource(service, name string) string {
	return "arn:aws:" + service + ":us-east-1:000000000000:" + name
}

// clients are those of the services that carry events. They try once: what is
// not acknowledged is not counted on.
type clients struct {
	t      testing.TB
	lambda *lambda.Client
	sqs    *sqs.Client
	sns    *sns.Client
	events *eventbridge.Client
}

func (s *server) clients(t testing.TB) *clients {
	c := s.config()
	c.RetryMaxAttempts = 1
	return &clients{t, lambda.NewFromConfig(c), sqs.NewFromConfig(c), sns.NewFromConfig(c), eventbridge.NewFromConfig(c)}
}

// queue makes a queue and answers its URL.
func (c *clients) queue(name string, attributes map[string]string) string {
	c.t.Helper()
	out, err := c.sqs.CreateQueue(c.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		c.t.Fatal(err)
	}
	return *out.QueueUrl
}

// drained receives, and removes, what is in a queue now.
func (c *clients) drained(url string) (got []sqstypes.Message) {
	c.t.Helper()
	for {
		out, err := c.sqs.ReceiveMessage(c.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10,
			MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"}})
		if err != nil {
			c.t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return got
		}
		var done []sqstypes.DeleteMessageBatchRequestEntry
		for _, m := range out.Messages {
			done = append(done, sqstypes.DeleteMessageBatchRequestEntry{Id: m.MessageId, ReceiptHandle: m.ReceiptHandle})
		}
		if _, err := c.sqs.DeleteMessageBatch(c.t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: done}); err != nil {
			c.t.Fatal(err)
		}
		got = append(got, out.Messages...)
	}
}

// mapped makes a mapping from a queue to a function.
func (c *clients) mapped(queue, function string, more ...func(*lambda.CreateEventSourceMappingInput)) string {
	c.t.Helper()
	in := &lambda.CreateEventSourceMappingInput{EventSourceArn: aws.String(resource("sqs", queue)), FunctionName: &function}
	for _, f := range more {
		f(in)
	}
	out, err := c.lambda.CreateEventSourceMapping(c.t.Context(), in)
	if err != nil {
		c.t.Fatal(err)
	}
	return *out.UUID
}

func reporting(in *lambda.CreateEventSourceMappingInput) {
	in.FunctionResponseTypes = []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures}
}

// rule makes a rule on the default bus for what source sends.
func (c *clients) rule(name, source string, targets ...eventtypes.Target) {
	c.t.Helper()
	_, err := c.events.PutRule(c.t.Context(), &eventbridge.PutRuleInput{Name: &name, EventPattern: aws.String(`{"source":["` + source + `"]}`)})
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := c.events.PutTargets(c.t.Context(), &eventbridge.PutTargetsInput{Rule: &name, Targets: targets})
	if err != nil || out.FailedEntryCount > 0 {
		c.t.Fatal(err, out)
	}
}

// allow lets a service invoke a function.
func (c *clients) allow(function, service string) {
	c.t.Helper()
	_, err := c.lambda.AddPermission(c.t.Context(), &lambda.AddPermissionInput{FunctionName: &function, StatementId: aws.String(service),
		Action: aws.String("lambda:InvokeFunction"), Principal: aws.String(service + ".amazonaws.com")})
	if err != nil {
		c.t.Fatal(err)
	}
}
