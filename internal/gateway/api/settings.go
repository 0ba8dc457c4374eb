package api

import (
	"cmp"
	"strings"
)

// webSelection is how HTTP APIs find a route. AWS's reference writes it with
// braces, and its answers without.
const webSelection = "$request.method $request.path"

// Change changes the API's own settings by edit.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid.html
func (d *Definition) Change(edit func(*API) error) error {
	d.touch()
	if err := edit(&d.API); err != nil {
		return err
	}
	return d.API.check()
}

// check fills what a client need not say and refuses what cannot be.
func (a *API) check() error {
	a.ApiKeySelectionExpression = cmp.Or(a.ApiKeySelectionExpression, "$request.header.x-api-key")
	a.IpAddressType = cmp.Or(a.IpAddressType, "ipv4")
	if a.Name == "" {
		return BadRequest("API name must not be empty")
	}
	if a.ProtocolType == WebSocket {
		return a.checkWebSocket()
	}
	a.RouteSelectionExpression = cmp.Or(a.RouteSelectionExpression, webSelection)
	if e := a.RouteSelectionExpression; e != webSelection && e != "${request.method} ${request.path}" {
		return BadRequest("Invalid route selection expression specified: for HTTP APIs it is %s", webSelection)
	}
	if a.DisableSchemaValidation {
		return BadRequest("DisableSchemaValidation is not currently supported for HTTP APIs")
	}
	return a.CorsConfiguration.check()
}

func (a *API) checkWebSocket() error {
	switch {
	case a.RouteSelectionExpression == "":
		return BadRequest("RouteSelectionExpression is a required parameter for WEBSOCKET APIs")
	case a.CorsConfiguration != nil:
		return BadRequest("CORS configuration is supported only for HTTP APIs")
	}
	return nil
}

func (c *Cors) check() error {
	if c == nil {
		return nil
	}
	for _, o := range c.AllowOrigins {
		if o != "*" && !strings.Contains(o, "://") {
			return BadRequest("Invalid format for origin %s", o)
		}
		if o == "*" && c.AllowCredentials {
			return BadRequest("AllowCredentials cannot be true when AllowOrigins has *")
		}
	}
	if c.MaxAge != nil && (*c.MaxAge < -1 || *c.MaxAge > 86400) {
		return BadRequest("MaxAge must be between -1 and 86400")
	}
	return nil
}

// A Quick says what quick create makes: one route to one integration.
type Quick struct {
	Target         string // a function's ARN, or a URL
	RouteKey       string // "" is $default
	CredentialsArn string
}

// QuickCreate gives a new API an integration, a route, and the stage $default,
// which deploys by itself.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop.html
func (d *Definition) QuickCreate(q Quick) error {
	if d.API.ProtocolType != HTTP {
		return BadRequest("Quick create is supported only for HTTP APIs")
	}
	if q.Target == "" {
		return BadRequest("Target is a required parameter for quick create")
	}
	n, err := d.AddIntegration(func(n *Integration) error {
		n.ApiGatewayManaged = true
		return q.fill(n)
	})
	if err != nil {
		return err
	}
	_, err = d.AddRoute(func(r *Route) error {
		r.ApiGatewayManaged = true
		r.RouteKey, r.Target = cmp.Or(q.RouteKey, DefaultKey), "integrations/"+n.IntegrationId
		return nil
	})
	if err != nil {
		return err
	}
	_, err = d.AddStage(func(s *Stage) error {
		s.StageName, s.AutoDeploy, s.ApiGatewayManaged = DefaultKey, true, true
		return nil
	})
	return err
}

func (q Quick) fill(n *Integration) error {
	n.IntegrationUri = cmp.Or(q.Target, n.IntegrationUri)
	n.CredentialsArn = cmp.Or(q.CredentialsArn, n.CredentialsArn)
	if strings.HasPrefix(n.IntegrationUri, "arn:") {
		n.IntegrationType, n.IntegrationMethod, n.PayloadFormatVersion = AWSProxy, "POST", "2.0"
		return nil
	}
	n.IntegrationType, n.IntegrationMethod, n.PayloadFormatVersion = HTTPProxy, "ANY", "1.0"
	return nil
}

// QuickUpdate changes what QuickCreate made.
func (d *Definition) QuickUpdate(q Quick) error {
	var route *Route
	for _, r := range d.Routes {
		if r.ApiGatewayManaged {
			route = r
		}
	}
	if route == nil || d.Integrations[targetOf(route)] == nil {
		return BadRequest("Target, RouteKey and CredentialsArn can be updated only for an API that was made by quick create")
	}
	if _, err := d.ChangeIntegration(targetOf(route), q.fill); err != nil {
		return err
	}
	_, err := d.ChangeRoute(route.RouteId, func(r *Route) error {
		r.RouteKey = cmp.Or(q.RouteKey, r.RouteKey)
		return nil
	})
	return err
}
