package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/dynamo"
	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// streamSources are the streams that mappings may read, by service.
func (a *App) streamSources() map[string]source.Stream {
	all := map[string]source.Stream{"kinesis": a.streams.kinesis}
	if url := a.config.DynamoDB; url != "" {
		all["dynamodb"] = dynamo.New(dynamo.Config{Call: dynamoCall(&http.Client{Timeout: dynamoTimeout}, url, dynamoCredentials())})
	}
	return all
}

// What a call of DynamoDB may take.
const (
	dynamoTimeout = 30 * time.Second
	dynamoAnswer  = 16 << 20
)

// dynamoCredentials are those of the server's environment, as AWS's SDKs read
// them. A DynamoDB on this machine takes any.
func dynamoCredentials() sigv4.Credentials {
	c := sigv4.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN")}
	if c.AccessKeyID == "" {
		c.AccessKeyID, c.SecretAccessKey = "mayfly", "mayfly"
	}
	return c
}

// dynamoCall calls the API of DynamoDB Streams at url. A URL may have "{region}"
// in it, which is that of the stream.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB_Streams.html
func dynamoCall(c *http.Client, url string, creds sigv4.Credentials) func(context.Context, string, string, []byte) (int, []byte, error) {
	return func(ctx context.Context, region, operation string, body []byte) (int, []byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.ReplaceAll(url, "{region}", region), bytes.NewReader(body))
		if err != nil {
			return 0, nil, err
		}
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		r.Header.Set("X-Amz-Target", "DynamoDBStreams_20120810."+operation)
		sigv4.Sign(r, body, creds, region, "dynamodb", time.Now())
		res, err := c.Do(r)
		if err != nil {
			return 0, nil, err
		}
		answer, err := io.ReadAll(io.LimitReader(res.Body, dynamoAnswer+1))
		if err == nil && len(answer) > dynamoAnswer {
			err = fmt.Errorf("the answer has more than %d bytes", dynamoAnswer)
		}
		return res.StatusCode, answer, errors.Join(err, res.Body.Close())
	}
}
