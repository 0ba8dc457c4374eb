package restapi

import (
	"context"
	"net/url"
	"regexp"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

func errNoIntegration() error { return notFound("Invalid Integration identifier specified") }

// An integration's longest time in milliseconds. AWS's default is 29 seconds,
// and a limit that can be raised; a streamed answer may take 15 minutes.
const (
	maxTimeout = 300_000
	maxStream  = 900_000
)

const defaultTimeout = 29_000

// lambdaURI is an integration's way to a function: buffered, or streamed.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
var lambdaURI = regexp.MustCompile(`^arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/(2015-03-31|2021-11-15)/functions/(.+)/(invocations|response-streaming-invocations)$`)

// PutIntegration says what is behind a method, in the place of what was.
func (b *Book) PutIntegration(ctx context.Context, p Place, i Integration) (*Integration, error) {
	return &i, b.editMethod(ctx, p, func(_ store.Tx, m *Method) error {
		i.defaults(p.Resource)
		if m.Integration != nil {
			i.Responses = m.Integration.Responses
		}
		if err := i.check(); err != nil {
			return err
		}
		m.Integration = &i
		return nil
	})
}

func (i *Integration) defaults(resource string) {
	if i.Passthrough == "" {
		i.Passthrough = "WHEN_NO_MATCH"
	}
	if i.TimeoutMillis == 0 {
		i.TimeoutMillis = defaultTimeout
	}
	if i.CacheNamespace == "" {
		i.CacheNamespace = resource
	}
	if i.TransferMode == "" && i.Type != "MOCK" {
		i.TransferMode = "BUFFERED"
	}
}

// check holds an integration to the rules, and to what is served.
func (i *Integration) check() error {
	switch i.Type {
	case "AWS", "AWS_PROXY":
		if err := i.checkLambda(); err != nil {
			return err
		}
	case "HTTP", "HTTP_PROXY":
		if err := i.checkHTTP(); err != nil {
			return err
		}
	case "MOCK":
	default:
		return bad("Invalid integration type specified: %s", i.Type)
	}
	longest := int32(maxTimeout)
	if i.TransferMode == "STREAM" {
		longest = maxStream
	}
	switch {
	case i.TimeoutMillis < 50 || i.TimeoutMillis > longest:
		return bad("Timeout should be between 50 ms and %d ms", longest)
	case i.TransferMode == "STREAM" && i.Type != "AWS_PROXY" && i.Type != "HTTP_PROXY":
		return bad("Response transfer mode STREAM is supported for AWS_PROXY and HTTP_PROXY integrations only")
	case i.Passthrough != "WHEN_NO_MATCH" && i.Passthrough != "WHEN_NO_TEMPLATES" && i.Passthrough != "NEVER":
		return bad("Invalid passthrough behavior specified: %s", i.Passthrough)
	}
	for target, source := range i.RequestParameters {
		if !strings.HasPrefix(target, "integration.request.") || !validSource(source) {
			return bad("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s -> %s]", target, source)
		}
	}
	return checkTemplates(i.RequestTemplates)
}

// checkLambda wants a function behind an AWS integration: the only service
// that is served so far.
func (i *Integration) checkLambda() error {
	switch {
	case i.HTTPMethod == "":
		return bad("Enumeration value for HttpMethod must be non-empty")
	case !strings.HasPrefix(i.URI, "arn:"):
		return bad("Invalid ARN specified in the request")
	case !strings.Contains(i.URI, ":path/") && !strings.Contains(i.URI, ":action/"):
		return bad("AWS ARN for integration must contain path or action")
	}
	p := lambdaURI.FindStringSubmatch(i.URI)
	switch {
	case p == nil && i.Type == "AWS_PROXY":
		return bad("Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.")
	case p == nil:
		return bad("Mayfly does not serve the AWS integration %s yet: functions alone can be called.", i.URI)
	case (p[3] == "response-streaming-invocations") != (i.TransferMode == "STREAM"):
		return bad("The response transfer mode %s needs the other kind of URI: streamed answers come from /2021-11-15/functions/{arn}/response-streaming-invocations", i.TransferMode)
	}
	return nil
}

func (i *Integration) checkHTTP() error {
	u, err := url.Parse(strings.NewReplacer("{", "", "}", "", "${stageVariables.", "").Replace(i.URI))
	switch {
	case i.ConnectionType == "VPC_LINK":
		return bad("Mayfly does not serve VPC links yet: use connection type INTERNET.")
	case i.HTTPMethod == "":
		return bad("Enumeration value for HttpMethod must be non-empty")
	case err != nil || !strings.HasPrefix(i.URI, "http://") && !strings.HasPrefix(i.URI, "https://") && !strings.HasPrefix(i.URI, "${"), err == nil && u.Path == "" && u.Host == "":
		return bad("Invalid HTTP endpoint specified for URI")
	}
	return nil
}

// validSource tells whether a mapping's right side is one: a constant in
// quotes, or a place of the request.
func validSource(s string) bool {
	switch {
	case len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'':
		return true
	case strings.HasPrefix(s, "context."), strings.HasPrefix(s, "stageVariables."):
		return true
	case s == "method.request.body":
		return true
	}
	return isPlace(s, "method.request.")
}

// checkTemplates refuses templates that cannot be run.
func checkTemplates(templates map[string]string) error {
	for kind, text := range templates {
		if _, err := parseTemplate(text); err != nil {
			return bad("Mayfly cannot run the template for %s: %s", kind, err)
		}
	}
	return nil
}

// Integration reads what is behind a method.
func (b *Book) Integration(ctx context.Context, p Place) (*Integration, error) {
	m, err := b.Method(ctx, p)
	if err != nil {
		return nil, err
	}
	if m.Integration == nil {
		return nil, errNoIntegration()
	}
	return m.Integration, nil
}

// editIntegration changes the integration at p in one transaction.
func (b *Book) editIntegration(ctx context.Context, p Place, edit func(*Integration) error) error {
	return b.editMethod(ctx, p, func(_ store.Tx, m *Method) error {
		if m.Integration == nil {
			return errNoIntegration()
		}
		return edit(m.Integration)
	})
}

// UpdateIntegration patches an integration.
func (b *Book) UpdateIntegration(ctx context.Context, p Place, patches []Patch) (*Integration, error) {
	var out *Integration
	return out, b.editIntegration(ctx, p, func(i *Integration) error {
		next, err := patched(i, integrationRules(), patches, nil)
		if err != nil {
			return err
		}
		if err := next.check(); err != nil {
			return err
		}
		*i = *next
		out = i
		return nil
	})
}

// DeleteIntegration leaves a method without an integration.
func (b *Book) DeleteIntegration(ctx context.Context, p Place) error {
	return b.editMethod(ctx, p, func(_ store.Tx, m *Method) error {
		if m.Integration == nil {
			return errNoIntegration()
		}
		m.Integration = nil
		return nil
	})
}

// PutIntegrationResponse says what to make of an integration's answer.
func (b *Book) PutIntegrationResponse(ctx context.Context, p Place, r IntegrationResponse) (*IntegrationResponse, error) {
	return &r, b.editMethod(ctx, p, func(_ store.Tx, m *Method) error {
		if m.Integration == nil {
			return errNoIntegration()
		}
		if err := r.check(m); err != nil {
			return err
		}
		if m.Integration.Responses == nil {
			m.Integration.Responses = map[string]*IntegrationResponse{}
		}
		m.Integration.Responses[r.StatusCode] = &r
		return nil
	})
}

func (r *IntegrationResponse) check(m *Method) error {
	declared := m.Responses[r.StatusCode]
	if declared == nil {
		return notFound("Invalid Response status code specified")
	}
	if _, err := regexp.Compile(r.SelectionPattern); err != nil {
		return bad("Invalid selection pattern specified: %s", r.SelectionPattern)
	}
	for target, source := range r.Parameters {
		if !strings.HasPrefix(target, "method.response.header.") || !validAnswer(source) {
			return bad("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", source)
		}
		if _, ok := declared.Parameters[target]; !ok {
			return bad("Invalid mapping expression parameter specified: %s", target)
		}
	}
	return checkTemplates(r.Templates)
}

// validAnswer tells whether a response mapping's right side is one.
func validAnswer(s string) bool {
	switch {
	case len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'':
		return true
	case strings.HasPrefix(s, "context."), strings.HasPrefix(s, "stageVariables."):
		return true
	}
	rest, ok := strings.CutPrefix(s, "integration.response.")
	return ok && (rest == "body" || strings.HasPrefix(rest, "body.") || strings.HasPrefix(rest, "header.") || strings.HasPrefix(rest, "multivalueheader."))
}

// IntegrationResponse reads one.
func (b *Book) IntegrationResponse(ctx context.Context, p Place, status string) (*IntegrationResponse, error) {
	i, err := b.Integration(ctx, p)
	if err != nil {
		return nil, err
	}
	if r := i.Responses[status]; r != nil {
		return r, nil
	}
	return nil, errNoResponse()
}

// UpdateIntegrationResponse patches one.
func (b *Book) UpdateIntegrationResponse(ctx context.Context, p Place, status string, patches []Patch) (*IntegrationResponse, error) {
	var out *IntegrationResponse
	return out, b.editMethod(ctx, p, func(_ store.Tx, m *Method) error {
		if m.Integration == nil {
			return errNoIntegration()
		}
		r := m.Integration.Responses[status]
		if r == nil {
			return errNoResponse()
		}
		next, err := patched(r, integrationResponseRules(), patches, nil)
		if err != nil {
			return err
		}
		delete(m.Integration.Responses, status)
		m.Integration.Responses[next.StatusCode] = next
		out = next
		return next.check(m)
	})
}

// DeleteIntegrationResponse deletes one.
func (b *Book) DeleteIntegrationResponse(ctx context.Context, p Place, status string) error {
	return b.editIntegration(ctx, p, func(i *Integration) error {
		if i.Responses[status] == nil {
			return errNoResponse()
		}
		delete(i.Responses, status)
		return nil
	})
}
