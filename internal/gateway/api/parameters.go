package api

import (
	"slices"
	"strconv"
	"strings"
)

// What a mapping's key may not change.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
var reserved = [...]string{
	"access-control-", "apigw-", "authorization", "connection", "content-encoding", "content-length", "content-location",
	"forwarded", "keep-alive", "origin", "proxy-authenticate", "proxy-authorization", "te", "trailers", "transfer-encoding",
	"upgrade", "x-amz-", "x-amzn-", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via",
}

// checkMappings holds an HTTP API's parameter mappings to their grammar.
func (n *Integration) checkMappings() error {
	for key, value := range n.RequestParameters {
		if err := checkMapping(key, value, []string{"header", "querystring"}); err != nil {
			return err
		}
	}
	for status, mappings := range n.ResponseParameters {
		if s, err := strconv.Atoi(status); err != nil || s < 200 || s > 599 {
			return BadRequest("Invalid status code specified for ResponseParameters: %s", status)
		}
		for key, value := range mappings {
			if err := checkMapping(key, value, []string{"header"}); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkMapping wants action:location.name, or overwrite:path or overwrite:statuscode.
func checkMapping(key, value string, locations []string) error {
	action, place, ok := strings.Cut(key, ":")
	location, name, named := strings.Cut(place, ".")
	whole := "path"
	if len(locations) == 1 {
		whole = "statuscode"
	}
	switch {
	case !ok || !slices.Contains([]string{"append", "overwrite", "remove"}, action):
	case !named && place == whole && action == "overwrite":
		return nil
	case !named || name == "" || !slices.Contains(locations, location):
	case location == "header" && isReserved(name):
		return BadRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Operations on header %s are restricted]", name)
	case action == "remove" && value != "''" && value != "":
		return BadRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [The value of %s must be '']", key)
	default:
		return nil
	}
	return BadRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", key)
}

func isReserved(header string) bool {
	header = strings.ToLower(header)
	return slices.ContainsFunc(reserved[:], func(r string) bool {
		return header == r || strings.HasSuffix(r, "-") && strings.HasPrefix(header, r)
	})
}
