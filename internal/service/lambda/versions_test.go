package lambda

import (
	"strings"
	"testing"
)

func TestPublishVersion(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	before := w.settled("f")
	r := w.want(201, "POST", functions+"/f/versions", m{"Description": "first"})
	if r.body["RevisionId"] == before["RevisionId"] {
		t.Error("the version has $LATEST's revision")
	}
	first := r.body["RevisionId"]
	w.same(loose(t, r.body), expected("f", m{"Description": "first", "FunctionArn": base + "f:1", "Version": "1"}))
	if after := w.settled("f"); after["RevisionId"] == before["RevisionId"] {
		t.Error("publishing did not change $LATEST's revision")
	}
	again := w.want(201, "POST", functions+"/f/versions", m{"Description": "other"})
	if again.body["Version"] != "1" || again.body["RevisionId"] != first || again.body["Description"] != "first" {
		t.Errorf("published without a change: %s", again.raw)
	}
	w.want(200, "PUT", functions+"/f/configuration", m{"Timeout": 9})
	w.settled("f")
	if r := w.want(201, "POST", functions+"/f/versions", m{}); r.body["Version"] != "2" || r.body["Timeout"] != 9.0 {
		t.Errorf("second version: %s", r.raw)
	}
	if r := w.want(200, "GET", functions+"/f/configuration?Qualifier=1", nil); r.body["Timeout"] != 3.0 || r.body["FunctionArn"] != base+"f:1" {
		t.Errorf("a version changed: %s", r.raw)
	}
	sha := before["CodeSha256"].(string)
	w.refused(400, "InvalidParameterValueException", "CodeSHA256 (xyz) is different from current CodeSHA256 in $LATEST ("+sha+"). Please try again with the CodeSHA256 in $LATEST.", "POST", functions+"/f/versions", m{"CodeSha256": "xyz"})
	w.want(201, "POST", functions+"/f/versions", m{"CodeSha256": sha})
	w.refused(404, "ResourceNotFoundException", "Function not found: "+base+"nope", "POST", functions+"/nope/versions", m{})
}

func TestCreateAndPublish(t *testing.T) {
	w := open(t)
	r := w.want(201, "POST", functions, w.plan("f", m{"Publish": true}))
	if r.body["Version"] != "1" || r.body["State"] != "Pending" {
		t.Errorf("%s", r.raw)
	}
	w.settled("f")
	if c := w.settled("f:1"); c["Version"] != "1" || c["State"] != "Active" {
		t.Errorf("version 1 is %v", c)
	}
	r = w.want(200, "GET", functions+"/f/versions", nil)
	var arns []string
	for _, v := range r.body["Versions"].([]any) {
		arns = append(arns, strings.TrimPrefix(v.(m)["FunctionArn"].(string), base))
	}
	if strings.Join(arns, " ") != "f:$LATEST f:1" {
		t.Errorf("versions %v", arns)
	}
	one := w.want(200, "GET", functions+"/f/versions?MaxItems=1", nil)
	two := w.want(200, "GET", functions+"/f/versions?MaxItems=1&Marker="+one.body["NextMarker"].(string), nil)
	if two.body["Versions"].([]any)[0].(m)["Version"] != "1" || two.body["NextMarker"] != nil {
		t.Errorf("second page: %s", two.raw)
	}
}
