package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// An attacher gives a function its triggers. What it makes it knows again: a
// mapping by its tag, a rule or a subscription by the statement in the
// function's policy that lets it invoke, a schedule by its name. Nothing else is
// ever removed. Queues, topics and buses stay: they may hold what is not done.
type attacher struct {
	api  *client
	f    functionConfig
	said func(did)

	policy map[string]string // source ARNs of the statements that deploy made, by their ids
	wanted map[string]bool   // ids of mappings, statements and schedules that stay
}

// A did is one thing that deploy did.
type did struct {
	Action string `json:"action"` // created, updated, unchanged, deleted
	What   string `json:"what"`
}

// ownerTag marks the mappings that deploy made.
const ownerTag = "mayfly:deploy"

// attach makes the function's triggers those of list.
func attach(ctx context.Context, api *client, f functionConfig, list []trigger, said func(did)) error {
	a := &attacher{api: api, f: f, said: said, policy: map[string]string{}, wanted: map[string]bool{}}
	if err := a.readPolicy(ctx); err != nil {
		return err
	}
	for _, t := range list {
		if t.kind() == "s3" {
			a.wanted[a.name(t)] = true
		}
	}
	for _, t := range list {
		action, err := a.one(ctx, t)
		if err != nil {
			return during(err, "%s", t)
		}
		said(did{action, "trigger " + t.String()})
	}
	return a.prune(ctx)
}

// during says what was being done when err happened.
func during(err error, format string, args ...any) error {
	if f, ok := err.(*failure); ok {
		f.message = fmt.Sprintf(format, args...) + ": " + f.message
	}
	return err
}

func (a *attacher) one(ctx context.Context, t trigger) (action string, err error) {
	switch t.kind() {
	case "sqs":
		return a.attachQueue(ctx, t)
	case "sns":
		return a.attachTopic(ctx, t)
	case "bus":
		return a.attachRule(ctx, t)
	case "s3":
		return a.attachBucket(ctx, t)
	default:
		return a.attachSchedule(ctx, t)
	}
}

// arn is an ARN of the server that has the function.
func (a *attacher) arn(service, resource string) string {
	p := strings.Split(a.f.FunctionArn, ":") // arn:aws:lambda:region:account:function:name
	return strings.Join([]string{"arn", p[1], service, p[3], p[4], resource}, ":")
}

// name is what deploy calls a rule or a schedule. It changes with the trigger,
// so that one that is there is the one that is wanted.
func (a *attacher) name(t trigger) string { return a.prefix() + t.sum() }

func (a *attacher) prefix() string {
	return "mayfly-" + a.f.FunctionName[:min(40, len(a.f.FunctionName))] + "-"
}

// readPolicy reads which statements of the function's policy are deploy's.
func (a *attacher) readPolicy(ctx context.Context) error {
	var out struct{ Policy string }
	err := a.api.rest(ctx, "lambda", "GET", functionPath(a.f.FunctionName, "/policy"), nil, &out)
	if is(err, "ResourceNotFoundException") {
		return nil
	} else if err != nil {
		return err
	}
	var doc struct {
		Statement []struct {
			Sid       string
			Condition struct {
				ArnLike map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(out.Policy), &doc); err != nil {
		return fail("the function's policy cannot be read: %v", err)
	}
	for _, s := range doc.Statement {
		if strings.HasPrefix(s.Sid, "mayfly-") {
			a.policy[s.Sid] = s.Condition.ArnLike["AWS:SourceArn"]
		}
	}
	return nil
}

// permit lets source invoke the function, and remembers that deploy made it.
func (a *attacher) permit(ctx context.Context, sid, principal, source string) error {
	if _, ok := a.policy[sid]; ok {
		return nil
	}
	return a.api.rest(ctx, "lambda", "POST", functionPath(a.f.FunctionName, "/policy"), map[string]any{
		"StatementId": sid, "Action": "lambda:InvokeFunction", "Principal": principal, "SourceArn": source}, nil)
}

// prune removes what deploy made and nothing wants any more.
func (a *attacher) prune(ctx context.Context) error {
	if err := a.pruneMappings(ctx); err != nil {
		return err
	}
	for _, sid := range slices.Sorted(maps.Keys(a.policy)) {
		if a.wanted[sid] {
			continue
		}
		source := a.policy[sid]
		var err error
		switch {
		case strings.HasPrefix(sid, "mayfly-sns-"):
			err = a.unsubscribe(ctx, source)
		case strings.Contains(source, ":rule/"):
			err = a.deleteRule(ctx, source)
		case strings.HasPrefix(source, "arn:aws:s3:"):
			err = a.leaveBucket(ctx, source, sid)
		default:
			continue
		}
		if err == nil {
			err = a.api.rest(ctx, "lambda", "DELETE", functionPath(a.f.FunctionName, "/policy/"+url.PathEscape(sid)), nil, nil)
		}
		if err != nil {
			return err
		}
		a.said(did{"deleted", "trigger by " + source})
	}
	return a.pruneSchedules(ctx)
}

// attachAsync sets what becomes of asynchronous invocations.
func (a *attacher) attachAsync(ctx context.Context, want asynchrony) error {
	type destination struct {
		Destination string `json:",omitempty"`
	}
	type config struct {
		MaximumRetryAttempts     *int                    `json:",omitempty"`
		MaximumEventAgeInSeconds *int                    `json:",omitempty"`
		DestinationConfig        *map[string]destination `json:",omitempty"`
	}
	path := "/2019-09-25/functions/" + url.PathEscape(a.f.FunctionName) + "/event-invoke-config"
	var have config
	method := "POST"
	if err := a.api.rest(ctx, "lambda", "GET", path, nil, &have); is(err, "ResourceNotFoundException") {
		method = "PUT"
	} else if err != nil {
		return err
	}
	in := config{MaximumRetryAttempts: want.Retries, MaximumEventAgeInSeconds: want.MaxAge}
	same := method == "POST" && equal(want.Retries, have.MaximumRetryAttempts) && equal(want.MaxAge, have.MaximumEventAgeInSeconds)
	ends := map[string]destination{}
	if have.DestinationConfig != nil {
		maps.Copy(ends, *have.DestinationConfig)
	}
	for _, end := range [][2]string{{"OnSuccess", want.OnSuccess}, {"OnFailure", want.OnFailure}} {
		name, to := end[0], end[1]
		if to == "" {
			continue
		}
		arn, err := a.destination(ctx, to)
		if err != nil {
			return during(err, "async %s", to)
		}
		same = same && ends[name].Destination == arn
		ends[name] = destination{arn}
	}
	if same {
		return nil
	}
	if len(ends) > 0 {
		in.DestinationConfig = &ends
	}
	if err := a.api.rest(ctx, "lambda", method, path, in, nil); err != nil {
		return during(err, "async")
	}
	a.said(did{map[string]string{"PUT": "created", "POST": "updated"}[method], "async"})
	return nil
}

// equal tells whether a setting is as it is wanted, if it is mentioned at all.
func equal(want, have *int) bool {
	return want == nil || have != nil && *want == *have
}

// destination is the ARN of a destination: an ARN, a kind and a name such as
// sns:alarms, or the name of a queue. A queue or topic that is not there is made.
func (a *attacher) destination(ctx context.Context, s string) (string, error) {
	kind, name, ok := strings.Cut(s, ":")
	switch {
	case kind == "arn":
		return s, nil
	case !ok:
		return a.queue(ctx, s)
	case kind == "sqs":
		return a.queue(ctx, name)
	case kind == "sns":
		return a.topic(ctx, name)
	case kind == "lambda":
		return a.arn("lambda", "function:"+name), nil
	case kind == "bus":
		return a.arn("events", "event-bus/"+name), nil
	}
	return "", usage("%q is no destination", s).next("write a queue's name, sqs:NAME, sns:NAME, lambda:NAME, bus:NAME or an ARN")
}
