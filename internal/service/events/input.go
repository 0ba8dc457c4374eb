package events

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// An input makes of an event what a target gets.
type input struct {
	constant *string
	path     path // nil and no template: the event as it is
	whole    bool
	paths    map[string]path
	parts    []part
	plain    bool // the template is text and no JSON
}

// A part of a template is text, or a variable's name.
type part struct {
	text, name string
	quoted     bool // the variable stands inside a JSON string
}

// The variables that are there without being defined.
const (
	varRuleARN  = "aws.events.rule-arn"
	varRuleName = "aws.events.rule-name"
	varIngested = "aws.events.event.ingestion-time"
	varEvent    = "aws.events.event"
	varFull     = "aws.events.event.json"
)

// newInput reads what a target says of its input. An error is in AWS's words.
func newInput(t *Target) (*input, error) {
	switch {
	case t.Input != nil:
		return &input{constant: t.Input}, nil
	case t.InputPath != nil:
		p, err := parsePath(*t.InputPath)
		if err != nil {
			return nil, invalid("InputPath for target %s is invalid.", *t.Id)
		}
		return &input{path: p, whole: len(p) == 0}, nil
	case t.InputTransformer != nil:
		return newTransformer(*t.Id, t.InputTransformer)
	}
	return &input{whole: true}, nil
}

func newTransformer(id string, t *InputTransformer) (*input, error) {
	in := &input{paths: map[string]path{}}
	for name, s := range t.InputPathsMap {
		p, err := parsePath(s)
		if err != nil {
			return nil, invalid("InputPath for target %s is invalid.", id)
		}
		if strings.HasPrefix(strings.ToLower(name), "aws.") {
			return nil, invalid("InputPathsMap for target %s contains a reserved name %s.", id, name)
		}
		in.paths[name] = p
	}
	in.parts = split(*t.InputTemplate)
	reserved := []string{varRuleARN, varRuleName, varIngested, varEvent, varFull}
	for _, p := range in.parts {
		if p.name != "" && in.paths[p.name] == nil && !slices.Contains(reserved, p.name) {
			if _, defined := in.paths[p.name]; !defined {
				return nil, invalid("InputTemplate for target %s contains invalid placeholder %s.", id, p.name)
			}
		}
	}
	in.plain = !isJSON(in.parts)
	if in.plain && startsJSON(*t.InputTemplate) {
		return nil, invalid("Invalid InputTemplate for target %s : it is not valid JSON.", id)
	}
	return in, nil
}

// startsJSON tells whether a template means to be JSON.
func startsJSON(template string) bool {
	s := strings.TrimSpace(template)
	return strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[")
}

// split cuts a template at its <variables>.
func split(template string) []part {
	var parts []part
	quoted := false
	from := 0
	for i := 0; i < len(template); i++ {
		switch template[i] {
		case '\\':
			if quoted {
				i++
			}
		case '"':
			quoted = !quoted
		case '<':
			n := nameLength(template[i+1:])
			if n == 0 {
				continue
			}
			parts = append(parts, part{text: template[from:i]}, part{name: template[i+1 : i+1+n], quoted: quoted})
			i += n + 1
			from = i + 1
		}
	}
	return append(parts, part{text: template[from:]})
}

// nameLength is the length of a variable's name that s begins with, when a >
// follows it.
func nameLength(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	})
	if n <= 0 || s[n] != '>' {
		return 0
	}
	return n
}

// isJSON tells whether the template is JSON, one value or several in a row,
// once its variables are values.
func isJSON(parts []part) bool {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.text)
		if p.name != "" && !p.quoted {
			b.WriteString("null")
		}
	}
	d := json.NewDecoder(strings.NewReader(b.String()))
	for {
		var v any
		if err := d.Decode(&v); err != nil {
			return err == io.EOF
		}
	}
}

// render is what the target gets of e by way of r.
func (in *input) render(r *rule, e *event) ([]byte, error) {
	switch {
	case in.constant != nil:
		return []byte(*in.constant), nil
	case in.parts != nil:
		return in.fill(r, e), nil
	case in.whole:
		return e.raw, nil
	}
	v, ok := in.path.of(e.tree)
	if !ok {
		return []byte("null"), nil
	}
	return compact(v), nil
}

func (in *input) fill(r *rule, e *event) []byte {
	var b bytes.Buffer
	for _, p := range in.parts {
		b.WriteString(p.text)
		if p.name == "" {
			continue
		}
		v, ok := in.variable(p.name, r, e)
		switch {
		case p.quoted:
			b.WriteString(inString(v, ok))
		case in.plain:
			b.WriteString(inText(v, ok))
		case !ok:
			b.WriteString(`""`)
		default:
			b.Write(compact(v))
		}
	}
	return b.Bytes()
}

// variable is a variable's value; false when the event does not have it.
func (in *input) variable(name string, r *rule, e *event) (any, bool) {
	switch name {
	case varRuleARN:
		return r.arn, true
	case varRuleName:
		return r.name, true
	case varIngested:
		return e.ingested.UTC().Format(time.RFC3339), true
	case varFull:
		return e.tree, true
	case varEvent:
		m := maps.Clone(e.tree.(map[string]any))
		delete(m, "detail")
		return m, true
	}
	return in.paths[name].of(e.tree)
}

// inString is a value inside a string of the template: a string is escaped, and
// of an object or a list the quotes go, as AWS does it.
func inString(v any, ok bool) string {
	switch v := v.(type) {
	case string:
		quoted := compact(v)
		return string(quoted[1 : len(quoted)-1])
	case map[string]any, []any:
		return strings.NewReplacer(`\"`, "", `"`, "", `\`, `\\`).Replace(string(compact(v)))
	}
	if !ok {
		return ""
	}
	return string(compact(v))
}

// inText is a value in a template that is no JSON.
func inText(v any, ok bool) string {
	if s, is := v.(string); is {
		return s
	}
	if !ok {
		return ""
	}
	return string(compact(v))
}

// compact is v as JSON without blanks, and without Go's escapes for HTML.
func compact(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte("null") // v came out of a JSON decoder
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func sorted(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
