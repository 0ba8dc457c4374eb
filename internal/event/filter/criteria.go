package filter

// Criteria are the filters of an event source mapping: a record passes when
// one of them matches. The zero Criteria lets everything pass.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
type Criteria struct {
	patterns []criterion
	data     string
}

// A criterion is one filter, and what it asks of the record's data.
type criterion struct {
	p    *Pattern
	data asks
}

type asks int

const (
	asksNothing asks = iota
	asksText         // "body": ["text"]
	asksJSON         // "body": {"key": ["value"]}
)

// ParseCriteria reads filters. data is the record's member that holds what the
// producer sent, "body" of a queue; its text is matched as JSON where a filter
// asks for JSON.
func ParseCriteria(data string, filters []string) (*Criteria, error) {
	c := &Criteria{data: data}
	for _, f := range filters {
		p, err := Parse([]byte(f))
		if err != nil {
			return nil, err
		}
		c.patterns = append(c.patterns, criterion{p, p.root.asks(data)})
	}
	return c, nil
}

// Empty tells whether everything passes.
func (c *Criteria) Empty() bool { return len(c.patterns) == 0 }

// asks tells what a pattern wants of its member called name.
func (o *object) asks(name string) asks {
	for _, f := range o.fields {
		switch {
		case f.name != name:
		case f.nested != nil:
			return asksJSON
		default:
			return asksText
		}
	}
	for _, alternatives := range o.ors {
		for _, a := range alternatives {
			if k := a.asks(name); k != asksNothing {
				return k
			}
		}
	}
	return asksNothing
}

// Match tells whether a record, as it stands in the event, passes. Where a
// filter and the data differ in kind, one JSON and the other text, the filter
// does not match.
func (c *Criteria) Match(record []byte) bool {
	if len(c.patterns) == 0 {
		return true
	}
	v, err := Decode(record)
	members, ok := v.(map[string]any)
	if err != nil || !ok {
		return false
	}
	text, isText := members[c.data].(string)
	parsed, isJSON := structure(text)
	for _, p := range c.patterns {
		switch {
		case p.data == asksJSON && !isJSON, p.data == asksText && (isJSON || !isText):
			continue
		case p.data == asksJSON:
			members[c.data] = parsed
		case isText:
			members[c.data] = text
		}
		if p.p.Matches(members) {
			return true
		}
	}
	return false
}

// structure reads a text that is a JSON object or array.
func structure(s string) (any, bool) {
	v, err := Decode([]byte(s))
	if err != nil {
		return nil, false
	}
	switch v.(type) {
	case map[string]any, []any:
		return v, true
	}
	return nil, false
}
