package cli

import (
	"context"
	"encoding/xml"
	"net/url"
)

// The JSON services that take their operation from X-Amz-Target.
const (
	sqsTarget    = "AmazonSQS"
	eventsTarget = "AWSEvents"
)

// rpc calls an operation of a service that speaks JSON by targets.
func (c *client) rpc(ctx context.Context, service, target, op string, in, out any) error {
	b, err := jsonBytes(in)
	if err != nil {
		return err
	}
	version := "1.1"
	if service == "sqs" {
		version = "1.0"
	}
	return c.read(ctx, request{service: service, path: "/", body: b, header: map[string]string{
		"Content-Type": "application/x-amz-json-" + version, "X-Amz-Target": target + "." + op,
	}}, out)
}

func (c *client) sqs(ctx context.Context, op string, in, out any) error {
	return c.rpc(ctx, "sqs", sqsTarget, op, in, out)
}

func (c *client) events(ctx context.Context, op string, in, out any) error {
	return c.rpc(ctx, "events", eventsTarget, op, in, out)
}

// sns calls an operation of SNS, which speaks forms and XML. Out is read from
// the answer's result; it may be nil.
func (c *client) sns(ctx context.Context, op string, in map[string]string, out any) error {
	form := url.Values{"Action": {op}, "Version": {"2010-03-31"}}
	for k, v := range in {
		form.Set(k, v)
	}
	a, err := c.do(ctx, request{service: "sns", path: "/", body: []byte(form.Encode()), header: map[string]string{
		"Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
	}})
	if err != nil || out == nil {
		return err
	}
	if err := xml.Unmarshal(a.body, out); err != nil {
		return fail("the answer is not what was expected: %v", err).next("is %s a mayfly server?", c.endpoint.URL)
	}
	return nil
}

// An xmlError is an error answer of a service that speaks XML: S3's is the error
// itself, others put it in an ErrorResponse.
type xmlError struct {
	Code         string `xml:"Error>Code"`
	Message      string `xml:"Error>Message"`
	PlainCode    string `xml:"Code"`
	PlainMessage string `xml:"Message"`
}
