package restapi

import (
	"slices"
	"strconv"
	"strings"
)

const anyMethod = "x-amazon-apigateway-any-method"

// readPaths reads the resources and their methods.
func (d *document) readPaths() error {
	if _, err := d.resource("/"); err != nil {
		return err
	}
	paths := obj(d.root["paths"])
	for _, path := range keys(paths) {
		item := d.deref(paths[path])
		r, err := d.resource(d.base + path)
		if err != nil {
			return err
		}
		for _, verb := range keys(item) {
			method := strings.ToUpper(verb)
			if verb == anyMethod {
				method = "ANY"
			} else if !isHTTPMethod(method) || method == "ANY" {
				continue
			}
			m, err := d.method(path, method, item, obj(item[verb]))
			if err != nil {
				return err
			}
			if r.Methods == nil {
				r.Methods = map[string]*Method{}
			}
			r.Methods[method] = m
		}
	}
	return nil
}

// resource is the resource at a path, made with those above it if need be.
func (d *document) resource(path string) (*Resource, error) {
	var at *Resource
	for _, r := range d.def.Resources {
		if r.ParentID == "" {
			at = r
		}
	}
	if at == nil {
		at = &Resource{ID: d.def.API.RootResourceID, Path: "/"}
		d.def.Resources = append(d.def.Resources, at)
	}
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if part == "" {
			continue
		}
		next, err := d.below(at, part)
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

func (d *document) below(parent *Resource, part string) (*Resource, error) {
	for _, r := range d.def.Resources {
		if r.ParentID == parent.ID && r.PathPart == part {
			return r, nil
		}
	}
	if err := fits(parent, d.def.Resources, part, ""); err != nil {
		return nil, importError("Unable to create resource at path '%s': %s", join(parent.Path, part), err)
	}
	r := &Resource{ID: newID(6), ParentID: parent.ID, PathPart: part, Path: join(parent.Path, part)}
	d.def.Resources = append(d.def.Resources, r)
	return r, nil
}

// method reads one operation of a path.
func (d *document) method(path, name string, item, op tree) (*Method, error) {
	m := &Method{HTTPMethod: name, AuthorizationType: "NONE", OperationName: str(op["operationId"])}
	if err := d.security(m, op); err != nil {
		return nil, importError("Unable to put method '%s' on resource at path '%s': %s", name, path, err)
	}
	d.parameters(m, op, append(list(item["parameters"])[:len(list(item["parameters"])):len(list(item["parameters"]))], list(op["parameters"])...))
	validator := str(op["x-amazon-apigateway-request-validator"])
	if validator == "" {
		validator = str(d.root["x-amazon-apigateway-request-validator"])
	}
	if validator != "" {
		v := d.validator(validator)
		if v == nil {
			return nil, importError("Unable to put method '%s' on resource at path '%s': Invalid Request Validator identifier specified", name, path)
		}
		m.ValidatorID = v.ID
	}
	d.responses(m, op)
	in := d.deref(op["x-amazon-apigateway-integration"])
	if in == nil {
		in = d.deref(item["x-amazon-apigateway-integration"])
	}
	if in != nil {
		m.Integration = integrationOf(in)
		m.Integration.defaults("")
	}
	return m, nil
}

// security says who may call a method: what the operation says, or the whole
// document.
func (d *document) security(m *Method, op tree) error {
	if t := strings.ToUpper(str(obj(op["x-amazon-apigateway-auth"])["type"])); t == "AWS_IAM" || t == "NONE" {
		m.AuthorizationType = t
	}
	needs, said := op["security"]
	if !said {
		needs = d.root["security"]
	}
	for _, need := range list(needs) {
		for name, scopes := range obj(need) {
			s, ok := d.auth[name]
			if !ok {
				return bad("Invalid security definition '%s'", name)
			}
			switch s.kind {
			case "key":
				m.KeyRequired = true
			case "iam":
				m.AuthorizationType = "AWS_IAM"
			case "authorizer":
				m.AuthorizationType, m.AuthorizerID = "CUSTOM", s.authorizer
				if s.cognito {
					m.AuthorizationType, m.Scopes = "COGNITO_USER_POOLS", strs(scopes)
				}
			}
		}
	}
	return nil
}

// parameters declares a method's parameters, and the models of its body.
func (d *document) parameters(m *Method, op tree, all []any) {
	for _, one := range all {
		p := d.deref(one)
		where := map[string]string{"path": "path", "query": "querystring", "header": "header"}[str(p["in"])]
		switch {
		case where != "":
			if m.RequestParameters == nil {
				m.RequestParameters = map[string]bool{}
			}
			m.RequestParameters["method.request."+where+"."+str(p["name"])] = truth(p["required"])
		case str(p["in"]) == "body":
			consumes := strs(op["consumes"])
			if consumes == nil {
				consumes = strs(d.root["consumes"])
			}
			if consumes == nil {
				consumes = []string{"application/json"}
			}
			for _, kind := range consumes {
				m.RequestModels = with(m.RequestModels, kind, d.model(p["schema"]))
			}
		}
	}
	content := obj(d.deref(op["requestBody"])["content"])
	for _, kind := range keys(content) {
		if s := obj(content[kind])["schema"]; s != nil {
			m.RequestModels = with(m.RequestModels, kind, d.model(s))
		}
	}
}

func with(m map[string]string, k, v string) map[string]string {
	if v == "" {
		return m
	}
	if m == nil {
		m = map[string]string{}
	}
	m[k] = v
	return m
}

// model is the name of the model that a schema is: the one that it refers to,
// or one made for it.
func (d *document) model(schema any) string {
	if schema == nil {
		return ""
	}
	if name := modelName(schema); name != "" {
		return name
	}
	text := modelText(schema)
	for _, m := range d.def.Models {
		if m.Schema == text {
			return m.Name
		}
	}
	m := &Model{ID: newID(6), Name: "MODEL" + newID(6), ContentType: "application/json", Schema: text}
	d.putModel(m)
	return m.Name
}

// responses declares a method's statuses.
func (d *document) responses(m *Method, op tree) {
	all := obj(op["responses"])
	for _, status := range keys(all) {
		if n, err := strconv.Atoi(status); err != nil || n < 100 || n > 599 {
			continue // "default" and "2XX" are for people
		}
		said := d.deref(all[status])
		r := &MethodResponse{StatusCode: status}
		for name := range obj(said["headers"]) {
			if r.Parameters == nil {
				r.Parameters = map[string]bool{}
			}
			r.Parameters["method.response.header."+name] = false
		}
		if s := said["schema"]; s != nil {
			r.Models = with(r.Models, "application/json", d.model(s))
		}
		content := obj(said["content"])
		for _, kind := range keys(content) {
			if s := obj(content[kind])["schema"]; s != nil {
				r.Models = with(r.Models, kind, d.model(s))
			}
		}
		if m.Responses == nil {
			m.Responses = map[string]*MethodResponse{}
		}
		m.Responses[status] = r
	}
}

// integrationOf reads x-amazon-apigateway-integration.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html
func integrationOf(t tree) *Integration {
	i := &Integration{
		Type: strings.ToUpper(str(t["type"])), HTTPMethod: strings.ToUpper(str(t["httpMethod"])), URI: str(t["uri"]),
		ConnectionType: str(t["connectionType"]), ConnectionID: str(t["connectionId"]), Credentials: str(t["credentials"]),
		RequestParameters: texts(t["requestParameters"]), RequestTemplates: texts(t["requestTemplates"]),
		Passthrough: strings.ToUpper(str(t["passthroughBehavior"])), ContentHandling: str(t["contentHandling"]),
		CacheNamespace: str(t["cacheNamespace"]), CacheKeys: strs(t["cacheKeyParameters"]), TransferMode: strings.ToUpper(str(t["responseTransferMode"])),
	}
	if n, err := strconv.ParseInt(str(t["timeoutInMillis"]), 10, 32); err == nil {
		i.TimeoutMillis = int32(n)
	}
	if c := obj(t["tlsConfig"]); c != nil {
		i.TLS = &TLS{Insecure: truth(c["insecureSkipVerification"])}
	}
	responses := obj(t["responses"])
	for _, pattern := range keys(responses) {
		r := obj(responses[pattern])
		a := &IntegrationResponse{
			StatusCode: str(r["statusCode"]), Parameters: texts(r["responseParameters"]), Templates: texts(r["responseTemplates"]),
			ContentHandling: str(r["contentHandling"]),
		}
		if pattern != "default" {
			a.SelectionPattern = pattern
		}
		if a.StatusCode == "" || slices.Contains([]string{"AWS_PROXY", "HTTP_PROXY"}, i.Type) {
			continue // a proxy's answer goes as it is
		}
		if i.Responses == nil {
			i.Responses = map[string]*IntegrationResponse{}
		}
		i.Responses[a.StatusCode] = a
	}
	return i
}
