package api

import (
	"cmp"
	"encoding/json"
	"regexp"
)

// AddModel adds a model that edit fills.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-models.html
func (d *Definition) AddModel(edit func(*Model) error) (*Model, error) {
	m := &Model{ModelId: freshID(d.Models, 6)}
	if err := d.editModel(m, edit); err != nil {
		return nil, err
	}
	d.Models[m.ModelId] = m
	return m, nil
}

// ChangeModel changes a model by edit.
func (d *Definition) ChangeModel(id string, edit func(*Model) error) (*Model, error) {
	m, err := d.Model(id)
	if err != nil {
		return nil, err
	}
	return m, d.editModel(m, edit)
}

// Model is one of the API's models.
func (d *Definition) Model(id string) (*Model, error) { return find(d.Models, "Model", id) }

// DeleteModel removes a model.
func (d *Definition) DeleteModel(id string) error {
	if _, err := d.Model(id); err != nil {
		return err
	}
	d.touch()
	delete(d.Models, id)
	return nil
}

func (d *Definition) editModel(m *Model, edit func(*Model) error) error {
	if d.API.ProtocolType != WebSocket {
		return BadRequest("Models are not currently supported for HTTP APIs")
	}
	d.touch()
	if err := edit(m); err != nil {
		return err
	}
	m.ContentType = cmp.Or(m.ContentType, "application/json")
	if !regexp.MustCompile(`^[A-Za-z0-9]+$`).MatchString(m.Name) {
		return BadRequest("Model name must be alphanumeric: %s", m.Name)
	}
	if m.ContentType == "application/json" && !json.Valid([]byte(m.Schema)) {
		return BadRequest("Invalid model schema specified")
	}
	for _, o := range d.Models {
		if o.Name == m.Name && o.ModelId != m.ModelId {
			return Conflict("Model name already exists for this API")
		}
	}
	return nil
}
