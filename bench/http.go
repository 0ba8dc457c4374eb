package main

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	v2types "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// web measures a JSON endpoint by its function's URL and by an HTTP API, beside
// the same as a plain server in the same language.
func web(ctx context.Context, l *lab) error {
	for _, lang := range l.langs {
		if err := l.webRows(ctx, lang); err != nil {
			return fmt.Errorf("%s: %w", lang.name, err)
		}
	}
	return nil
}

// webFiles is the endpoint's code.
func (l *lab) webFiles(lang *language) (map[string]string, error) {
	switch lang.name {
	case "python":
		return map[string]string{"app.py": source("functions/web.py")}, nil
	case "node":
		return map[string]string{"index.js": source("functions/web.js")}, nil
	}
	code, err := os.ReadFile(l.compile("functions/web", "web"))
	return map[string]string{"+bootstrap": string(code)}, firstError(l.err, err)
}

func (l *lab) webRows(ctx context.Context, lang *language) error {
	files, err := l.webFiles(lang)
	if err != nil {
		return err
	}
	f := function{name: "web-" + lang.name, lang: lang, memory: wholeCPU, files: files}
	if err := l.deploy(ctx, f); err != nil {
		return err
	}
	defer l.remove(context.WithoutCancel(ctx), f.name)
	byURL, err := l.functionURL(ctx, f.name)
	if err != nil {
		return err
	}
	byAPI, remove, err := l.httpAPI(ctx, f.name)
	if err != nil {
		return err
	}
	defer remove()
	plain, err := lang.plain[0].start()
	if err != nil {
		return err
	}
	defer plain.stop()
	rival := endpoint{plain.name, plain.host, jsonPost(plain.host), plain.cmd.Process.Pid}
	for _, callers := range []int{1, 32, 128} {
		for _, door := range []struct{ id, name, host string }{{"url", "its URL", byURL}, {"api", "an HTTP API", byAPI}} {
			ours := endpoint{lang.runtime + " by " + door.name, l.server.host, jsonPost(door.host), l.server.pid()}
			if err := l.row(ctx, fmt.Sprintf("http/%s/%s/%d", lang.name, door.id, callers), callers, 40, ours, rival); err != nil {
				return err
			}
		}
	}
	return nil
}

// jsonPost is a POST of JSON to a web address. It carries a signature that nobody
// asks for: the generator is the same as elsewhere.
func jsonPost(host string) *call {
	return newCall(host, "/", "", map[string]string{"content-type": "application/json"})
}

// functionURL opens a function to the web, and answers the host of its address.
func (l *lab) functionURL(ctx context.Context, name string) (string, error) {
	out, err := l.api.CreateFunctionUrlConfig(ctx, &lambda.CreateFunctionUrlConfigInput{FunctionName: &name, AuthType: types.FunctionUrlAuthTypeNone})
	if err != nil {
		return "", err
	}
	for _, p := range []*lambda.AddPermissionInput{
		{StatementId: aws.String("url"), Action: aws.String("lambda:InvokeFunctionUrl"), FunctionUrlAuthType: types.FunctionUrlAuthTypeNone},
		{StatementId: aws.String("invoke"), Action: aws.String("lambda:InvokeFunction"), InvokedViaFunctionUrl: aws.Bool(true)},
	} {
		p.FunctionName, p.Principal = &name, aws.String("*")
		if _, err := l.api.AddPermission(ctx, p); err != nil {
			return "", err
		}
	}
	return hostOf(*out.FunctionUrl)
}

// httpAPI puts a function behind an HTTP API, and answers its host.
func (l *lab) httpAPI(ctx context.Context, name string) (host string, remove func(), err error) {
	c := apigatewayv2.NewFromConfig(l.config())
	arn := "arn:aws:lambda:" + l.server.Region + ":000000000000:function:" + name
	out, err := c.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: &name, ProtocolType: v2types.ProtocolTypeHttp, Target: &arn})
	if err != nil {
		return "", nil, err
	}
	remove = func() {
		c.DeleteApi(context.WithoutCancel(ctx), &apigatewayv2.DeleteApiInput{ApiId: out.ApiId}) // the folder goes in the end
	}
	_, err = l.api.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: &name, StatementId: aws.String("api"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("apigateway.amazonaws.com"), SourceArn: aws.String("arn:aws:execute-api:" + l.server.Region + ":000000000000:" + *out.ApiId + "/*")})
	if err == nil {
		host, err = hostOf(*out.ApiEndpoint)
	}
	return host, remove, err
}

func hostOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	return u.Host, nil
}
