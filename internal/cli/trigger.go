package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A trigger is one of the triggers in mayfly.json: something that invokes the
// function. It has one of SQS, SNS, Bus, Schedule and S3.
type trigger struct {
	SQS      string `json:"sqs,omitempty"`      // a queue, by name or ARN
	SNS      string `json:"sns,omitempty"`      // a topic, by name or ARN
	Bus      string `json:"bus,omitempty"`      // an event bus, by name or ARN
	Schedule string `json:"schedule,omitempty"` // at(), rate() or cron()
	S3       string `json:"s3,omitempty"`       // a bucket

	Batch       *int            `json:"batch,omitempty"`
	Window      *int            `json:"window,omitempty"` // seconds
	Concurrency *int            `json:"concurrency,omitempty"`
	Report      bool            `json:"report,omitempty"` // the function tells which messages failed
	Filter      json.RawMessage `json:"filter,omitempty"` // a list of patterns; of a topic one policy
	Scope       string          `json:"scope,omitempty"`  // what a topic's filter looks at
	Pattern     json.RawMessage `json:"pattern,omitempty"`
	Timezone    string          `json:"timezone,omitempty"`
	Input       json.RawMessage `json:"input,omitempty"`
	DeadLetter  string          `json:"dead_letter,omitempty"` // a queue, by name or ARN
	Retries     *int            `json:"retries,omitempty"`
	Events      []string        `json:"events,omitempty"` // of a bucket; nil for all that make objects
	Prefix      string          `json:"prefix,omitempty"` // of keys
	Suffix      string          `json:"suffix,omitempty"`
}

// kind is the member that says what the trigger is.
func (t trigger) kind() string {
	switch {
	case t.SQS != "":
		return "sqs"
	case t.SNS != "":
		return "sns"
	case t.Bus != "":
		return "bus"
	case t.S3 != "":
		return "s3"
	default:
		return "schedule"
	}
}

// String names the trigger in what deploy says.
func (t trigger) String() string {
	return t.kind() + " " + first(t.SQS, t.SNS, t.Bus, t.S3, t.Schedule)
}

// sum tells triggers of one function apart by all that they say.
func (t trigger) sum() string {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err) // what was read from JSON can be written as such
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:4])
}

// triggerMembers are the members that each kind of trigger may have.
func triggerMembers() map[string][]string {
	return map[string][]string{
		"sqs":      {"batch", "window", "concurrency", "report", "filter", "dead_letter", "retries"},
		"sns":      {"filter", "scope", "dead_letter"},
		"bus":      {"pattern", "input", "dead_letter", "retries"},
		"schedule": {"timezone", "input", "dead_letter", "retries"},
		"s3":       {"events", "prefix", "suffix"},
	}
}

// parseTriggers reads the triggers of the manifest b. Nil means that it says
// nothing of triggers.
func parseTriggers(b []byte, raw []json.RawMessage) ([]trigger, error) {
	if raw == nil {
		return nil, nil
	}
	at, list, seen := triggerOffsets(b), []trigger{}, map[string]bool{}
	for i, r := range raw {
		t, offset, err := parseTrigger(r)
		if err == nil && seen[t.identity()] {
			err = fmt.Errorf("%s is there twice", t)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line(b, at[i]+offset), err)
		}
		seen[t.identity()] = true
		list = append(list, t)
	}
	return list, nil
}

// identity is what a function can have once.
func (t trigger) identity() string {
	if k := t.kind(); k == "sqs" || k == "sns" {
		return k + " " + lastPart(first(t.SQS, t.SNS))
	}
	return t.sum()
}

// parseTrigger reads one trigger. With an error it answers where in r that is.
func parseTrigger(r json.RawMessage) (t trigger, offset int64, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(r, &members); err != nil || members == nil {
		return t, 0, fmt.Errorf(`a trigger looks like {"sqs": "orders"}`)
	}
	all := triggerMembers()
	var kinds []string
	for k := range all {
		if _, ok := members[k]; ok {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) != 1 {
		return t, 0, fmt.Errorf("a trigger has one of %s", strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	for _, m := range slices.Sorted(maps.Keys(members)) {
		if m != kinds[0] && !slices.Contains(all[kinds[0]], m) {
			return t, max(0, int64(bytes.Index(r, []byte(`"`+m+`"`)))), fmt.Errorf("a trigger by %s has no %q, but %s", kinds[0], m, strings.Join(all[kinds[0]], ", "))
		}
	}
	if err := json.Unmarshal(r, &t); err != nil {
		if e, ok := err.(*json.UnmarshalTypeError); ok {
			return t, e.Offset, fmt.Errorf("%q must not be a %s", e.Field, e.Value)
		}
		return t, 0, err
	}
	return t, 0, t.check()
}

// check finds what the server could not tell from something that was meant.
func (t trigger) check() error {
	switch k := t.kind(); {
	case first(t.SQS, t.SNS, t.Bus, t.S3, t.Schedule) == "":
		return fmt.Errorf("a trigger needs the name of what invokes the function")
	case k == "bus" && t.Pattern == nil:
		return fmt.Errorf("%s needs a pattern", t)
	case k == "sqs" && t.Retries != nil && t.DeadLetter == "":
		return fmt.Errorf("%s has retries, which need a dead_letter queue", t)
	case t.Scope != "" && t.Scope != "body" && t.Scope != "attributes":
		return fmt.Errorf(`scope is "attributes" or "body"`)
	}
	var list []json.RawMessage
	if t.kind() == "sqs" && t.Filter != nil && json.Unmarshal(t.Filter, &list) != nil {
		return fmt.Errorf("the filter of a queue is a list of patterns")
	}
	return nil
}

// triggerOffsets tells where in b each trigger begins. The manifest b is
// known to be well formed.
func triggerOffsets(b []byte) (at []int64) {
	d := json.NewDecoder(bytes.NewReader(b))
	var skip json.RawMessage
	for _, err := d.Token(); err == nil && d.More(); {
		var key json.Token
		if key, err = d.Token(); err != nil {
			break
		}
		if name, _ := key.(string); !strings.EqualFold(name, "triggers") {
			err = d.Decode(&skip)
			continue
		}
		list := []int64{}
		if open, _ := d.Token(); open != json.Delim('[') {
			continue // null
		}
		for err == nil && d.More() {
			start := d.InputOffset()
			start += int64(len(b[start:]) - len(bytes.TrimLeft(b[start:], ", \t\r\n")))
			list = append(list, start)
			err = d.Decode(&skip)
		}
		_, err = d.Token() // the other bracket
		at = list          // of several lists the last counts
	}
	return at
}

// lastPart is the name at the end of an ARN, or a name as it is.
func lastPart(s string) string {
	if !strings.HasPrefix(s, "arn:") {
		return s
	}
	return s[strings.LastIndexAny(s, ":/")+1:]
}
