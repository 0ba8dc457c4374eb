package url

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// errForbidden says that the caller may not: the client hears no more.
var errForbidden = errors.New("forbidden")

// admit lets a request in that is signed, if it must be, and permitted: since
// October 2025 AWS asks for two permissions, to use the address and to invoke
// the function through it.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
func (v *visit) admit(r *http.Request) (*http.Request, error) {
	if v.u.Auth == "AWS_IAM" {
		signed, err := v.Gate(r, "lambda", "")
		if err != nil {
			return nil, errors.Join(errForbidden, err)
		}
		r = signed
	}
	if v.Open {
		return r, nil
	}
	for _, p := range []struct{ action, key, value string }{
		{"lambda:InvokeFunctionUrl", "lambda:FunctionUrlAuthType", v.u.Auth},
		{"lambda:InvokeFunction", "lambda:InvokedViaFunctionUrl", "true"},
	} {
		in := v.ask(r, p.action)
		in.Context[p.key] = []string{p.value}
		if err := v.permitted(r.Context(), in); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// ask is a request's question to policies.
func (v *visit) ask(r *http.Request, action string) *policy.Request {
	ref := v.u.Ref()
	in := &policy.Request{Action: action, Resource: v.Functions.ARN(ref.Name, ref.Qualifier), Context: map[string][]string{
		"aws:SourceIp":        {payload.SourceIP(r)},
		"aws:SecureTransport": {strconv.FormatBool(r.TLS != nil)},
		"aws:CurrentTime":     {v.time.UTC().Format(time.RFC3339)},
		"aws:EpochTime":       {strconv.FormatInt(v.time.Unix(), 10)},
	}}
	if agent := r.UserAgent(); agent != "" {
		in.Context["aws:UserAgent"] = []string{agent}
	}
	if from := r.Referer(); from != "" {
		in.Context["aws:Referer"] = []string{from}
	}
	if v.u.Auth == "AWS_IAM" {
		c := wire.CallerOf(r.Context())
		in.Principal = policy.Subject{ARN: c.ARN, Account: c.Account, UserID: c.UserID}
	}
	return in
}

// permitted asks the function's policy and, of a signed request, the caller's.
// Either may allow, and either deny.
func (v *visit) permitted(ctx context.Context, in *policy.Request) error {
	verdict, err := v.Functions.Decide(ctx, v.u.Ref(), in)
	if err != nil && !errors.Is(err, function.ErrNotFound) {
		return err
	}
	if v.u.Auth == "AWS_IAM" {
		own, err := v.Identity(ctx, wire.CallerOf(ctx), in)
		if err != nil {
			return err
		}
		verdict = max(verdict, own)
	}
	if verdict != policy.Allowed {
		return errForbidden
	}
	return nil
}
