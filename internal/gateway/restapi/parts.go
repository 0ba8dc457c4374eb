package restapi

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// The smaller parts of an API: authorizers, models, validators and the
// gateway's own answers.

func errNoAuthorizer() error { return notFound("Invalid Authorizer identifier specified") }
func errNoValidator() error  { return notFound("Invalid Request Validator identifier specified") }
func errNoModel(name string) error {
	return notFound("Invalid model name specified: %s", name)
}

// CreateAuthorizer makes an authorizer.
func (b *Book) CreateAuthorizer(ctx context.Context, api string, a Authorizer) (*Authorizer, error) {
	a.ID = newID(6)
	a.defaults()
	return write(ctx, b, func(tx store.Tx) (*Authorizer, error) {
		if _, err := b.api(tx, api); err != nil {
			return nil, err
		}
		if err := a.check(tx, api); err != nil {
			return nil, err
		}
		return &a, save(tx, kindAuthorizer, api, a.ID, &a)
	})
}

func (a *Authorizer) defaults() {
	if a.AuthType == "" {
		a.AuthType = "custom"
		if a.Type == "COGNITO_USER_POOLS" {
			a.AuthType = "cognito_user_pools"
		}
	}
	if a.TTL == nil {
		a.TTL = new(int32(300))
	}
}

// check holds an authorizer to the rules.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateAuthorizer.html
func (a *Authorizer) check(tx store.Tx, api string) error {
	switch {
	case strings.TrimSpace(a.Name) == "":
		return bad("Name cannot be empty")
	case *a.TTL < 0 || *a.TTL > 3600:
		return bad("Invalid authorizer result TTL specified: %d. Must be between 0 and 3600", *a.TTL)
	}
	switch a.Type {
	case "TOKEN":
		if !strings.HasPrefix(a.IdentitySource, "method.request.header.") || strings.Contains(a.IdentitySource, ",") {
			return bad("Invalid Identity Source: TOKEN authorizers need exactly one header: method.request.header.{name}")
		}
		if _, err := regexp.Compile(a.Validation); err != nil {
			return bad("Invalid identity validation expression: %s", a.Validation)
		}
	case "REQUEST":
		if err := a.checkSources(); err != nil {
			return err
		}
	case "COGNITO_USER_POOLS":
		return bad("Mayfly has no Cognito user pools: use a TOKEN or REQUEST authorizer, or an HTTP API with a JWT authorizer.")
	default:
		return bad("Mayfly does not serve authorizers of type %s for REST APIs yet.", a.Type)
	}
	if p := lambdaURI.FindStringSubmatch(a.URI); p == nil {
		return bad("Invalid Authorizer URI: %s. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation.", a.URI)
	}
	return a.unique(tx, api)
}

func (a *Authorizer) checkSources() error {
	if a.IdentitySource == "" {
		if *a.TTL > 0 {
			return bad("Identity source is required for REQUEST authorizers when caching is enabled")
		}
		return nil
	}
	for s := range strings.SplitSeq(a.IdentitySource, ",") {
		s = strings.TrimSpace(s)
		if !isPlace(s, "method.request.") && !strings.HasPrefix(s, "context.") && !strings.HasPrefix(s, "stageVariables.") {
			return bad("Invalid Identity Source: %s", s)
		}
	}
	return nil
}

func (a *Authorizer) unique(tx store.Tx, api string) error {
	others, err := all[Authorizer](tx, kindAuthorizer, api)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.Name == a.Name && o.ID != a.ID {
			return bad("Authorizer name must be unique. Authorizer %s already exists in this RestApi.", a.Name)
		}
	}
	return nil
}

// Authorizer reads an authorizer.
func (b *Book) Authorizer(ctx context.Context, api, id string) (*Authorizer, error) {
	return one[Authorizer](ctx, b, kindAuthorizer, api, id, errNoAuthorizer())
}

// one reads one item of an API.
func one[T any](ctx context.Context, b *Book, kind, api, id string, missing error) (*T, error) {
	return read(ctx, b, func(tx store.Tx) (*T, error) {
		if _, err := b.api(tx, api); err != nil {
			return nil, err
		}
		return load[T](tx, kind, api, id, missing)
	})
}

// Authorizers reads an API's authorizers.
func (b *Book) Authorizers(ctx context.Context, api string) ([]*Authorizer, error) {
	return part[Authorizer](ctx, b, kindAuthorizer, api)
}

// UpdateAuthorizer patches an authorizer.
func (b *Book) UpdateAuthorizer(ctx context.Context, api, id string, patches []Patch) (*Authorizer, error) {
	return update(ctx, b, kindAuthorizer, api, id, errNoAuthorizer(), authorizerRules(), patches,
		func(tx store.Tx, a *Authorizer) error { return a.check(tx, api) })
}

// update patches one item of an API and checks what comes of it.
func update[T any](ctx context.Context, b *Book, kind, api, id string, missing error, rules []rule, patches []Patch, check func(store.Tx, *T) error) (*T, error) {
	return write(ctx, b, func(tx store.Tx) (*T, error) {
		if _, err := b.api(tx, api); err != nil {
			return nil, err
		}
		t, err := load[T](tx, kind, api, id, missing)
		if err != nil {
			return nil, err
		}
		if t, err = patched(t, rules, patches, nil); err != nil {
			return nil, err
		}
		if err := check(tx, t); err != nil {
			return nil, err
		}
		return t, save(tx, kind, api, id, t)
	})
}

// DeleteAuthorizer deletes an authorizer that no method uses.
func (b *Book) DeleteAuthorizer(ctx context.Context, api, id string) error {
	return b.deleteUsed(ctx, kindAuthorizer, api, id, errNoAuthorizer(), func(m *Method) bool { return m.AuthorizerID == id },
		"Cannot delete authorizer '"+id+"', is referenced in method: ")
}

// deleteUsed deletes a part unless a method uses it.
func (b *Book) deleteUsed(ctx context.Context, kind, api, id string, missing error, uses func(*Method) bool, refusal string) error {
	return b.change(ctx, func(tx store.Tx) error {
		if _, err := b.api(tx, api); err != nil {
			return err
		}
		rs, err := all[Resource](tx, kindResource, api)
		if err != nil {
			return err
		}
		for _, r := range rs {
			for _, m := range r.methodsOf() {
				if uses(m) {
					return conflict("%s%s %s", refusal, r.Path, m.HTTPMethod)
				}
			}
		}
		return remove(tx, kind, api, id, missing)
	})
}

// firstModels are the models that every API begins with.
func firstModels() []*Model {
	return []*Model{
		{ID: newID(6), Name: "Empty", ContentType: "application/json", Description: "This is a default empty schema model",
			Schema: "{\n  \"$schema\": \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Empty Schema\",\n  \"type\" : \"object\"\n}"},
		{ID: newID(6), Name: "Error", ContentType: "application/json", Description: "This is a default error schema model",
			Schema: "{\n  \"$schema\" : \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Error Schema\",\n  \"type\" : \"object\",\n  \"properties\" : {\n    \"message\" : { \"type\" : \"string\" }\n  }\n}"},
	}
}

var modelForm = regexp.MustCompile(`^[a-zA-Z0-9]+$`)

// CreateModel makes a model.
func (b *Book) CreateModel(ctx context.Context, api string, m Model) (*Model, error) {
	m.ID = newID(6)
	return write(ctx, b, func(tx store.Tx) (*Model, error) {
		if _, err := b.api(tx, api); err != nil {
			return nil, err
		}
		there, err := exists(tx, kindModel, api, m.Name)
		switch {
		case err != nil:
			return nil, err
		case there:
			return nil, conflict("Model name already exists for this REST API")
		case !modelForm.MatchString(m.Name):
			return nil, bad("Model name must be alphanumeric: %s", m.Name)
		case m.ContentType == "":
			return nil, bad("Content type cannot be empty")
		}
		if err := checkModel(&m); err != nil {
			return nil, err
		}
		return &m, save(tx, kindModel, api, m.Name, &m)
	})
}

// Model reads a model.
func (b *Book) Model(ctx context.Context, api, name string) (*Model, error) {
	return one[Model](ctx, b, kindModel, api, name, errNoModel(name))
}

// Models reads an API's models.
func (b *Book) Models(ctx context.Context, api string) ([]*Model, error) {
	return part[Model](ctx, b, kindModel, api)
}

// UpdateModel patches a model.
func (b *Book) UpdateModel(ctx context.Context, api, name string, patches []Patch) (*Model, error) {
	return update(ctx, b, kindModel, api, name, errNoModel(name), modelRules(), patches,
		func(_ store.Tx, m *Model) error { return checkModel(m) })
}

// DeleteModel deletes a model that no method uses.
func (b *Book) DeleteModel(ctx context.Context, api, name string) error {
	uses := func(m *Method) bool {
		for _, r := range m.Responses {
			for _, n := range r.Models {
				if n == name {
					return true
				}
			}
		}
		for _, n := range m.RequestModels {
			if n == name {
				return true
			}
		}
		return false
	}
	return b.deleteUsed(ctx, kindModel, api, name, errNoModel(name), uses, "Cannot delete model '"+name+"', is referenced in method: ")
}

// CreateValidator makes a validator.
func (b *Book) CreateValidator(ctx context.Context, api string, v Validator) (*Validator, error) {
	v.ID = newID(6)
	return write(ctx, b, func(tx store.Tx) (*Validator, error) {
		if _, err := b.api(tx, api); err != nil {
			return nil, err
		}
		return &v, save(tx, kindValidator, api, v.ID, &v)
	})
}

// Validator reads a validator.
func (b *Book) Validator(ctx context.Context, api, id string) (*Validator, error) {
	return one[Validator](ctx, b, kindValidator, api, id, errNoValidator())
}

// Validators reads an API's validators.
func (b *Book) Validators(ctx context.Context, api string) ([]*Validator, error) {
	return part[Validator](ctx, b, kindValidator, api)
}

// UpdateValidator patches a validator.
func (b *Book) UpdateValidator(ctx context.Context, api, id string, patches []Patch) (*Validator, error) {
	return update(ctx, b, kindValidator, api, id, errNoValidator(), validatorRules(), patches,
		func(store.Tx, *Validator) error { return nil })
}

// DeleteValidator deletes a validator that no method uses.
func (b *Book) DeleteValidator(ctx context.Context, api, id string) error {
	return b.deleteUsed(ctx, kindValidator, api, id, errNoValidator(), func(m *Method) bool { return m.ValidatorID == id },
		"Cannot delete validator '"+id+"', is referenced in method: ")
}

// PutGatewayResponse says what the gateway answers in a case.
func (b *Book) PutGatewayResponse(ctx context.Context, api string, r GatewayResponse) (*GatewayResponse, error) {
	return write(ctx, b, func(tx store.Tx) (*GatewayResponse, error) {
		if _, err := b.api(tx, api); err != nil {
			return nil, err
		}
		if err := r.check(); err != nil {
			return nil, err
		}
		return &r, save(tx, kindResponse, api, r.Type, &r)
	})
}

func (r *GatewayResponse) check() error {
	r.Default = false
	for target, source := range r.Parameters {
		if !strings.HasPrefix(target, "gatewayresponse.header.") || !validSource(source) {
			return bad("Invalid mapping expression specified: %s -> %s", target, source)
		}
	}
	return checkTemplates(r.Templates)
}

// GatewayResponse reads what the gateway answers in a case: AWS's own answer
// where the API has none.
func (b *Book) GatewayResponse(ctx context.Context, api, kind string) (*GatewayResponse, error) {
	rs, err := b.GatewayResponses(ctx, api)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(rs, func(r *GatewayResponse) bool { return r.Type == kind })
	if i < 0 {
		return nil, notFound("Invalid gateway response type specified: %s", kind)
	}
	return rs[i], nil
}

// GatewayResponses reads what the gateway answers in all cases.
func (b *Book) GatewayResponses(ctx context.Context, api string) ([]*GatewayResponse, error) {
	own, err := part[GatewayResponse](ctx, b, kindResponse, api)
	if err != nil {
		return nil, err
	}
	rs := defaultResponses()
	for i, d := range rs {
		for _, r := range own {
			if r.Type == d.Type {
				rs[i] = r
			}
		}
	}
	return rs, nil
}

// UpdateGatewayResponse patches one, AWS's own if the API has none yet.
func (b *Book) UpdateGatewayResponse(ctx context.Context, api, kind string, patches []Patch) (*GatewayResponse, error) {
	r, err := b.GatewayResponse(ctx, api, kind)
	if err != nil {
		return nil, err
	}
	if r, err = patched(r, gatewayResponseRules(), patches, nil); err != nil {
		return nil, err
	}
	return b.PutGatewayResponse(ctx, api, *r)
}

// DeleteGatewayResponse goes back to AWS's own.
func (b *Book) DeleteGatewayResponse(ctx context.Context, api, kind string) error {
	return b.change(ctx, func(tx store.Tx) error {
		if _, err := b.api(tx, api); err != nil {
			return err
		}
		return remove(tx, kindResponse, api, kind, notFound("Gateway response type not defined on api"))
	})
}

// valid tells whether a token has the form that the authorizer wants: all of
// it, or from its start on, as AWS matches.
func (a *Authorizer) valid(token string) bool {
	if a.Validation == "" {
		return true
	}
	re, err := regexp.Compile("^(?:" + a.Validation + ")")
	return err == nil && re.MatchString(token)
}
