package httpapi

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/mayfly-faas/mayfly/internal/gateway/accesslog"
	"github.com/mayfly-faas/mayfly/internal/gateway/api"
	"github.com/mayfly-faas/mayfly/internal/gateway/authorize"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// authorize asks whoever has a say in who may call the route.
func (x *exchange) authorize() (err error) {
	switch x.route.AuthorizationType {
	case "", api.AuthNone:
		return nil
	case api.AuthIAM:
		err = x.signed()
	case api.AuthJWT:
		err = x.token()
	case api.AuthCustom:
		err = x.ask()
	default:
		err = fmt.Errorf("%w: nothing authorizes by %s", authorize.ErrBroken, x.route.AuthorizationType)
	}
	if err != nil {
		x.log.Authorizer.Error = err.Error()
		return denied(err)
	}
	if x.grant != nil {
		x.log.Authorizer = accesslog.Authorizer{Principal: x.grant.Principal, Latency: x.grant.Latency, Status: 200, Context: x.grant.Context, Claims: x.grant.Claims}
	}
	return nil
}

// denied is what the client hears of a refusal.
func denied(err error) error {
	f := &fault{status: authorize.Status(err), why: err}
	if r, ok := errors.AsType[*authorize.Refusal](err); ok {
		f.challenge = r.Challenge
	}
	f.message = map[int]string{401: "Unauthorized", 403: "Forbidden"}[f.status]
	if f.message == "" {
		f.message = "Internal Server Error"
	}
	return f
}

// arn names the request for policies: "arn:aws:execute-api:…:<api>/<stage>/GET/pets".
func (x *exchange) arn() string {
	return x.base() + "/" + x.place.stage + "/" + x.r.Method + x.decoded
}

func (x *exchange) base() string {
	return "arn:aws:execute-api:" + x.Region + ":" + x.Account + ":" + x.place.api
}

// keys are the condition keys of the request.
func (x *exchange) keys() map[string][]string {
	return map[string][]string{"aws:SourceIp": {payload.SourceIP(x.r)}, "aws:UserAgent": {x.r.UserAgent()}}
}

func (x *exchange) signed() error {
	r, err := x.Authority.Signed(x.r, "execute-api:Invoke", x.arn(), x.keys())
	if err != nil {
		return err
	}
	c := wire.CallerOf(r.Context())
	x.r, x.caller = r, &c
	x.log.Identity = accesslog.Identity{Account: c.Account, Caller: c.UserID, User: c.UserID, UserARN: c.ARN, AccessKey: c.AccessKeyID}
	return nil
}

func (x *exchange) authorizer() (*api.Authorizer, error) {
	a := x.d.Authorizer(x.route)
	if a == nil {
		return nil, fmt.Errorf("%w: the route's authorizer is not there", authorize.ErrBroken)
	}
	return a, nil
}

// lookup finds what identity sources name.
func (x *exchange) lookup() *authorize.Lookup {
	return &authorize.Lookup{HTTP: x.r, StageVariables: x.d.Stage.StageVariables, Context: func(name string) (string, bool) {
		switch name {
		case "httpMethod":
			return x.r.Method, true
		case "routeKey":
			return x.route.RouteKey, true
		case "path":
			return x.shown, true
		case "stage":
			return x.place.stage, true
		case "identity.sourceIp":
			return payload.SourceIP(x.r), true
		}
		return "", false
	}}
}

func (x *exchange) token() error {
	a, err := x.authorizer()
	if err != nil {
		return err
	}
	t := &authorize.Token{Scopes: x.route.AuthorizationScopes}
	if c := a.JwtConfiguration; c != nil {
		t.Issuer, t.Audience = c.Issuer, c.Audience
	}
	if len(a.IdentitySource) > 0 {
		t.Raw, _ = x.lookup().Value(a.IdentitySource[0])
	}
	x.grant, err = x.Authority.Verify(x.r.Context(), t)
	return err
}

func (x *exchange) ask() error {
	a, err := x.authorizer()
	if err != nil {
		return err
	}
	values, ok := authorize.Identity(a.IdentitySource, x.lookup())
	if !ok {
		return &authorize.Refusal{Kind: authorize.ErrUnauthorized, Text: "an identity source is missing"}
	}
	uri, err := fill(a.AuthorizerUri, x.d.Stage.StageVariables)
	if err != nil {
		return fmt.Errorf("%w: %w", authorize.ErrBroken, err)
	}
	q := &authorize.Question{
		Authorizer: fmt.Sprintf("%s/authorizers/%s/%d/%d", x.place.api, a.AuthorizerId, x.d.Revision, x.d.Stage.AuthorizersReset),
		URI:        uri, SourceARN: x.base() + "/authorizers/" + a.AuthorizerId, Identity: values,
		Simple: a.EnableSimpleResponses, Resource: x.arn(), Context: x.keys(), RequestID: x.id, Trace: x.trace,
		Event: func() ([]byte, error) {
			r := x.request(nil)
			if a.AuthorizerPayloadFormatVersion == "1.0" {
				return authorize.EventV1(r, x.arn(), values)
			}
			return authorize.EventV2(r, x.arn(), values)
		},
	}
	if a.AuthorizerResultTtlInSeconds != nil {
		q.TTL = time.Duration(*a.AuthorizerResultTtlInSeconds) * time.Second
	}
	x.grant, err = x.Authority.Ask(x.r.Context(), q)
	return err
}

// A limit is how often a route of a stage may be called.
type limit struct {
	rate  float64
	burst int32
	*rate.Limiter
}

// within tells whether the route's limits have room for one more request.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html
func (x *exchange) within() bool {
	s := x.d.Settings(x.route.RouteKey)
	if s.ThrottlingRateLimit == nil && s.ThrottlingBurstLimit == nil {
		return true
	}
	want := limit{rate: float64(rate.Inf), burst: 1 << 30}
	if s.ThrottlingRateLimit != nil {
		want.rate = *s.ThrottlingRateLimit
	}
	if s.ThrottlingBurstLimit != nil {
		want.burst = *s.ThrottlingBurstLimit
	}
	key := strings.Join([]string{x.place.api, x.place.stage, x.route.RouteKey}, "/")
	if had, ok := x.limits.Load(key); ok {
		if l := had.(*limit); l.rate == want.rate && l.burst == want.burst {
			return l.AllowN(x.at, 1)
		}
	}
	want.Limiter = rate.NewLimiter(rate.Limit(want.rate), int(want.burst))
	x.limits.Store(key, &want)
	return want.AllowN(x.at, 1)
}

// fill puts a stage's variables into a text: "${stageVariables.name}".
func fill(text string, variables map[string]string) (string, error) {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${stageVariables.")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		name, after, ok := strings.Cut(rest, "}")
		value, known := variables[name]
		if !ok || !known {
			return "", fmt.Errorf("there is no stage variable %q", name)
		}
		b.WriteString(value)
		text = after
	}
}

// iam is requestContext.authorizer of a signed request, payload 2.0.
func iam(c *wire.Caller) any {
	return map[string]any{"iam": map[string]any{"accessKey": c.AccessKeyID, "accountId": c.Account, "callerId": c.UserID,
		"cognitoIdentity": nil, "principalOrgId": nil, "userArn": c.ARN, "userId": c.UserID}}
}
