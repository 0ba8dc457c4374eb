package sns

import (
	"encoding/json"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/event/filter"
)

// maxFilter is how long a filter policy may be.
const maxFilter = 256 << 10

// checkFilter refuses a filter policy that SNS does not take.
//
// https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
func checkFilter(text string) error {
	if text == "" || strings.TrimSpace(text) == "{}" {
		return nil
	}
	if len(text) > maxFilter {
		return invalid("FilterPolicy: Filter policy is too complex")
	}
	if _, err := filter.Parse([]byte(text)); err != nil {
		return invalid("FilterPolicy: %s", err)
	}
	return nil
}

// wants reports whether the subscription's filter policy lets m through.
//
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering.html
func (s *subscription) wants(m *message) bool {
	text := s.attributes["FilterPolicy"]
	if text == "" || strings.TrimSpace(text) == "{}" {
		return true
	}
	p, err := filter.Parse([]byte(text))
	if err != nil {
		return false
	}
	if s.attributes["FilterPolicyScope"] == "MessageBody" {
		return p.Match([]byte(m.textFor(s.protocol)))
	}
	event, err := encode(matchable(m))
	return err == nil && p.Match(event)
}

// matchable is the message's attributes as a filter policy sees them. What is
// binary it does not.
func matchable(m *message) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for name, v := range m.attributes {
		kind, _, _ := strings.Cut(*v.DataType, ".")
		value := str(v.StringValue)
		switch {
		case *v.DataType == "String.Array", kind == "Number":
			out[name] = json.RawMessage(value)
		case kind == "String":
			if b, err := encode(value); err == nil {
				out[name] = b
			}
		}
	}
	return out
}
