package restapi

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/gateway/restapi/vtl"
)

// answerFault writes the gateway's own answer to a case: the API's if it has
// one for the case or for its family, else AWS's.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html
func (x *exchange) answerFault(f *refusal) {
	def := faultOf(f.kind)
	status := cmp.Or(f.status, def.status, http.StatusInternalServerError)
	message := cmp.Or(f.message, def.message)
	x.rec.Error, x.rec.ErrorType = message, f.kind
	x.rec.Extra["error.validationErrorString"] = f.detail
	own := x.ownResponse(f.kind, status)
	kind, body := "application/json", []byte(`{"message":`+quote(message)+`}`)
	a := &payload.Answer{Header: http.Header{}}
	if f.kind == "ACCESS_DENIED" { // as IAM's own refusals are spelled
		body = []byte(`{"Message":` + quote(message) + `}`)
	}
	if own != nil {
		if n, err := strconv.Atoi(own.StatusCode); err == nil {
			status = n
		}
		vars := x.vars(x.body)
		vars["context"].(vtl.Map)["error"] = vtl.Map{
			"message": message, "messageString": quote(message), "responseType": f.kind, "validationErrorString": f.detail,
		}
		if t, name := own.template(x.r.Header.Get("Accept")); t != nil {
			if text, err := t.Run(vars); err == nil {
				kind, body = name, []byte(text)
			}
		}
		x.responseHeaders(a.Header, own.Parameters, vars)
	}
	a.Status, a.Body = status, body
	if a.Header.Get("Content-Type") == "" {
		a.Header.Set("Content-Type", kind)
	}
	a.Header.Set("X-Amzn-Errortype", cmp.Or(f.header, def.header))
	a.Write(x.w)
}

// ownResponse is what the API says of a case, or of its family.
func (x *exchange) ownResponse(kind string, status int) *response {
	if x.d == nil {
		return nil
	}
	family := "DEFAULT_4XX"
	if status >= 500 {
		family = "DEFAULT_5XX"
	}
	if r := x.d.responses[kind]; r != nil {
		return r
	}
	return x.d.responses[family]
}

// template is the one for what the client accepts, else that of JSON, else any.
func (r *response) template(accept string) (*vtl.Template, string) {
	for part := range strings.SplitSeq(accept, ",") {
		name := mediaType(part)
		if t := r.templates[name]; t != nil {
			return t, name
		}
	}
	if t := r.templates["application/json"]; t != nil || len(r.templates) == 0 {
		return t, "application/json"
	}
	name := slices.Sorted(maps.Keys(r.templates))[0]
	return r.templates[name], name
}

// responseHeaders sets what a gateway response's parameters say.
func (x *exchange) responseHeaders(h http.Header, parameters map[string]string, vars vtl.Map) {
	for target, source := range parameters {
		name, ok := strings.CutPrefix(target, "gatewayresponse.header.")
		if v, found := x.source(source, vars); ok && found {
			setHeader(h, name, v)
		}
	}
}

// setHeader sets a header that HTTP can carry, and leaves another out.
func setHeader(h http.Header, name, value string) {
	if strings.ContainsAny(name, " \t\r\n:") || strings.ContainsAny(value, "\r\n\x00") || name == "" {
		return
	}
	h.Set(name, value)
}
