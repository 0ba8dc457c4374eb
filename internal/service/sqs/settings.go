package sqs

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// settings are a queue's attributes and tags, and what they come to. They do
// not change once they are a queue's: a change makes others.
type settings struct {
	created, modified int64             // seconds
	attributes        map[string]string // that are set
	tags              map[string]string

	visibility, delay, wait, retention time.Duration
	maxSize                            int
	maxReceive                         int64 // 0 means that there is no dead-letter queue
	deadLetter                         string
	byContent                          bool // deduplication
	byGroup                            bool // deduplication's scope is a group
}

// A setting is what AWS demands of an attribute that is a number.
type setting struct {
	name          string
	low, high, is int // bounds, and what it is by default
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
func numbers() []setting {
	return []setting{
		{"DelaySeconds", 0, 900, 0},
		{"MaximumMessageSize", 1024, maxMessage, maxMessage},
		{"MessageRetentionPeriod", 60, 1209600, 345600},
		{"ReceiveMessageWaitTimeSeconds", 0, 20, 0},
		{"VisibilityTimeout", 0, 43200, 30},
		{"KmsDataKeyReusePeriodSeconds", 60, 86400, 300},
	}
}

// read makes of the attributes what they come to.
func (s *settings) read() {
	n := map[string]int{}
	for _, d := range numbers() {
		n[d.name] = d.is
		if v, err := strconv.Atoi(s.attributes[d.name]); err == nil {
			n[d.name] = v
		}
	}
	s.visibility = time.Duration(n["VisibilityTimeout"]) * time.Second
	s.delay = time.Duration(n["DelaySeconds"]) * time.Second
	s.wait = time.Duration(n["ReceiveMessageWaitTimeSeconds"]) * time.Second
	s.retention = time.Duration(n["MessageRetentionPeriod"]) * time.Second
	s.maxSize = n["MaximumMessageSize"]
	s.byContent = s.attributes["ContentBasedDeduplication"] == "true"
	s.byGroup = s.attributes["DeduplicationScope"] == "messageGroup"
	if r, err := parseRedrive(s.attributes["RedrivePolicy"]); err == nil {
		s.deadLetter, s.maxReceive = r.DeadLetterTargetARN, r.maxReceive
	}
}

// with is a copy of s in which attributes are set. Empty texts of some unset.
func (s *settings) with(attributes map[string]string, modified int64) *settings {
	n := &settings{created: s.created, modified: modified, attributes: maps.Clone(s.attributes), tags: s.tags}
	if n.attributes == nil {
		n.attributes = map[string]string{}
	}
	for k, v := range attributes {
		switch {
		case v == "":
			delete(n.attributes, k)
		case k == "RedrivePolicy":
			n.attributes[k] = compact(v)
		default:
			n.attributes[k] = v
		}
	}
	if attributes["SqsManagedSseEnabled"] == "true" {
		delete(n.attributes, "KmsMasterKeyId")
	}
	n.read()
	return n
}

// compact is a JSON text as AWS gives it back.
func compact(s string) string {
	if r, err := parseRedrive(s); err == nil {
		return string(wire.AppendString([]byte(`{"deadLetterTargetArn":`), r.DeadLetterTargetARN)) + `,"maxReceiveCount":` + strconv.FormatInt(r.maxReceive, 10) + `}`
	}
	return s
}

// all are the attributes as GetQueueAttributes tells them, the defaults among
// them and the counts not.
func (s *settings) all(q *queue) map[string]string {
	m := map[string]string{
		"QueueArn":              q.arn,
		"CreatedTimestamp":      strconv.FormatInt(s.created, 10),
		"LastModifiedTimestamp": strconv.FormatInt(s.modified, 10),
		"SqsManagedSseEnabled":  "true",
	}
	for _, d := range numbers() {
		if d.name != "KmsDataKeyReusePeriodSeconds" || s.attributes["KmsMasterKeyId"] != "" {
			m[d.name] = strconv.Itoa(d.is)
		}
	}
	if q.fifo {
		m["FifoQueue"], m["ContentBasedDeduplication"] = "true", "false"
		m["DeduplicationScope"], m["FifoThroughputLimit"] = "queue", "perQueue"
	}
	maps.Copy(m, s.attributes)
	if s.attributes["KmsMasterKeyId"] != "" {
		m["SqsManagedSseEnabled"] = "false"
	}
	return m
}

// check refuses attributes that a queue cannot have. fifo is the kind of the
// queue; made is false for one that is being created.
func (b *Book) check(attributes map[string]string, q *queue, made bool) error {
	for name, v := range attributes {
		if err := b.checkOne(name, v, q, made); err != nil {
			return err
		}
	}
	if attributes["KmsMasterKeyId"] != "" && attributes["SqsManagedSseEnabled"] == "true" {
		return fail(400, "InvalidAttributeName", "InvalidAttributeName",
			"You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
	}
	scope, limit := attributes["DeduplicationScope"], attributes["FifoThroughputLimit"]
	if made {
		now := q.set.Load().all(q)
		if scope == "" {
			scope = now["DeduplicationScope"]
		}
		if limit == "" {
			limit = now["FifoThroughputLimit"]
		}
	}
	if limit == "perMessageGroupId" && scope != "messageGroup" {
		return invalidAttribute("FifoThroughputLimit")
	}
	return nil
}

func (b *Book) checkOne(name, v string, q *queue, made bool) error {
	for _, d := range numbers() {
		if d.name != name {
			continue
		}
		if n, err := strconv.Atoi(v); err != nil || n < d.low || n > d.high {
			return invalidAttribute(name)
		}
		return nil
	}
	switch name {
	case "FifoQueue":
		if made && v == "true" && q.fifo {
			return nil
		}
		if made || v != "true" || !q.fifo {
			return unknownAttribute(name)
		}
	case "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit":
		return checkFIFO(name, v, q)
	case "SqsManagedSseEnabled":
		return among(name, v, "true", "false")
	case "KmsMasterKeyId":
		return nil
	case "Policy":
		return checkPolicy(v)
	case "RedrivePolicy":
		return b.checkRedrive(v, q)
	case "RedriveAllowPolicy":
		return checkAllow(v)
	default:
		return unknownAttribute(name)
	}
	return nil
}

func checkFIFO(name, v string, q *queue) error {
	if !q.fifo {
		return unknownAttribute(name)
	}
	switch name {
	case "DeduplicationScope":
		return among(name, v, "queue", "messageGroup")
	case "FifoThroughputLimit":
		return among(name, v, "perQueue", "perMessageGroupId")
	}
	return among(name, v, "true", "false")
}

func among(name, v string, values ...string) error {
	for _, w := range values {
		if v == w {
			return nil
		}
	}
	return invalidAttribute(name)
}

// checkPolicy checks that v is a policy document. Its enforcement is another matter.
func checkPolicy(v string) error {
	if v == "" {
		return nil
	}
	if _, err := policy.Parse(policy.Resource, v); err != nil {
		return invalidAttribute("Policy")
	}
	return nil
}

// A redrive is a redrive policy.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
type redrive struct {
	DeadLetterTargetARN string          `json:"deadLetterTargetArn"`
	MaxReceiveCount     json.RawMessage `json:"maxReceiveCount"` // a number, or a text of one

	maxReceive int64
}

func parseRedrive(v string) (r redrive, err error) {
	if err := json.Unmarshal([]byte(v), &r); err != nil {
		return r, err
	}
	if len(r.MaxReceiveCount) > 0 {
		r.maxReceive, err = strconv.ParseInt(strings.Trim(string(r.MaxReceiveCount), `"`), 10, 64)
	}
	return r, err
}

func (b *Book) checkRedrive(v string, q *queue) error {
	if v == "" {
		return nil
	}
	bad := func(reason string) error { return invalidValue(v, "RedrivePolicy", reason) }
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(v), &members) != nil {
		return bad("Redrive policy is not a valid JSON map.")
	}
	for _, name := range []string{"deadLetterTargetArn", "maxReceiveCount"} {
		if members[name] == nil {
			return bad("Redrive policy does not contain mandatory attribute: " + name + ".")
		}
	}
	r, err := parseRedrive(v)
	if err != nil || r.maxReceive < 1 || r.maxReceive > 1000 {
		return bad("Invalid value for maxReceiveCount: " + strings.Trim(string(members["maxReceiveCount"]), `"`) + ", valid values are from 1 to 1000 both inclusive.")
	}
	if !strings.HasPrefix(r.DeadLetterTargetARN, "arn:") || strings.Count(r.DeadLetterTargetARN, ":") != 5 {
		return bad("Invalid value for deadLetterTargetArn.")
	}
	to := b.byARN(r.DeadLetterTargetARN)
	switch {
	case to == nil:
		return bad("Dead letter target does not exist.")
	case to.fifo != q.fifo:
		return bad("Dead-letter queue must be same type of queue as the source.")
	case !to.set.Load().allows(q.arn):
		return bad("Queue " + q.arn + " is not permitted by the RedriveAllowPolicy of the dead-letter queue.")
	}
	return nil
}

// An allowance is a redrive allow policy.
type allowance struct {
	Permission string   `json:"redrivePermission"`
	Sources    []string `json:"sourceQueueArns"`
}

func checkAllow(v string) error {
	if v == "" {
		return nil
	}
	var a allowance
	bad := func(reason string) error { return invalidValue(v, "RedriveAllowPolicy", reason) }
	if json.Unmarshal([]byte(v), &a) != nil {
		return bad("Redrive allow policy is not a valid JSON map.")
	}
	switch a.Permission {
	case "allowAll", "denyAll":
		if a.Sources != nil {
			return bad("sourceQueueArns can be specified only when redrivePermission is byQueue.")
		}
	case "byQueue":
		if len(a.Sources) == 0 || len(a.Sources) > 10 {
			return bad("sourceQueueArns must have 1 to 10 members.")
		}
	default:
		return bad("redrivePermission must be one of allowAll, denyAll, byQueue.")
	}
	return nil
}

// allows tells whether the queue may be the dead-letter queue of source.
func (s *settings) allows(source string) bool {
	var a allowance
	if json.Unmarshal([]byte(s.attributes["RedriveAllowPolicy"]), &a) != nil {
		return true
	}
	if a.Permission != "byQueue" {
		return a.Permission != "denyAll"
	}
	for _, arn := range a.Sources {
		if arn == source {
			return true
		}
	}
	return false
}
