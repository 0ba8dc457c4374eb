package cli

import (
	"context"
	"encoding/json"
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

const mappingsPath = "/2015-03-31/event-source-mappings/"

// queue finds a queue or makes it, and answers its ARN.
func (a *attacher) queue(ctx context.Context, name string) (string, error) {
	_, err := a.queueURL(ctx, name)
	return a.arn("sqs", lastPart(name)), err
}

// queueURL finds a queue or makes it. A message that the function works on
// must stay hidden for longer than the function may take.
func (a *attacher) queueURL(ctx context.Context, name string) (string, error) {
	name = lastPart(name)
	var out struct{ QueueUrl string }
	err := a.api.sqs(ctx, "GetQueueUrl", map[string]any{"QueueName": name}, &out)
	if !is(err, "QueueDoesNotExist") {
		return out.QueueUrl, err
	}
	attributes := map[string]string{"VisibilityTimeout": strconv.Itoa(min(43200, max(30, 6*a.f.Timeout)))}
	if strings.HasSuffix(name, ".fifo") {
		attributes["FifoQueue"] = "true"
	}
	if err := a.api.sqs(ctx, "CreateQueue", map[string]any{"QueueName": name, "Attributes": attributes}, &out); err != nil {
		return "", err
	}
	a.said(did{"created", "queue " + name})
	return out.QueueUrl, nil
}

// redrive sets where a queue's messages go that the function failed too often.
func (a *attacher) redrive(ctx context.Context, queue string, t trigger) (changed bool, err error) {
	type policy struct {
		Target string `json:"deadLetterTargetArn"`
		Max    int    `json:"maxReceiveCount"`
	}
	want := policy{Max: 5}
	if t.Retries != nil {
		want.Max = *t.Retries + 1
	}
	if want.Target, err = a.queue(ctx, t.DeadLetter); err != nil {
		return false, err
	}
	var out struct {
		Attributes struct{ RedrivePolicy string }
	}
	if err := a.api.sqs(ctx, "GetQueueAttributes", map[string]any{"QueueUrl": queue, "AttributeNames": []string{"RedrivePolicy"}}, &out); err != nil {
		return false, err
	}
	var have policy
	if json.Unmarshal([]byte(out.Attributes.RedrivePolicy), &have) == nil && have == want {
		return false, nil
	}
	b, err := jsonBytes(want)
	if err != nil {
		return false, err
	}
	return true, a.api.sqs(ctx, "SetQueueAttributes", map[string]any{"QueueUrl": queue, "Attributes": map[string]string{"RedrivePolicy": string(b)}}, nil)
}

// A sourceMapping is an event source mapping, as far as deploy sets it.
type sourceMapping struct {
	UUID, EventSourceArn, EventSourceMappingArn, State string

	BatchSize                      int
	MaximumBatchingWindowInSeconds int
	FunctionResponseTypes          []string
	FilterCriteria                 map[string][]map[string]string
	ScalingConfig                  map[string]int
}

// attachQueue makes a queue a source of the function.
func (a *attacher) attachQueue(ctx context.Context, t trigger) (action string, err error) {
	source := a.arn("sqs", lastPart(t.SQS))
	url, err := a.queueURL(ctx, t.SQS)
	if err != nil {
		return "", err
	}
	changed := false
	if t.DeadLetter != "" {
		if changed, err = a.redrive(ctx, url, t); err != nil {
			return "", err
		}
	}
	list, err := a.mappings(ctx)
	if err != nil {
		return "", err
	}
	a.wanted[source] = true
	want := t.mapping(source)
	for _, m := range list {
		if m.EventSourceArn != source {
			continue
		}
		now := m
		now.UUID, now.State, now.EventSourceMappingArn = "", "", ""
		if !reflect.DeepEqual(now, want) {
			changed = true
			err = a.api.rest(ctx, "lambda", "PUT", mappingsPath+m.UUID, want.settings(), nil)
		}
		return map[bool]string{true: "updated", false: "unchanged"}[changed], err
	}
	in := want.settings()
	in["FunctionName"], in["EventSourceArn"], in["Tags"] = a.f.FunctionName, source, map[string]string{ownerTag: a.f.FunctionName}
	return "created", a.api.rest(ctx, "lambda", "POST", mappingsPath, in, nil)
}

// mapping is the mapping that a trigger wants.
func (t trigger) mapping(source string) sourceMapping {
	m := sourceMapping{EventSourceArn: source, BatchSize: 10, FunctionResponseTypes: []string{}}
	if t.Batch != nil {
		m.BatchSize = *t.Batch
	}
	if t.Window != nil {
		m.MaximumBatchingWindowInSeconds = *t.Window
	}
	if t.Report {
		m.FunctionResponseTypes = []string{"ReportBatchItemFailures"}
	}
	if t.Concurrency != nil {
		m.ScalingConfig = map[string]int{"MaximumConcurrency": *t.Concurrency}
	}
	var patterns []json.RawMessage
	if json.Unmarshal(t.Filter, &patterns) == nil && len(patterns) > 0 {
		m.FilterCriteria = map[string][]map[string]string{}
		for _, p := range patterns {
			m.FilterCriteria["Filters"] = append(m.FilterCriteria["Filters"], map[string]string{"Pattern": compact(p)})
		}
	}
	return m
}

// settings is m as requests have it. What is empty is said, to undo what was.
func (m sourceMapping) settings() map[string]any {
	in := map[string]any{
		"BatchSize": m.BatchSize, "MaximumBatchingWindowInSeconds": m.MaximumBatchingWindowInSeconds,
		"FunctionResponseTypes": m.FunctionResponseTypes, "FilterCriteria": m.FilterCriteria, "ScalingConfig": m.ScalingConfig,
	}
	if m.FilterCriteria == nil {
		in["FilterCriteria"] = map[string]any{}
	}
	if m.ScalingConfig == nil {
		in["ScalingConfig"] = map[string]any{}
	}
	return in
}

// mappings lists the function's mappings that are not on their way out.
func (a *attacher) mappings(ctx context.Context) (list []sourceMapping, err error) {
	query := url.Values{"FunctionName": {a.f.FunctionName}}
	for {
		var out struct {
			EventSourceMappings []sourceMapping
			NextMarker          string
		}
		if err := a.api.rest(ctx, "lambda", "GET", mappingsPath+"?"+query.Encode(), nil, &out); err != nil {
			return nil, err
		}
		for _, m := range out.EventSourceMappings {
			if m.State != "Deleting" {
				list = append(list, m)
			}
		}
		if out.NextMarker == "" {
			return list, nil
		}
		query.Set("Marker", out.NextMarker)
	}
}

func (a *attacher) pruneMappings(ctx context.Context) error {
	list, err := a.mappings(ctx)
	if err != nil {
		return err
	}
	for _, m := range list {
		if a.wanted[m.EventSourceArn] {
			continue
		}
		var out struct{ Tags map[string]string }
		if err := a.api.rest(ctx, "lambda", "GET", "/2017-03-31/tags/"+url.PathEscape(m.EventSourceMappingArn), nil, &out); err != nil {
			return err
		}
		if out.Tags[ownerTag] == "" {
			continue
		}
		if err := a.api.rest(ctx, "lambda", "DELETE", mappingsPath+m.UUID, nil, nil); err != nil {
			return err
		}
		a.said(did{"deleted", "trigger by " + m.EventSourceArn})
	}
	return nil
}

// compact is JSON without the space that people need. It is known to be valid.
func compact(r json.RawMessage) string {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return string(b)
}
