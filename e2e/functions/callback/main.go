// Command callback is a Go function on a custom runtime that calls the platform
// back with its role's credentials.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/config"
	api "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

type answer struct {
	Caller    string   `json:"caller"`
	Functions []string `json:"functions"`
	RequestID string   `json:"requestId"`
	Words     int      `json:"words"`
	Host      string   `json:"host"`
}

func handle(ctx context.Context, in struct{ Text []string }) (*answer, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, err
	}
	list, err := api.NewFromConfig(cfg).ListFunctions(ctx, &api.ListFunctionsInput{})
	if err != nil {
		return nil, err
	}
	lc, _ := lambdacontext.FromContext(ctx)
	host, _ := os.Hostname()
	a := &answer{Caller: *who.Arn, RequestID: lc.AwsRequestID, Words: len(in.Text), Host: host}
	for _, f := range list.Functions {
		a.Functions = append(a.Functions, *f.FunctionName)
	}
	return a, nil
}

func main() { lambda.Start(handle) }
