package filter

// Criteria are the filters of an event source mapping: a record passes when
// one of them matches. The zero Criteria lets everything pass.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
type Criteria struct {
	patterns []criterion
	data     []string
}

// A criterion is one filter, and what it asks of each member with data.
type criterion struct {
	p    *Pattern
	data []asks
}

type asks int

const (
	asksNothing asks = iota
	asksText         // "body": ["text"]
	asksJSON         // "body": {"key": ["value"]}
)

// ParseCriteria reads filters. data is the record's member that holds what the
// producer sent, "body" of a queue; its text is matched as JSON where a filter
// asks for JSON. There may be more such members, as the key of a record of Kafka.
func ParseCriteria(data string, filters []string, more ...string) (*Criteria, error) {
	c := &Criteria{data: append([]string{data}, more...)}
	for _, f := range filters {
		p, err := Parse([]byte(f))
		if err != nil {
			return nil, err
		}
		one := criterion{p: p}
		for _, name := range c.data {
			one.data = append(one.data, p.root.asks(name))
		}
		c.patterns = append(c.patterns, one)
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
	forms := make([]form, len(c.data))
	for i, name := range c.data {
		forms[i].text, forms[i].isText = members[name].(string)
		forms[i].parsed, forms[i].isJSON = structure(forms[i].text)
	}
	for _, p := range c.patterns {
		fits := true
		for i, name := range c.data {
			fits = fits && forms[i].show(p.data[i], members, name)
		}
		if fits && p.p.Matches(members) {
			return true
		}
	}
	return false
}

// A form is what a member with data holds.
type form struct {
	text           string
	parsed         any
	isText, isJSON bool
}

// show puts the data among members as a filter asks for it; false when it is of
// another kind.
func (f *form) show(a asks, members map[string]any, name string) bool {
	switch {
	case a == asksJSON && !f.isJSON, a == asksText && (f.isJSON || !f.isText):
		return false
	case a == asksJSON:
		members[name] = f.parsed
	case f.isText:
		members[name] = f.text
	}
	return true
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
