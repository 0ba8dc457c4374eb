package lambda

import "testing"

func TestAliases(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	w.want(201, "POST", functions+"/f/versions", m{})
	w.want(200, "PUT", functions+"/f/configuration", m{"Timeout": 9})
	w.settled("f")
	w.want(201, "POST", functions+"/f/versions", m{})
	aliases := functions + "/f/aliases"
	r := w.want(201, "POST", aliases, m{"Name": "live", "FunctionVersion": "1", "RoutingConfig": m{"AdditionalVersionWeights": m{"2": 0.5}}})
	revision := r.body["RevisionId"]
	live := m{"AliasArn": base + "f:live", "Description": "", "FunctionVersion": "1", "Name": "live", "RevisionId": revision, "RoutingConfig": m{"AdditionalVersionWeights": m{"2": 0.5}}}
	w.same(r.body, live)
	w.same(w.want(200, "GET", aliases+"/live", nil).body, live)
	r = w.want(201, "POST", aliases, m{"Name": "bare", "FunctionVersion": "$LATEST", "RoutingConfig": m{}})
	w.same(r.body, m{"AliasArn": base + "f:bare", "Description": "", "FunctionVersion": "$LATEST", "Name": "bare", "RevisionId": r.body["RevisionId"]})

	w.refused(409, "ResourceConflictException", "Alias already exists: "+base+"f:live", "POST", aliases, m{"Name": "live", "FunctionVersion": "1"})
	w.refused(404, "ResourceNotFoundException", "Function not found: "+base+"f:10", "POST", aliases, m{"Name": "x", "FunctionVersion": "10"})
	w.refused(404, "ResourceNotFoundException", "Function not found: "+base+"f-unknown:1", "POST", functions+"/f-unknown/aliases", m{"Name": "x", "FunctionVersion": "1"})
	w.refused(404, "ResourceNotFoundException", "Cannot find alias arn: "+base+"f:nope", "GET", aliases+"/nope", nil)
	w.refused(404, "ResourceNotFoundException", "Function not found: "+base+"f:nope", "GET", functions+"/f?Qualifier=nope", nil)
	for text, weights := range map[string]m{
		"Number of items in AdditionalVersionWeights cannot be greater than 1":                         {"1": 0.1, "2": 0.1},
		"Invalid function version 1. Function version 1 is already included in routing configuration.": {"1": 0.5},
	} {
		w.refused(400, "InvalidParameterValueException", text, "POST", aliases, m{"Name": "x", "FunctionVersion": "1", "RoutingConfig": m{"AdditionalVersionWeights": weights}})
	}
	w.refused(404, "ResourceNotFoundException", "Function not found: "+base+"f:10", "POST", aliases, m{"Name": "x", "FunctionVersion": "1", "RoutingConfig": m{"AdditionalVersionWeights": m{"10": 0.5}}})
	w.refused(400, "InvalidParameterValueException", "$LATEST is not supported for an alias pointing to more than 1 version", "POST", aliases, m{"Name": "x", "FunctionVersion": "$LATEST", "RoutingConfig": m{"AdditionalVersionWeights": m{"1": 0.5}}})
	if r := w.want(400, "POST", aliases, m{"Name": "123", "FunctionVersion": "1"}); r.header.Get("X-Amzn-Errortype") != "ValidationException" {
		t.Errorf("an alias of digits: %s", r.raw)
	}

	r = w.want(200, "PUT", aliases+"/live", m{"FunctionVersion": "2", "Description": "d", "RoutingConfig": m{"AdditionalVersionWeights": m{}}, "RevisionId": revision})
	if r.body["RevisionId"] == revision || r.body["RoutingConfig"] != nil || r.body["FunctionVersion"] != "2" || r.body["Description"] != "d" {
		t.Errorf("updated: %s", r.raw)
	}
	w.refused(412, "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id", "PUT", aliases+"/live", m{"RevisionId": revision})
	if r := w.want(200, "GET", functions+"/f?Qualifier=live", nil); r.body["Configuration"].(m)["FunctionArn"] != base+"f:live" || r.body["Configuration"].(m)["Version"] != "2" {
		t.Errorf("function by alias: %s", r.raw)
	}
	if r := w.want(200, "GET", aliases+"?FunctionVersion=2", nil); len(r.body["Aliases"].([]any)) != 1 {
		t.Errorf("aliases of version 2: %s", r.raw)
	}
	one := w.want(200, "GET", aliases+"?MaxItems=1", nil)
	if two := w.want(200, "GET", aliases+"?MaxItems=1&Marker="+one.body["NextMarker"].(string), nil); two.body["Aliases"].([]any)[0].(m)["Name"] != "live" || two.body["NextMarker"] != nil {
		t.Errorf("second page: %s", two.raw)
	}
	w.want(204, "DELETE", aliases+"/live", nil)
	w.want(204, "DELETE", aliases+"/live", nil)
	w.want(404, "GET", aliases+"/live", nil)
}
