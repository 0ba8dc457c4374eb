package restapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A document is a definition of an API as OpenAPI 2 or 3 writes it, and how far
// it has been read.
type document struct {
	root tree
	old  bool // OpenAPI 2: "swagger"
	def  *Definition
	base string // put before every path
	warn []string
	auth map[string]scheme
}

// A scheme is a security definition.
type scheme struct {
	kind       string // "key", "iam", "authorizer", "" for what is only told
	authorizer string // id
	cognito    bool
}

// maxDocDepth bounds how deep a document nests.
const maxDocDepth = 100

// readDocument reads JSON or YAML.
func readDocument(body []byte) (*document, error) {
	var root any
	var err error
	if b := bytes.TrimSpace(body); len(b) > 0 && b[0] == '{' {
		err = json.Unmarshal(b, &root)
	} else {
		err = yaml.Unmarshal(body, &root)
	}
	if err != nil {
		return nil, bad("Unable to parse API definition because of a malformed integration or document: %s", err)
	}
	nodes := 0
	root, err = normal(root, 0, &nodes)
	if err != nil {
		return nil, err
	}
	t, ok := root.(tree)
	if !ok {
		return nil, bad("Invalid OpenAPI input.")
	}
	d := &document{root: t, auth: map[string]scheme{}}
	switch {
	case str(t["swagger"]) == "2.0":
		d.old = true
	case strings.HasPrefix(str(t["openapi"]), "3."):
	default:
		return nil, bad("Invalid OpenAPI input. The document must say swagger: \"2.0\" or openapi: \"3.0.x\".")
	}
	return d, nil
}

// maxDocNodes bounds what a document's aliases may grow to.
const maxDocNodes = 1_000_000

// normal makes of what YAML reads what JSON would have read.
func normal(v any, depth int, nodes *int) (any, error) {
	if *nodes++; depth > maxDocDepth || *nodes > maxDocNodes {
		return nil, bad("Invalid OpenAPI input: the document is too deep or too large.")
	}
	var err error
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if v[k], err = normal(e, depth+1, nodes); err != nil {
				return nil, err
			}
		}
		return v, nil
	case map[any]any:
		t := tree{}
		for k, e := range v {
			if t[fmt.Sprint(k)], err = normal(e, depth+1, nodes); err != nil {
				return nil, err
			}
		}
		return t, nil
	case []any:
		for i, e := range v {
			if v[i], err = normal(e, depth+1, nodes); err != nil {
				return nil, err
			}
		}
		return v, nil
	case int:
		return float64(v), nil
	case nil, string, bool, float64:
		return v, nil
	}
	return fmt.Sprint(v), nil // YAML's other numbers, times
}

// The readers of a tree answer nothing where there is none.

func obj(v any) tree {
	t, _ := v.(tree)
	return t
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// str is a scalar as text.
func str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

func strs(v any) (all []string) {
	for _, e := range list(v) {
		all = append(all, str(e))
	}
	return all
}

func texts(v any) map[string]string {
	var m map[string]string
	for k, e := range obj(v) {
		if m == nil {
			m = map[string]string{}
		}
		m[k] = str(e)
	}
	return m
}

func truth(v any) bool { return str(v) == "true" }

// keys are a tree's names in order.
func keys(t tree) []string { return slices.Sorted(maps.Keys(t)) }

// at follows names from the root.
func (d *document) at(names ...string) any {
	var v any = d.root
	for _, n := range names {
		v = obj(v)[n]
	}
	return v
}

// deref follows a reference within the document, not far: "#/parameters/x".
func (d *document) deref(v any) tree {
	for range 10 {
		t := obj(v)
		ref, ok := strings.CutPrefix(str(t["$ref"]), "#/")
		if !ok {
			return t
		}
		names := strings.Split(ref, "/")
		for i, n := range names {
			names[i] = strings.ReplaceAll(strings.ReplaceAll(n, "~1", "/"), "~0", "~")
		}
		v = d.at(names...)
	}
	return nil
}

// modelName is the model that a schema refers to, "" for none.
func modelName(schema any) string {
	ref := str(obj(schema)["$ref"])
	for _, p := range []string{"#/definitions/", "#/components/schemas/"} {
		if name, ok := strings.CutPrefix(ref, p); ok {
			return name
		}
	}
	return ""
}

// modelText is a schema as a model has it: with references to other models.
func modelText(schema any) string {
	b, err := json.Marshal(modelRefs(schema))
	if err != nil { // it came from JSON
		return "{}"
	}
	return string(b)
}

func modelRefs(v any) any {
	switch v := v.(type) {
	case tree:
		out := tree{}
		for k, e := range v {
			if name := modelName(v); k == "$ref" && name != "" {
				out[k] = modelURL(name)
				continue
			}
			out[k] = modelRefs(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = modelRefs(e)
		}
		return out
	}
	return v
}
