package restapi

import (
	"slices"
	"strings"
)

// validate holds the request to what the method declares, as far as its
// validator says.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
func (x *exchange) validate() error {
	v := x.rt.validator
	if v == nil {
		return nil
	}
	if v.Parameters {
		if err := x.required(); err != nil {
			return err
		}
	}
	if !v.Body || len(x.rt.schemas) == 0 {
		return nil
	}
	s := x.rt.schemas[mediaType(x.r.Header.Get("Content-Type"))]
	if s == nil {
		if s = x.rt.schemas["$default"]; s == nil {
			return nil
		}
	}
	if err := checkBody(s, x.body); err != nil {
		return &refusal{kind: "BAD_REQUEST_BODY", detail: err.Error(), cause: err}
	}
	return nil
}

// required refuses a request without a parameter that must be there.
func (x *exchange) required() error {
	var missing []string
	for name, must := range x.rt.RequestParameters {
		if !must {
			continue
		}
		at := strings.TrimPrefix(name, "method.request.")
		if v, ok := x.ofRequest(at); !ok || v == "" {
			_, short, _ := strings.Cut(at, ".")
			missing = append(missing, short)
		}
	}
	if missing == nil {
		return nil
	}
	slices.Sort(missing)
	return &refusal{kind: "BAD_REQUEST_PARAMETERS", message: "Missing required request parameters: [" + strings.Join(missing, ", ") + "]"}
}
