package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/mayfly-faas/mayfly/internal/gateway/authorize"
	"github.com/mayfly-faas/mayfly/internal/gateway/restapi"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (c *control) accountOps() []wire.Op {
	return []wire.Op{
		handle("GetAccount", c.getAccount),
		handle("UpdateAccount", c.updateAccount),
		handle("GetTags", c.getTags),
		handle("TagResource", c.tagResource),
		handle("UntagResource", c.untagResource),
	}
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetAccount.html
func (c *control) getAccount(ctx context.Context, _ *GetAccountRequest) (*Account, error) {
	return shown[Account](c.AccountSettings(ctx))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateAccount.html
func (c *control) updateAccount(ctx context.Context, in *UpdateAccountRequest) (*Account, error) {
	return shown[Account](c.UpdateAccount(ctx, patches(in.PatchOperations)))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_GetTags.html
func (c *control) getTags(ctx context.Context, in *GetTagsRequest) (*Tags, error) {
	t, err := c.Tags(ctx, *in.ResourceArn)
	return &Tags{Tags: t}, err
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_TagResource.html
func (c *control) tagResource(ctx context.Context, in *TagResourceRequest) (*none, error) {
	return done(c.Retag(ctx, *in.ResourceArn, in.Tags, nil))
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_UntagResource.html
func (c *control) untagResource(ctx context.Context, in *UntagResourceRequest) (*none, error) {
	return done(c.Retag(ctx, *in.ResourceArn, nil, in.TagKeys))
}

func (c *control) trialOps() []wire.Op {
	return []wire.Op{
		handle("TestInvokeMethod", c.testMethod),
		handle("TestInvokeAuthorizer", c.testAuthorizer),
	}
}

// headerOf puts a trial's two kinds of headers together.
func headerOf(single map[string]string, multi map[string][]string) http.Header {
	h := http.Header{}
	for k, v := range single {
		h.Set(k, v)
	}
	for k, v := range multi {
		h[http.CanonicalHeaderKey(k)] = v
	}
	return h
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_TestInvokeMethod.html
func (c *control) testMethod(ctx context.Context, in *TestInvokeMethodRequest) (*TestInvokeMethodResponse, error) {
	t, err := c.handler.Try(ctx, place(in.RestApiId, in.ResourceId, in.HttpMethod), restapi.Trial{
		Path: val(in.PathWithQueryString), Body: val(in.Body), Header: headerOf(in.Headers, in.MultiValueHeaders), Variables: in.StageVariables,
	})
	if err != nil {
		return nil, err
	}
	out := &TestInvokeMethodResponse{
		Status: new(int32(t.Status)), Body: new(string(t.Body)), Log: &t.Log, Latency: new(t.Latency.Milliseconds()),
		Headers: map[string]string{}, MultiValueHeaders: t.Header,
	}
	for k, v := range t.Header {
		out.Headers[k] = v[len(v)-1]
	}
	return out, nil
}

// https://docs.aws.amazon.com/apigateway/latest/api/API_TestInvokeAuthorizer.html
func (c *control) testAuthorizer(ctx context.Context, in *TestInvokeAuthorizerRequest) (*TestInvokeAuthorizerResponse, error) {
	g, refused, err := c.handler.TryAuthorizer(ctx, *in.RestApiId, *in.AuthorizerId, restapi.Trial{
		Path: val(in.PathWithQueryString), Body: val(in.Body), Header: headerOf(in.Headers, in.MultiValueHeaders), Variables: in.StageVariables,
	})
	if err != nil {
		return nil, err
	}
	out := &TestInvokeAuthorizerResponse{ClientStatus: new(int32(200)), Latency: new(int64(0)), Log: new("")}
	if g != nil {
		out.PrincipalId, out.Latency = &g.Principal, new(g.Latency.Milliseconds())
		out.Authorization = contextOf(g)
	}
	if refused != nil {
		out.ClientStatus, out.Log = new(int32(statusOf(refused))), new(refused.Error())
	}
	return out, nil
}

// statusOf is what a client would get.
func statusOf(err error) int {
	if r, ok := errors.AsType[*authorize.Refusal](err); ok {
		return authorize.Status(r)
	}
	return http.StatusUnauthorized // nobody was asked: an identity source was missing
}

func contextOf(g *authorize.Grant) map[string][]string {
	out := map[string][]string{}
	for k, raw := range g.Context {
		out[k] = []string{authorize.Text(json.RawMessage(raw))}
	}
	return out
}
