// Command stream is a Go function that streams its answer.
package main

import (
	"context"
	"errors"
	"io"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

type event struct{ Way, Queue string }

func handle(ctx context.Context, in event) (any, error) {
	switch in.Way {
	case "early":
		return nil, errors.New("before the answer")
	case "page":
		return &events.LambdaFunctionURLStreamingResponse{StatusCode: 201, Body: answer(ctx, in)}, nil
	}
	return answer(ctx, in), nil
}

// answer is what the runtime reads as it comes: a step, another one when a
// message says so, and an error if that is wanted.
func answer(ctx context.Context, in event) io.Reader {
	r, w := io.Pipe()
	go func() {
		io.WriteString(w, "step 1\n")
		err := told(ctx, in.Queue)
		io.WriteString(w, "step 2\n")
		if in.Way == "broken" {
			err = errors.New("amid the answer")
		}
		w.CloseWithError(err)
	}()
	return r
}

// told waits for a message.
func told(ctx context.Context, queue string) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	for {
		out, err := sqs.NewFromConfig(cfg).ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &queue, WaitTimeSeconds: 20})
		if err != nil || len(out.Messages) > 0 {
			return err
		}
	}
}

func main() { lambda.Start(handle) }
