package restapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/gateway/accesslog"
	"github.com/mayfly-faas/mayfly/internal/gateway/authorize"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// resource is the request as policies name it.
func (x *exchange) resource() string {
	return fmt.Sprintf("arn:aws:execute-api:%s:%s:%s/%s/%s/%s", x.h.Book.Region, x.h.Book.Account,
		x.at.api, x.at.stage, x.r.Method, strings.TrimPrefix(unescape(x.at.path), "/"))
}

// conditions are the request's condition keys.
func (x *exchange) conditions() map[string][]string {
	return map[string][]string{
		"aws:SourceIp": {x.request.SourceIP}, "aws:UserAgent": {x.r.UserAgent()}, "aws:Referer": x.r.Header.Values("Referer"),
		"aws:CurrentTime": {x.start.UTC().Format(time.RFC3339)}, "aws:EpochTime": {fmt.Sprint(x.start.Unix())},
		"aws:SecureTransport": {fmt.Sprint(x.r.TLS != nil)},
	}
}

// byPolicy is what the API's own policy says of who asks. Without a policy,
// whoever is let in otherwise is let in.
func (x *exchange) byPolicy(who policy.Subject) policy.Verdict {
	if x.d.policy == nil {
		return policy.None
	}
	return x.d.policy.Decide(&policy.Request{Principal: who, Action: "execute-api:Invoke", Resource: x.resource(), Context: x.conditions()})
}

// denied is AWS's text for what a policy does not allow.
func (x *exchange) denied(who string, explicit bool) error {
	text := fmt.Sprintf("User: %s is not authorized to perform: execute-api:Invoke on resource: %s", who, masking(x.resource()))
	if explicit {
		text += " with an explicit deny"
	}
	return &refusal{kind: "ACCESS_DENIED", message: text}
}

// masking hides an account's number as AWS does.
func masking(arn string) string {
	p := strings.SplitN(arn, ":", 6)
	if len(p) == 6 && len(p[4]) == 12 {
		p[4] = "********" + p[4][8:]
	}
	return strings.Join(p, ":")
}

// authorize finds out who calls, and whether he may.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
func (x *exchange) authorize() error {
	switch x.rt.AuthorizationType {
	case "AWS_IAM":
		return x.signed()
	case "CUSTOM":
		return x.custom()
	case "NONE":
		v := x.byPolicy(policy.Subject{})
		if x.d.policy != nil && v != policy.Allowed {
			return x.denied("anonymous", v == policy.Denied)
		}
		return nil
	}
	return refuse("AUTHORIZER_CONFIGURATION_ERROR", fmt.Errorf("authorization type %s", x.rt.AuthorizationType))
}

// signed lets in who signed: if his own policies or the API's allow it, and
// none denies it.
func (x *exchange) signed() error {
	a := x.h.Authority
	if x.r.Header.Get("Authorization") == "" && !x.r.URL.Query().Has("X-Amz-Signature") {
		return refuse("MISSING_AUTHENTICATION_TOKEN", nil)
	}
	if a == nil || a.Gate == nil {
		return refuse("AUTHORIZER_CONFIGURATION_ERROR", errors.New("signatures are not verified here"))
	}
	in, err := a.Gate(x.r, "execute-api", "")
	if err != nil {
		return x.badSignature(err)
	}
	x.r, x.request.HTTP = in, in
	x.caller = wire.CallerOf(in.Context())
	c := x.caller
	x.request.Identity = payload.Identity{AccessKey: c.AccessKeyID, AccountID: c.Account, Caller: c.UserID, User: c.UserID, UserARN: c.ARN}
	x.rec.Identity = accesslog.Identity{Account: c.Account, Caller: c.UserID, User: c.UserID, UserARN: c.ARN, AccessKey: c.AccessKeyID}
	who := subject(c)
	v := x.byPolicy(who)
	switch {
	case v == policy.Denied:
		return x.denied(c.ARN, true)
	case a.Allow == nil:
		return nil
	}
	ask := &policy.Request{Principal: who, Action: "execute-api:Invoke", Resource: x.resource(), Context: x.conditions()}
	if err := a.Allow(in.Context(), c, ask); err != nil && v != policy.Allowed {
		return x.denied(c.ARN, false)
	}
	return nil
}

// badSignature is the case that an error of the gate is.
func (x *exchange) badSignature(err error) error {
	kind := "INVALID_SIGNATURE"
	text := err.Error()
	switch {
	case strings.Contains(text, "Expired"):
		kind = "EXPIRED_TOKEN"
	case strings.Contains(text, "MissingAuthenticationToken"):
		kind = "MISSING_AUTHENTICATION_TOKEN"
	}
	return refuse(kind, err)
}

// subject is a caller as policies name him.
func subject(c wire.Caller) policy.Subject {
	s := policy.Subject{ARN: c.ARN, Account: c.Account, UserID: c.UserID}
	p := strings.SplitN(c.ARN, ":", 6)
	if len(p) != 6 || p[2] != "sts" {
		return s
	}
	if role, ok := strings.CutPrefix(p[5], "assumed-role/"); ok {
		role, _, _ = strings.Cut(role, "/")
		s.Role = "arn:" + p[1] + ":iam::" + p[4] + ":role/" + role
	}
	return s
}

// custom has a function decide.
func (x *exchange) custom() error {
	a := x.d.authorizers[x.rt.AuthorizerID]
	if a == nil || x.h.Authority == nil {
		return refuse("AUTHORIZER_CONFIGURATION_ERROR", errors.New("the authorizer is gone"))
	}
	v := x.byPolicy(policy.Subject{})
	if v == policy.Denied {
		return x.denied("anonymous", true)
	}
	q, err := x.question(a)
	if err != nil {
		return err
	}
	g, err := x.h.Authority.Ask(x.r.Context(), q)
	x.noteAuthorizer(g, err)
	switch {
	case errors.Is(err, authorize.ErrUnauthorized):
		return refuse("UNAUTHORIZED", err)
	case errors.Is(err, authorize.ErrForbidden) && (g == nil || v != policy.Allowed):
		return refuse("ACCESS_DENIED", err)
	case err != nil && !errors.Is(err, authorize.ErrForbidden):
		return &refusal{kind: "AUTHORIZER_CONFIGURATION_ERROR", cause: err}
	}
	x.grant, x.request.Authorizer = g, g.Flat()
	return nil
}

func (x *exchange) noteAuthorizer(g *authorize.Grant, err error) {
	note := accesslog.Authorizer{Status: http.StatusOK}
	if g != nil {
		note.Principal, note.Context, note.Latency = g.Principal, g.Context, g.Latency
	}
	if err != nil {
		note.Status, note.Error = authorize.Status(err), err.Error()
	}
	x.rec.Authorizer = note
}

// question is what the function is asked. A request without the identity that
// the authorizer goes by is refused before the function is asked.
func (x *exchange) question(a *Authorizer) (*authorize.Question, error) {
	sources := strings.FieldsFunc(a.IdentitySource, func(c rune) bool { return c == ',' || c == ' ' })
	look := &authorize.Lookup{HTTP: x.r, StageVariables: x.request.StageVariables, Context: x.contextText}
	identity, ok := authorize.Identity(sources, look)
	if len(sources) > 0 && !ok && (a.Type == "TOKEN" || *a.TTL > 0) {
		return nil, refuse("UNAUTHORIZED", errors.New("an identity source is missing"))
	}
	q := &authorize.Question{
		Authorizer: fmt.Sprintf("%s/%s/%s/%s/%d", x.at.api, x.at.stage, x.d.Stage.DeploymentID, a.ID, x.d.Stage.Flushes), URI: x.staged(a.URI),
		SourceARN: fmt.Sprintf("arn:aws:execute-api:%s:%s:%s/authorizers/%s", x.h.Book.Region, x.h.Book.Account, x.at.api, a.ID),
		Identity:  identity, TTL: time.Duration(*a.TTL) * time.Second, Timeout: maxTimeout * time.Millisecond, Strict: true,
		Resource: x.resource(), Context: x.conditions(), RequestID: x.request.ID, Trace: x.request.Trace,
	}
	if a.Type == "TOKEN" {
		if !a.valid(identity[0]) {
			return nil, refuse("UNAUTHORIZED", errors.New("the token does not match the identity validation expression"))
		}
		q.Event = func() ([]byte, error) { return authorize.EventToken(q.Resource, identity[0]) }
		return q, nil
	}
	q.Event = func() ([]byte, error) { return authorize.EventREST(&x.request, q.Resource) }
	return q, nil
}

// contextText is a variable of $context for identity sources.
func (x *exchange) contextText(name string) (string, bool) {
	return x.source("context."+name, x.vars(nil))
}

// staged puts stage variables into a text: "${stageVariables.name}".
func (x *exchange) staged(s string) string {
	for k, v := range x.request.StageVariables {
		s = strings.ReplaceAll(s, "${stageVariables."+k+"}", v)
	}
	return s
}
