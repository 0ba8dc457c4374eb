package async

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mayfly-faas/mayfly/internal/event/target"
	"github.com/mayfly-faas/mayfly/internal/function"
)

// A record is what a destination gets.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
type record struct {
	Version   string           `json:"version"`
	Timestamp string           `json:"timestamp"`
	Request   requestContext   `json:"requestContext"`
	Payload   json.RawMessage  `json:"requestPayload"`
	Response  *responseContext `json:"responseContext,omitempty"`
	Answer    json.RawMessage  `json:"responsePayload,omitempty"`
}

type requestContext struct {
	ID        string `json:"requestId"`
	Function  string `json:"functionArn"`
	Condition string `json:"condition"`
	Invoked   int    `json:"approximateInvokeCount"`
}

type responseContext struct {
	Status  int    `json:"statusCode"`
	Version string `json:"executedVersion,omitempty"`
	Error   string `json:"functionError,omitempty"`
}

// maxRecord is the most that a queue or a topic takes; a record over it goes
// without the answer, which AWS cuts off, too.
const maxRecord = 1 << 20

func (q *Queue) record(w *waiting, v verdict, limit int) []byte {
	r := record{
		Version: "1.0", Timestamp: q.c.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		Request: requestContext{w.RequestID, q.qualified(w), v.condition, w.invoked},
		Payload: w.Payload,
	}
	if a := w.last; a != nil {
		r.Response = &responseContext{Status: a.status, Version: a.version}
		r.Answer = answerOf(a)
		if a.failure != nil {
			r.Response.Error = "Unhandled"
		}
	}
	if b := encode(r); len(b) <= limit {
		return b
	}
	r.Answer = nil
	return encode(r)
}

// encode writes v with its texts as they are.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("async: record does not encode: " + err.Error()) // payloads were checked
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// answerOf is an attempt's answer as JSON.
func answerOf(a *attempt) json.RawMessage {
	answer := a.answer
	if a.failure != nil {
		answer = a.failure
	}
	switch {
	case a.status != 200:
		return nil
	case json.Valid(answer):
		return answer
	}
	return encode(string(answer)) // a custom runtime may answer anything
}

// qualified is the ARN that the event went to, with its qualifier.
func (q *Queue) qualified(w *waiting) string {
	if w.Ref.Qualifier == "" {
		return q.c.Functions.ARN(w.Ref.Name, function.Latest)
	}
	return q.c.Functions.ARN(w.Ref.Name, w.Ref.Qualifier)
}

// destination is the record on its way; a bus gets it within an event.
func (q *Queue) destination(w *waiting, v verdict, to string) sending {
	limit := maxRecord
	if strings.HasPrefix(to, "arn:aws:s3:") { // an object may be as large as it is
		limit = math.MaxInt
	}
	body := q.record(w, v, limit)
	if strings.HasPrefix(to, "arn:aws:events:") {
		body = q.busEvent(w, v, to, body)
	}
	return sending{to, target.Delivery{
		Payload: body, Trace: w.Trace, Principal: "lambda.amazonaws.com", SourceARN: q.c.Functions.ARN(w.Ref.Name, ""), Key: q.key(w),
	}}
}

// key is what a record is called in a bucket.
func (q *Queue) key(w *waiting) string {
	return "aws/lambda/async/" + w.Ref.Name + q.c.Now().UTC().Format("/2006/01/02/2006-01-02T15.04.05-") + uuid.NewString()
}

// busEvent is an entry as PutEvents has it.
func (q *Queue) busEvent(w *waiting, v verdict, bus string, detail []byte) []byte {
	outcome := "Failure"
	if v.condition == success {
		outcome = "Success"
	}
	return encode(map[string]any{
		"source": "lambda", "detail-type": "Lambda Function Invocation Result - " + outcome,
		"time": q.c.Now().UTC().Format(time.RFC3339), "resources": []string{bus, q.qualified(w)},
		"detail": json.RawMessage(detail),
	})
}
