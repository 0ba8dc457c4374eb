package restapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaHost begins the URLs by which models name each other:
// https://apigateway.amazonaws.com/restapis/{api}/models/{name}.
const schemaHost = "https://apigateway.amazonaws.com/restapis/"

// A noLoader loads nothing: a model may name others of its API, not the web.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("a model cannot refer to %s", url)
}

// schemas are an API's models, compiled when a method asks for one.
type schemas struct {
	compiler *jsonschema.Compiler
	names    map[string]bool
	wrong    map[string]error
}

// modelURL is where a model is for others. The API's id in a reference does
// not matter: imports name the API that they were exported from.
func modelURL(name string) string { return schemaHost + "api/models/" + name }

func modelSchemas(models []*Model) *schemas {
	s := &schemas{compiler: newCompiler(), names: map[string]bool{}, wrong: map[string]error{}}
	for _, m := range models {
		s.names[m.Name] = true
		doc, err := schemaDoc(m.Schema)
		if err == nil {
			err = s.compiler.AddResource(modelURL(m.Name), doc)
		}
		if err != nil {
			s.wrong[m.Name] = err
		}
	}
	return s
}

func newCompiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.UseLoader(noLoader{})
	return c
}

// schemaDoc reads a model's schema. An empty one allows everything.
func schemaDoc(text string) (any, error) {
	if strings.TrimSpace(text) == "" {
		return map[string]any{}, nil
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	return ourRefs(doc), nil
}

// ourRefs makes references to other models ones that the compiler knows.
func ourRefs(doc any) any {
	switch d := doc.(type) {
	case map[string]any:
		for k, v := range d {
			ref, ok := v.(string)
			if k == "$ref" && ok && strings.HasPrefix(ref, schemaHost) {
				_, name, _ := strings.Cut(ref, "/models/")
				d[k] = modelURL(name)
				continue
			}
			d[k] = ourRefs(v)
		}
	case []any:
		for i, v := range d {
			d[i] = ourRefs(v)
		}
	}
	return doc
}

// of compiles the models that a method names by media type.
func (s *schemas) of(models map[string]string) (map[string]*jsonschema.Schema, error) {
	out := map[string]*jsonschema.Schema{}
	for kind, name := range models {
		if !s.names[name] {
			return nil, fmt.Errorf("the model %s does not exist", name)
		}
		if err := s.wrong[name]; err != nil {
			return nil, fmt.Errorf("the model %s: %w", name, err)
		}
		c, err := s.compiler.Compile(modelURL(name))
		if err != nil {
			return nil, fmt.Errorf("the model %s: %w", name, err)
		}
		out[strings.ToLower(kind)] = c
	}
	return out, nil
}

// checkModel refuses a schema that is none. What it refers to is looked at
// when the API is deployed.
func checkModel(m *Model) error {
	if strings.TrimSpace(m.Schema) == "" {
		return nil
	}
	if !json.Valid([]byte(m.Schema)) {
		return bad("Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]")
	}
	return nil
}

// checkBody holds a body to a schema. The error's text is AWS's for the
// gateway response's validationErrorString.
func checkBody(s *jsonschema.Schema, body []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return errors.New("[Malformed JSON]")
	}
	err = s.Validate(doc)
	if v, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return errors.New("[" + strings.Join(causes(v), ", ") + "]")
	}
	return err
}

// causes are the innermost reasons.
func causes(v *jsonschema.ValidationError) []string {
	if len(v.Causes) == 0 {
		text := v.Error()
		if _, reason, ok := strings.Cut(text, "\n- "); ok {
			text = reason
		}
		return []string{text}
	}
	var all []string
	for _, c := range v.Causes {
		all = append(all, causes(c)...)
	}
	return all
}
