package authorize

import (
	"net/http"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// Signed lets a signed request through when its signature holds and its
// caller's policies allow action ("execute-api:Invoke") on resource. What it
// returns goes on in the request's place: it has the caller in its context, and
// a body that is verified as it is read. Its error is a *Refusal.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
func (a *Authority) Signed(r *http.Request, action, resource string, context map[string][]string) (*http.Request, error) {
	if a.Gate == nil {
		return r, refuse(ErrForbidden, "signatures are not verified here")
	}
	in, err := a.Gate(r, "execute-api", "")
	if err != nil {
		return r, refuse(ErrForbidden, "%v", err)
	}
	if a.Allow == nil {
		return in, nil
	}
	c := wire.CallerOf(in.Context())
	ask := &policy.Request{Principal: subject(c), Action: action, Resource: resource, Context: context}
	if err := a.Allow(in.Context(), c, ask); err != nil {
		return in, refuse(ErrForbidden, "%v", err)
	}
	return in, nil
}

// subject is a caller as policies name him.
func subject(c wire.Caller) policy.Subject {
	s := policy.Subject{ARN: c.ARN, Account: c.Account, UserID: c.UserID}
	if p := strings.SplitN(c.ARN, ":", 6); len(p) == 6 && p[2] == "sts" {
		if role, ok := strings.CutPrefix(p[5], "assumed-role/"); ok {
			role, _, _ = strings.Cut(role, "/")
			s.Role = "arn:" + p[1] + ":iam::" + p[4] + ":role/" + role
		}
	}
	return s
}

// IAM is requestContext.authorizer of payload format 2.0 for a signed request.
func IAM(c wire.Caller) any {
	type iam struct {
		AccessKey      string  `json:"accessKey"`
		AccountID      string  `json:"accountId"`
		CallerID       string  `json:"callerId"`
		Cognito        *string `json:"cognitoIdentity"`
		PrincipalOrgID *string `json:"principalOrgId"`
		UserARN        string  `json:"userArn"`
		UserID         string  `json:"userId"`
	}
	return map[string]iam{"iam": {AccessKey: c.AccessKeyID, AccountID: c.Account, CallerID: c.UserID, UserARN: c.ARN, UserID: c.UserID}}
}

// account is the account that an ARN is of.
func account(arn string) string {
	if p := strings.SplitN(arn, ":", 6); len(p) == 6 {
		return p[4]
	}
	return ""
}
