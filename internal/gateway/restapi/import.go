package restapi

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// ImportOptions are what an import's query says.
type ImportOptions struct {
	Merge          bool   // PutRestApi with mode=merge: keep what the document does not name
	FailOnWarnings bool   // change nothing if there are warnings
	BasePath       string // ignore, prepend or split; "" is ignore
	EndpointType   string // "REGIONAL"; "" leaves it
}

// ImportAPI makes an API of an OpenAPI document.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api.html
func (b *Book) ImportAPI(ctx context.Context, body []byte, o ImportOptions) (*API, error) {
	d, err := readDocument(body)
	if err != nil {
		return nil, err
	}
	a := &API{ID: newID(10), RootResourceID: newID(10), CreatedDate: b.seconds()}
	a.defaults()
	return write(ctx, b, func(tx store.Tx) (*API, error) {
		next := *a
		return b.importInto(tx, d, &Definition{API: &next, Models: firstModels()}, o)
	})
}

// PutAPI makes an API what an OpenAPI document says, or adds what it says.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_PutRestApi.html
func (b *Book) PutAPI(ctx context.Context, id string, body []byte, o ImportOptions) (*API, error) {
	d, err := readDocument(body)
	if err != nil {
		return nil, err
	}
	return write(ctx, b, func(tx store.Tx) (*API, error) {
		old, err := b.definition(tx, id)
		if err != nil {
			return nil, err
		}
		if !o.Merge {
			a := *old.API
			a.BinaryMediaTypes, a.MinimumCompressionSize, a.Policy, a.KeySource = nil, nil, "", "HEADER"
			old = &Definition{API: &a, Resources: emptied(old.Resources), Authorizers: old.Authorizers, Models: firstModels()}
		}
		return b.importInto(tx, d, old, o)
	})
}

// emptied are resources without their methods: their ids stay when the new
// document has the same paths.
func emptied(rs []*Resource) []*Resource {
	var all []*Resource
	for _, r := range rs {
		c := *r
		c.Methods = nil
		all = append(all, &c)
	}
	return all
}

// importInto adds a document to a definition, checks what comes of it and
// writes it. It may run more than once, so it changes neither's origin.
func (b *Book) importInto(tx store.Tx, d *document, def *Definition, o ImportOptions) (*API, error) {
	next := *d
	d = &next
	d.def, d.auth, d.warn = def, map[string]scheme{}, nil
	authorizers := map[string]bool{}
	if err := d.read(o, authorizers); err != nil {
		return nil, err
	}
	if !o.Merge {
		def.prune(authorizers)
	}
	if err := b.checkAPI(def.API); err != nil {
		return nil, err
	}
	if err := def.save(tx); err != nil {
		return nil, err
	}
	if err := b.checkImported(tx, def); err != nil {
		return nil, err
	}
	if o.FailOnWarnings && len(d.warn) > 0 {
		return nil, bad("Warnings found during import:\n\t%s", strings.Join(d.warn, "\n\t"))
	}
	a := *def.API
	a.Warnings = d.warn
	return &a, nil
}

// prune drops resources that nothing is at any more, and authorizers that the
// document does not have.
func (d *Definition) prune(authorizers map[string]bool) {
	for changed := true; changed; {
		changed = false
		parents := map[string]bool{}
		for _, r := range d.Resources {
			parents[r.ParentID] = true
		}
		var kept []*Resource
		for _, r := range d.Resources {
			if r.ParentID == "" || len(r.Methods) > 0 || parents[r.ID] {
				kept = append(kept, r)
			}
		}
		changed = len(kept) < len(d.Resources)
		d.Resources = kept
	}
	var kept []*Authorizer
	for _, a := range d.Authorizers {
		if authorizers[a.ID] {
			kept = append(kept, a)
		}
	}
	d.Authorizers = kept
}

// checkImported holds all parts to the rules that they are held to when they
// are made one by one.
func (b *Book) checkImported(tx store.Tx, def *Definition) error {
	for _, a := range def.Authorizers {
		if err := a.check(tx, def.API.ID); err != nil {
			return importError("Unable to create authorizer '%s': %s", a.Name, err)
		}
	}
	for _, r := range def.Responses {
		if err := r.check(); err != nil {
			return importError("Unable to put gateway response '%s': %s", r.Type, err)
		}
	}
	for _, r := range def.Resources {
		for _, m := range r.methodsOf() {
			if err := b.checkImportedMethod(tx, def, r, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Book) checkImportedMethod(tx store.Tx, def *Definition, r *Resource, m *Method) error {
	if err := b.checkMethod(tx, def.API.ID, m); err != nil {
		return importError("Unable to put method '%s' on resource at path '%s': %s", m.HTTPMethod, r.Path, err)
	}
	if m.Integration == nil {
		return nil
	}
	if err := m.Integration.check(); err != nil {
		return importError("Unable to put integration on '%s' for resource at path '%s': %s", m.HTTPMethod, r.Path, err)
	}
	for _, a := range m.Integration.Responses {
		if err := a.check(m); err != nil {
			return importError("Unable to put integration response on '%s' for resource at path '%s': %s", m.HTTPMethod, r.Path, err)
		}
	}
	return nil
}

// importError is a refusal with where in the document its cause is.
func importError(format string, where ...any) error {
	if err, ok := where[len(where)-1].(error); ok {
		if !isRefusal(err) {
			return err
		}
		_, text, _ := strings.Cut(err.Error(), ": ")
		where[len(where)-1] = text
	}
	return bad("Errors found during import:\n\t"+format, where...)
}

// read adds all of the document to the definition.
func (d *document) read(o ImportOptions, authorizers map[string]bool) error {
	d.readHead(o)
	for _, step := range []func() error{
		d.readModels, d.readValidators, d.readResponses,
		func() error { return d.readSecurity(authorizers) },
		d.readPaths,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// readHead reads what is said of the API itself.
func (d *document) readHead(o ImportOptions) {
	a := d.def.API
	if t := str(d.at("info", "title")); t != "" {
		a.Name = t
	}
	if a.Name == "" {
		a.Name = "Untitled"
	}
	if v := str(d.at("info", "description")); v != "" {
		a.Description = v
	}
	if v := str(d.at("info", "version")); v != "" {
		a.Version = v
	}
	if v := d.root["x-amazon-apigateway-binary-media-types"]; v != nil {
		a.BinaryMediaTypes = strs(v)
	}
	if v := str(d.root["x-amazon-apigateway-api-key-source"]); v != "" {
		a.KeySource = v
	}
	if n, err := strconv.ParseInt(str(d.root["x-amazon-apigateway-minimum-compression-size"]), 10, 32); err == nil {
		a.MinimumCompressionSize = new(int32(n))
	}
	if p := d.root["x-amazon-apigateway-policy"]; p != nil {
		text, err := json.Marshal(p)
		if s, ok := p.(string); ok {
			text, err = []byte(s), nil
		}
		if err == nil {
			a.Policy = string(text)
		}
	}
	d.readEndpoint(o)
	d.readBase(o)
}

func (d *document) readEndpoint(o ImportOptions) {
	a := d.def.API
	c := obj(d.root["x-amazon-apigateway-endpoint-configuration"])
	for _, s := range list(d.root["servers"]) {
		if e := obj(obj(s)["x-amazon-apigateway-endpoint-configuration"]); e != nil {
			c = e
		}
	}
	if ids := strs(c["vpcEndpointIds"]); ids != nil {
		a.Endpoint.VPCEndpoints = ids
	}
	if v, ok := c["disableExecuteApiEndpoint"]; ok {
		a.DisableEndpoint = truth(v)
	}
	if types := strs(c["types"]); types != nil {
		a.Endpoint.Types = types
	}
	if o.EndpointType != "" {
		a.Endpoint.Types = []string{o.EndpointType}
	}
}

// readBase reads what goes before every path.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api-basePath.html
func (d *document) readBase(o ImportOptions) {
	base := str(d.root["basePath"])
	if servers := list(d.root["servers"]); base == "" && len(servers) > 0 {
		base = str(obj(obj(obj(servers[0])["variables"])["basePath"])["default"])
	}
	base = "/" + strings.Trim(base, "/")
	switch o.BasePath {
	case "prepend":
		d.base = strings.TrimSuffix(base, "/")
	case "split":
		if _, rest, ok := strings.Cut(base[1:], "/"); ok {
			d.base = "/" + rest
		}
	}
}

func (d *document) readModels() error {
	schemas := obj(d.root["definitions"])
	if !d.old {
		schemas = obj(d.at("components", "schemas"))
	}
	for _, name := range keys(schemas) {
		if !modelForm.MatchString(name) {
			return importError("Unable to create model for '%s': Model name must be alphanumeric: %s", name, name)
		}
		d.putModel(&Model{ID: newID(6), Name: name, ContentType: "application/json",
			Description: str(obj(schemas[name])["description"]), Schema: modelText(schemas[name])})
	}
	return nil
}

func (d *document) putModel(m *Model) {
	for i, old := range d.def.Models {
		if old.Name == m.Name {
			m.ID = old.ID
			d.def.Models[i] = m
			return
		}
	}
	d.def.Models = append(d.def.Models, m)
}

func (d *document) readValidators() error {
	all := obj(d.root["x-amazon-apigateway-request-validators"])
	for _, name := range keys(all) {
		v := obj(all[name])
		next := &Validator{ID: newID(6), Name: name, Body: truth(v["validateRequestBody"]), Parameters: truth(v["validateRequestParameters"])}
		if old := d.validator(name); old != nil {
			next.ID = old.ID
			*old = *next
			continue
		}
		d.def.Validators = append(d.def.Validators, next)
	}
	return nil
}

func (d *document) validator(name string) *Validator {
	for _, v := range d.def.Validators {
		if v.Name == name {
			return v
		}
	}
	return nil
}

func (d *document) readResponses() error {
	all := obj(d.root["x-amazon-apigateway-gateway-responses"])
	for _, kind := range keys(all) {
		known := false
		for _, f := range faults() {
			known = known || f.kind == kind
		}
		if !known {
			return importError("Unable to put gateway response '%s': no such response type", kind)
		}
		r := obj(all[kind])
		next := &GatewayResponse{Type: kind, StatusCode: str(r["statusCode"]), Parameters: texts(r["responseParameters"]), Templates: texts(r["responseTemplates"])}
		kept := d.def.Responses[:0:0]
		for _, old := range d.def.Responses {
			if old.Type != kind {
				kept = append(kept, old)
			}
		}
		d.def.Responses = append(kept, next)
	}
	return nil
}

// readSecurity reads who may call: authorizers, signatures, API keys.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authorizer.html
func (d *document) readSecurity(seen map[string]bool) error {
	all := obj(d.root["securityDefinitions"])
	if !d.old {
		all = obj(d.at("components", "securitySchemes"))
	}
	for _, name := range keys(all) {
		s := obj(all[name])
		kind := strings.ToLower(str(s["x-amazon-apigateway-authtype"]))
		ext := obj(s["x-amazon-apigateway-authorizer"])
		switch {
		case ext != nil:
			a := d.authorizer(name, kind, s, ext)
			seen[a.ID] = true
			d.auth[name] = scheme{kind: "authorizer", authorizer: a.ID, cognito: a.Type == "COGNITO_USER_POOLS"}
		case kind == "awssigv4":
			d.auth[name] = scheme{kind: "iam"}
		case str(s["type"]) == "apiKey" && strings.EqualFold(str(s["name"]), "x-api-key"):
			d.auth[name] = scheme{kind: "key"}
		default:
			d.auth[name] = scheme{}
			d.warn = append(d.warn, "Security definition '"+name+"' is ignored: it names no authorizer")
		}
	}
	return nil
}

// authorizer adds an authorizer, in the place of the one of the same name.
func (d *document) authorizer(name, authtype string, s, ext tree) *Authorizer {
	a := &Authorizer{
		ID: newID(6), Name: name, Type: strings.ToUpper(str(ext["type"])), AuthType: str(s["x-amazon-apigateway-authtype"]), URI: str(ext["authorizerUri"]),
		Credentials: str(ext["authorizerCredentials"]), IdentitySource: str(ext["identitySource"]),
		Validation: str(ext["identityValidationExpression"]), ProviderARNs: strs(ext["providerARNs"]),
	}
	if n, err := strconv.ParseInt(str(ext["authorizerResultTtlInSeconds"]), 10, 32); err == nil {
		a.TTL = new(int32(n))
	}
	if a.Type == "" && authtype == "cognito_user_pools" {
		a.Type = "COGNITO_USER_POOLS"
	}
	if h := str(s["name"]); a.Type == "TOKEN" && a.IdentitySource == "" && h != "" {
		a.IdentitySource = "method.request.header." + h
	}
	a.defaults()
	for i, old := range d.def.Authorizers {
		if old.Name == name {
			a.ID = old.ID
			d.def.Authorizers[i] = a
			return a
		}
	}
	d.def.Authorizers = append(d.def.Authorizers, a)
	return a
}
