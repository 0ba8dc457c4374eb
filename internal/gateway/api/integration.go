package api

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// The types of integrations.
const (
	AWSProxy  = "AWS_PROXY"
	HTTPProxy = "HTTP_PROXY"
)

// AddIntegration adds an integration that edit fills.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html
func (d *Definition) AddIntegration(edit func(*Integration) error) (*Integration, error) {
	n := &Integration{IntegrationId: freshID(d.Integrations, 7)}
	if err := d.editIntegration(n, edit); err != nil {
		return nil, err
	}
	d.Integrations[n.IntegrationId] = n
	return n, nil
}

// ChangeIntegration changes an integration by edit.
func (d *Definition) ChangeIntegration(id string, edit func(*Integration) error) (*Integration, error) {
	n, err := d.Integration(id)
	if err != nil {
		return nil, err
	}
	return n, d.editIntegration(n, edit)
}

// Integration is one of the API's integrations.
func (d *Definition) Integration(id string) (*Integration, error) {
	return find(d.Integrations, "Integration", id)
}

// DeleteIntegration removes an integration that no route has for its target.
func (d *Definition) DeleteIntegration(id string) error {
	if _, err := d.Integration(id); err != nil {
		return err
	}
	var users []string
	for _, r := range d.Routes {
		if targetOf(r) == id {
			users = append(users, r.RouteId)
		}
	}
	if len(users) > 0 {
		slices.Sort(users)
		return Conflict("Cannot delete Integration because it is referenced by the following Routes with Ids: [%s]", strings.Join(users, ", "))
	}
	d.touch()
	delete(d.Integrations, id)
	return nil
}

func (d *Definition) editIntegration(n *Integration, edit func(*Integration) error) error {
	d.touch()
	if err := edit(n); err != nil {
		return err
	}
	d.defaultIntegration(n)
	if err := n.check(); err != nil {
		return err
	}
	if d.API.ProtocolType == HTTP {
		return n.checkHTTP()
	}
	return n.checkWebSocket()
}

// defaultIntegration fills what AWS shows where a client said nothing.
func (d *Definition) defaultIntegration(n *Integration) {
	n.ConnectionType = cmp.Or(n.ConnectionType, "INTERNET")
	if d.API.ProtocolType == HTTP {
		n.TimeoutInMillis = cmp.Or(n.TimeoutInMillis, 30000)
		return
	}
	n.TimeoutInMillis = cmp.Or(n.TimeoutInMillis, 29000)
	n.PayloadFormatVersion = cmp.Or(n.PayloadFormatVersion, "1.0")
	n.PassthroughBehavior = cmp.Or(n.PassthroughBehavior, "WHEN_NO_MATCH")
	if n.IntegrationType != "MOCK" {
		n.IntegrationMethod = cmp.Or(n.IntegrationMethod, "POST")
	}
	if n.IntegrationResponseSelectionExpression == "" {
		n.IntegrationResponseSelectionExpression = "${integration.response.statuscode}"
		if n.IntegrationType == AWSProxy {
			n.IntegrationResponseSelectionExpression = "${integration.response.body.errorMessage}"
		}
	}
}

// check is what holds for both protocols.
func (n *Integration) check() error {
	switch {
	case n.ConnectionType == "VPC_LINK":
		return BadRequest("Mayfly has no VPC links: an integration's ConnectionType is INTERNET")
	case n.IntegrationSubtype != "":
		return BadRequest("Mayfly does not serve integrations with the subtype %s yet: put a function between", n.IntegrationSubtype)
	case n.IntegrationType == "MOCK":
		return nil
	case n.IntegrationUri == "":
		return BadRequest("IntegrationUri is a required parameter for integration")
	case n.IntegrationType == AWSProxy || n.IntegrationType == "AWS":
		return checkFunctionURI(n.IntegrationUri)
	case !goodURL(n.IntegrationUri):
		return BadRequest("Invalid HTTP endpoint specified for URI")
	case n.IntegrationMethod == "":
		return BadRequest("IntegrationMethod is a required parameter for integration")
	}
	return nil
}

func (n *Integration) checkHTTP() error {
	switch {
	case n.IntegrationType != AWSProxy && n.IntegrationType != HTTPProxy:
		return BadRequest("Invalid integration type specified: HTTP APIs support AWS_PROXY and HTTP_PROXY")
	case n.PayloadFormatVersion == "":
		return BadRequest("PayloadFormatVersion is a required parameter for integration")
	case n.PayloadFormatVersion != "1.0" && (n.PayloadFormatVersion != "2.0" || n.IntegrationType != AWSProxy):
		return BadRequest("PayloadFormatVersion %s is not supported for %s integrations", n.PayloadFormatVersion, n.IntegrationType)
	case len(n.RequestTemplates) > 0:
		return BadRequest("RequestTemplates is not currently supported for HTTP APIs")
	case n.TemplateSelectionExpression != "":
		return BadRequest("TemplateSelectionExpression is not currently supported for HTTP APIs")
	case n.ContentHandlingStrategy != "":
		return BadRequest("ContentHandlingStrategy is not currently supported for HTTP APIs")
	case n.PassthroughBehavior != "":
		return BadRequest("PassthroughBehavior is not currently supported for HTTP APIs")
	}
	return n.checkMappings()
}

func (n *Integration) checkWebSocket() error {
	switch {
	case n.TimeoutInMillis > 29000:
		return BadRequest("Timeout should be between 50 ms and 29000 ms")
	case n.PayloadFormatVersion != "1.0":
		return BadRequest("PayloadFormatVersion %s is not supported for WebSocket APIs", n.PayloadFormatVersion)
	case len(n.ResponseParameters) > 0:
		return BadRequest("ResponseParameters is supported only for HTTP APIs")
	}
	return nil
}

// checkFunctionURI wants a function's ARN, or the ARN of its invocation. What
// stage variables stand in for is known only when a request comes.
func checkFunctionURI(uri string) error {
	p := strings.SplitN(uri, ":", 6)
	if len(p) < 6 || p[0] != "arn" {
		return BadRequest("Invalid ARN specified in the request")
	}
	switch {
	case p[2] == "lambda" && strings.HasPrefix(p[5], "function:"):
	case p[2] == "apigateway" && p[4] == "lambda" && strings.HasPrefix(p[5], "path/") && strings.HasSuffix(p[5], "/invocations"):
	case p[2] == "apigateway":
		return BadRequest("Mayfly serves integrations with Lambda functions and URLs alone, not %s", uri)
	default:
		return BadRequest("Invalid ARN specified in the request")
	}
	return nil
}

// goodURL says whether a request can be sent to uri, whatever its parameters
// and stage variables turn out to be.
func goodURL(uri string) bool {
	uri = strings.NewReplacer("${", "", "{", "", "}", "", "+", "").Replace(uri)
	u, err := url.Parse(uri)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// AddIntegrationResponse adds a mapping of what an integration answers.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations-integrationid-integrationresponses.html
func (d *Definition) AddIntegrationResponse(integration string, edit func(*IntegrationResponse) error) (*IntegrationResponse, error) {
	n, err := d.answering(integration)
	if err != nil {
		return nil, err
	}
	made(&n.Responses)
	e := &IntegrationResponse{IntegrationResponseId: freshID(n.Responses, 6)}
	if err := editIntegrationResponse(n, e, edit); err != nil {
		return nil, err
	}
	n.Responses[e.IntegrationResponseId] = e
	return e, nil
}

// ChangeIntegrationResponse changes a mapping by edit.
func (d *Definition) ChangeIntegrationResponse(integration, id string, edit func(*IntegrationResponse) error) (*IntegrationResponse, error) {
	n, err := d.answering(integration)
	if err != nil {
		return nil, err
	}
	e, err := n.Response(id)
	if err != nil {
		return nil, err
	}
	return e, editIntegrationResponse(n, e, edit)
}

// Response is one of an integration's mappings.
func (n *Integration) Response(id string) (*IntegrationResponse, error) {
	return find(n.Responses, "IntegrationResponse", id)
}

// DeleteIntegrationResponse removes a mapping of an integration.
func (d *Definition) DeleteIntegrationResponse(integration, id string) error {
	n, err := d.answering(integration)
	if err != nil {
		return err
	}
	_, err = n.Response(id)
	delete(n.Responses, id)
	return err
}

// answering is an integration whose responses are about to be changed.
func (d *Definition) answering(integration string) (*Integration, error) {
	if d.API.ProtocolType != WebSocket {
		return nil, BadRequest("Integration responses are not currently supported for HTTP APIs")
	}
	d.touch()
	return d.Integration(integration)
}

func editIntegrationResponse(n *Integration, e *IntegrationResponse, edit func(*IntegrationResponse) error) error {
	if err := edit(e); err != nil {
		return err
	}
	key := e.IntegrationResponseKey
	if key != DefaultKey && (len(key) < 3 || key[0] != '/' || key[len(key)-1] != '/') {
		return BadRequest("Invalid integration response key specified: %s. It is $default or a pattern between slashes", key)
	}
	for _, o := range n.Responses {
		if o != e && o.IntegrationResponseKey == key {
			return Conflict("IntegrationResponse with key %s already exists for this integration", key)
		}
	}
	return nil
}
