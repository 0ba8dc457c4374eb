package authorize

import (
	"encoding/json"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
)

// EventV2 is what payload format 2.0 asks a function. The request has no body:
// authorizers are not shown it.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
func EventV2(r *payload.Request, routeARN string, identity []string) ([]byte, error) {
	return asked(payload.V2, r, map[string]any{"type": "REQUEST", "routeArn": routeARN, "identitySource": identity})
}

// EventV1 is what payload format 1.0 of an HTTP API asks a function.
func EventV1(r *payload.Request, methodARN string, identity []string) ([]byte, error) {
	var token *string
	if len(identity) > 0 {
		token = new(strings.Join(identity, ","))
	}
	return asked(payload.V1, r, map[string]any{
		"type": "REQUEST", "methodArn": methodARN, "identitySource": token, "authorizationToken": token,
	})
}

// EventREST is what a REST API asks a function that decides by the request.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
func EventREST(r *payload.Request, methodARN string) ([]byte, error) {
	return asked(payload.REST, r, map[string]any{"type": "REQUEST", "methodArn": methodARN})
}

// EventToken is what a REST API asks a function that decides by a token alone.
func EventToken(methodARN, token string) ([]byte, error) {
	return json.Marshal(map[string]string{"type": "TOKEN", "methodArn": methodARN, "authorizationToken": token})
}

// asked is the request's event without a body, and with more.
func asked(event func(*payload.Request) ([]byte, error), r *payload.Request, more map[string]any) ([]byte, error) {
	bare := *r
	bare.Body = nil
	raw, err := event(&bare)
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	for k, v := range members {
		all[k] = v
	}
	delete(all, "body")
	delete(all, "isBase64Encoded")
	for k, v := range more {
		all[k] = v
	}
	return json.Marshal(all)
}
