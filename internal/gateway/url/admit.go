package url

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// errForbidden says that the caller may not invoke the function by its URL.
var errForbidden = errors.New("forbidden")

// signedIn is requestContext.authorizer of a signed request.
type signedIn struct {
	IAM iam `json:"iam"`
}

type iam struct {
	AccessKey       string  `json:"accessKey"`
	AccountID       string  `json:"accountId"`
	CallerID        string  `json:"callerId"`
	CognitoIdentity *string `json:"cognitoIdentity"`
	PrincipalOrgID  *string `json:"principalOrgId"`
	UserARN         string  `json:"userArn"`
	UserID          string  `json:"userId"`
}

// admit lets in who may invoke the function by its URL: two permissions are
// needed for it.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
func (v *visit) admit() error {
	v.account = "anonymous"
	var caller wire.Caller
	if v.url.Auth == "AWS_IAM" {
		r, err := v.c.Gate(v.r, "lambda", "")
		if err != nil {
			return errors.Join(errForbidden, err)
		}
		v.r, caller = r, wire.CallerOf(r.Context())
		v.account = caller.Account
		v.who = signedIn{iam{AccessKey: caller.AccessKeyID, AccountID: caller.Account, CallerID: caller.UserID, UserARN: caller.ARN, UserID: caller.UserID}}
	}
	for action, keys := range map[string]map[string][]string{
		"lambda:InvokeFunctionUrl": {"lambda:FunctionUrlAuthType": {v.url.Auth}},
		"lambda:InvokeFunction":    {"lambda:InvokedViaFunctionUrl": {"true"}},
	} {
		if err := v.permit(caller, action, keys); err != nil {
			return err
		}
	}
	return nil
}

// permit asks the function's policy and, of a signed request, the caller's own.
func (v *visit) permit(caller wire.Caller, action string, keys map[string][]string) error {
	ctx, ref := v.r.Context(), v.url.Ref()
	keys["aws:SourceIp"] = []string{payload.SourceIP(v.r)}
	keys["aws:SecureTransport"] = []string{strconv.FormatBool(v.r.TLS != nil)}
	in := &policy.Request{Action: action, Resource: v.c.Functions.ARN(ref.Name, ref.Qualifier), Context: keys,
		Principal: policy.Subject{ARN: caller.ARN, Account: caller.Account, UserID: caller.UserID}}
	said, err := v.c.Functions.Decide(ctx, ref, in)
	if err != nil {
		return err
	}
	if caller.ARN != "" {
		own, err := v.c.Allow(ctx, caller, in)
		if err != nil {
			return err
		}
		said = max(said, own)
	}
	if said != policy.Allowed {
		return errForbidden
	}
	return nil
}

// fail answers for an error, as AWS does: what went wrong inside a function is
// not for its visitors.
func (v *visit) fail(err error) {
	status, kind, body := failure(err)
	if status >= 500 {
		v.c.Log.Warn("function URL", "function", v.url.Function, "request", v.id, "status", status, "err", err)
	}
	if errors.Is(err, context.Canceled) && v.r.Context().Err() != nil {
		return // nobody listens
	}
	a := payload.Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}
	if kind != "" {
		a.Header.Set("X-Amzn-Errortype", kind)
	}
	if status == http.StatusBadGateway {
		a.Header.Set("Content-Type", "text/plain")
	}
	v.cors(a.Header)
	a.Write(v.w)
}

func failure(err error) (status int, kind, body string) {
	if t, ok := errors.AsType[*function.Throttled](err); ok {
		return 429, "TooManyRequestsException", `{"Reason":"` + t.Reason + `","Type":"User","message":"Rate Exceeded."}`
	}
	switch {
	case errors.Is(err, errForbidden):
		return 403, "AccessDeniedException",
			`{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}`
	case errors.Is(err, function.ErrNotFound):
		return 404, "ResourceNotFoundException", `{"Message":null}`
	case errors.Is(err, payload.ErrTooLarge):
		return 413, "RequestEntityTooLargeException", `{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}`
	}
	return http.StatusBadGateway, "", "Internal Server Error"
}

// preflight answers what a browser asks before it sends a request of another
// site's page. The function is not asked.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors
func (v *visit) preflight() bool {
	c := v.url.CORS
	if c == nil || v.r.Method != http.MethodOptions || v.r.Header.Get("Origin") == "" || v.r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h := v.w.Header()
	if v.cors(h); h.Get("Access-Control-Allow-Origin") != "" {
		list(h, "Access-Control-Allow-Methods", c.Methods)
		list(h, "Access-Control-Allow-Headers", c.AllowHeaders)
		if c.MaxAge != nil {
			h.Set("Access-Control-Max-Age", strconv.Itoa(int(*c.MaxAge)))
		}
	}
	h.Set("Content-Length", "0")
	v.w.WriteHeader(http.StatusOK)
	return true
}

// cors puts what the URL's configuration says in the place of what the function
// says of it.
func (v *visit) cors(h http.Header) {
	c := v.url.CORS
	if c == nil || empty(c) {
		return
	}
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			h.Del(name)
		}
	}
	origin := v.r.Header.Get("Origin")
	if origin == "" {
		return
	}
	all := slices.Contains(c.Origins, "*")
	if !all && !slices.ContainsFunc(c.Origins, func(o string) bool { return matches(o, origin) }) {
		return
	}
	credentials := c.Credentials != nil && *c.Credentials
	if all && !credentials {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
	}
	if credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	list(h, "Access-Control-Expose-Headers", c.ExposeHeaders)
}

// empty tells whether a configuration says nothing: then the function's own
// headers stand.
func empty(c *function.CORS) bool {
	return len(c.Origins)+len(c.Methods)+len(c.AllowHeaders)+len(c.ExposeHeaders) == 0 && c.Credentials == nil && c.MaxAge == nil
}

// matches compares an origin with one that is allowed, which may have one star.
func matches(allowed, origin string) bool {
	before, after, star := strings.Cut(allowed, "*")
	if !star {
		return strings.EqualFold(allowed, origin)
	}
	return len(origin) >= len(before)+len(after) && strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after)
}

func list(h http.Header, name string, values []string) {
	if len(values) > 0 {
		h.Set(name, strings.Join(values, ","))
	}
}
