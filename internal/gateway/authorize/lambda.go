package authorize

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/policy"
)

// A Question is a request that a function is to decide about.
type Question struct {
	// Authorizer names the authorizer, over all APIs, and changes when what was
	// remembered of its answers is void: "a1b2c3/authorizers/x9y8z7/3".
	Authorizer string
	URI        string   // the function, in either form; with its stage variables filled in
	SourceARN  string   // who invokes: "arn:aws:execute-api:…:<api>/authorizers/<id>"
	Identity   []string // the values of the identity sources: what an answer is remembered by

	TTL     time.Duration // how long an answer counts; 0 is for this request alone
	Timeout time.Duration // 0 means 10 s, AWS's for HTTP APIs
	Simple  bool          // the answer is {"isAuthorized": …}, not a policy

	// Strict is how REST and WebSocket APIs have it: the answer must name its
	// principal, the context's values are scalars, and a function that fails with
	// the message "Unauthorized" says just that.
	Strict bool

	Resource  string              // what the policy must allow: "arn:aws:execute-api:…:<api>/<stage>/GET/pets"
	Context   map[string][]string // the request's condition keys
	RequestID string
	Trace     string

	Event func() ([]byte, error) // makes the function's event, when it is asked
}

// maxAnswer is the most that an authorizer may answer.
const maxAnswer = 1 << 20

const defaultTimeout = 10 * time.Second

// Ask has a function decide, or remembers what it said. Its error is a *Refusal,
// or the context's.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
func (a *Authority) Ask(ctx context.Context, q *Question) (*Grant, error) {
	remember := q.TTL > 0 && len(q.Identity) > 0
	var key answerKey
	if remember {
		key = q.key()
		if s, ok := a.answers.find(key); ok {
			return s.judge(q, 0)
		}
	}
	start := a.Now()
	raw, err := a.invoke(ctx, q)
	if err != nil {
		return nil, err
	}
	s, err := parseAnswer(raw, q)
	if err != nil {
		return nil, err
	}
	if remember {
		a.answers.keep(key, s, len(raw), q.TTL)
	}
	return s.judge(q, a.Now().Sub(start))
}

// key is what an answer is remembered by: not the identity itself, which may be
// a secret.
func (q *Question) key() (k answerKey) {
	h := sha256.New()
	for _, s := range append([]string{q.Authorizer, q.URI}, q.Identity...) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	h.Sum(k[:0])
	return k
}

// invoke runs the function, and stops to wait for it when its time is over.
func (a *Authority) invoke(ctx context.Context, q *Question) ([]byte, error) {
	name, ok := FunctionName(q.URI)
	if !ok {
		return nil, refuse(ErrBroken, "%q names no function", q.URI)
	}
	ref, err := a.Functions.Ref(name, "")
	if err != nil {
		return nil, refuse(ErrBroken, "%v", err)
	}
	if err := a.permits(ctx, ref, q.SourceARN); err != nil {
		return nil, refuse(ErrBroken, "the function's policy does not permit API Gateway to invoke it: %v", err)
	}
	event, err := q.Event()
	if err != nil {
		return nil, refuse(ErrBroken, "event: %v", err)
	}
	timeout := q.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return a.run(ctx, ref, q, event)
}

// run waits for the function as long as ctx lasts. The function goes on.
func (a *Authority) run(ctx context.Context, ref function.Ref, q *Question, event []byte) ([]byte, error) {
	type outcome struct {
		answer []byte
		err    error
	}
	done := make(chan outcome, 1)
	a.calls.Go(func() {
		var answer bytes.Buffer
		res, err := a.Functions.Invoke(context.WithoutCancel(ctx), ref, function.Invocation{
			RequestID: q.RequestID, Payload: event, TraceHeader: q.Trace, Answer: &answer, Limit: maxAnswer,
		})
		switch {
		case err != nil:
			err = refuse(ErrBroken, "%v", err)
		case res.Failure != nil:
			err = failed(q, res.Failure)
		}
		done <- outcome{answer.Bytes(), err}
	})
	select {
	case o := <-done:
		return o.answer, o.err
	case <-ctx.Done():
		return nil, refuse(ErrBroken, "the authorizer did not answer: %v", ctx.Err())
	}
}

// failed is the refusal for a function that failed.
func failed(q *Question, failure []byte) error {
	var f struct {
		Message string `json:"errorMessage"`
	}
	_ = json.Unmarshal(failure, &f) // what is not JSON has no message
	if q.Strict && f.Message == "Unauthorized" {
		return refuse(ErrUnauthorized, "Unauthorized")
	}
	return refuse(ErrBroken, "the authorizer failed: %s", f.Message)
}

// permits asks the function's policy whether API Gateway may invoke it.
func (a *Authority) permits(ctx context.Context, ref function.Ref, source string) error {
	if a.Permits == nil {
		return nil
	}
	return a.Permits(ctx, ref, &policy.Request{
		Principal: policy.Subject{Service: "apigateway.amazonaws.com"}, Action: "lambda:InvokeFunction",
		Context: map[string][]string{"aws:SourceArn": {source}, "aws:SourceAccount": {account(source)}},
	})
}

// A saying is what a function answered.
type saying struct {
	grant   Grant
	allowed bool             // Simple
	policy  *policy.Document // not Simple
}

// judge applies the answer to one request.
func (s *saying) judge(q *Question, took time.Duration) (*Grant, error) {
	allowed := s.allowed
	if s.policy != nil {
		allowed = s.policy.Decide(&policy.Request{
			Principal: policy.Subject{UserID: s.grant.Principal}, Action: "execute-api:Invoke", Resource: q.Resource, Context: q.Context,
		}) == policy.Allowed
	}
	g := s.grant
	g.Latency = took
	if !allowed {
		return &g, refuse(ErrForbidden, "the authorizer does not allow %s", q.Resource)
	}
	return &g, nil
}

// parseAnswer reads what a function answered.
func parseAnswer(raw []byte, q *Question) (*saying, error) {
	var said struct {
		IsAuthorized *bool                      `json:"isAuthorized"`
		Principal    *string                    `json:"principalId"`
		Policy       json.RawMessage            `json:"policyDocument"`
		Context      map[string]json.RawMessage `json:"context"`
		UsageKey     string                     `json:"usageIdentifierKey"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return nil, refuse(ErrBroken, "the authorizer's answer: %v", err)
	}
	s := &saying{grant: Grant{Context: said.Context, UsageKey: said.UsageKey}}
	if said.Principal != nil {
		s.grant.Principal = *said.Principal
	}
	if q.Simple {
		if said.IsAuthorized == nil {
			return nil, refuse(ErrBroken, "the authorizer's answer has no isAuthorized")
		}
		s.allowed = *said.IsAuthorized
		return s, nil
	}
	if q.Strict {
		if said.Principal == nil || *said.Principal == "" {
			return nil, refuse(ErrBroken, "the authorizer's answer has no principalId")
		}
		if err := scalars(said.Context); err != nil {
			return nil, err
		}
	}
	var err error
	if s.policy, err = policy.Parse(policy.Identity, string(said.Policy)); err != nil {
		return nil, refuse(ErrBroken, "the authorizer's policy: %v", err)
	}
	return s, nil
}

// scalars refuses lists and objects.
func scalars(values map[string]json.RawMessage) error {
	for name, raw := range values {
		if c := bytes.TrimSpace(raw)[0]; c == '[' || c == '{' {
			return refuse(ErrBroken, "the authorizer's context has %s, which is no string, number or boolean", name)
		}
	}
	return nil
}
