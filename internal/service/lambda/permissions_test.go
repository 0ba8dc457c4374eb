package lambda

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestPermissions(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	policy := functions + "/f/policy"
	w.refused(404, "ResourceNotFoundException", "The resource you requested does not exist.", "GET", policy, nil)
	w.refused(404, "ResourceNotFoundException", "No policy is associated with the given resource.", "DELETE", policy+"/s3", nil)
	before := w.settled("f")["RevisionId"]
	r := w.want(201, "POST", policy, m{"StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::b", "SourceAccount": account})
	statement := `{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + base + `f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"},"StringEquals":{"AWS:SourceAccount":"` + account + `"}}}`
	w.same(r.body, m{"Statement": statement})
	revision := w.settled("f")["RevisionId"]
	if revision == before {
		t.Error("a permission did not change the revision")
	}
	w.same(w.want(200, "GET", policy, nil).body, m{"Policy": `{"Version":"2012-10-17","Id":"default","Statement":[` + statement + `]}`, "RevisionId": revision})

	w.refused(409, "ResourceConflictException", "The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing statement.", "POST", policy, m{"StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "*"})
	w.refused(400, "InvalidParameterValueException", "The provided principal was invalid. Please check the principal and try again.", "POST", policy, m{"StatementId": "x", "Action": "lambda:InvokeFunction", "Principal": "nobody"})
	w.refused(400, "InvalidParameterValueException", "We currently do not support adding policies for $LATEST.", "POST", policy+"?Qualifier=$LATEST", m{"StatementId": "x", "Action": "lambda:InvokeFunction", "Principal": "*"})
	w.refused(404, "ResourceNotFoundException", "Cannot find alias arn: "+base+"f:nope", "POST", policy+"?Qualifier=nope", m{"StatementId": "x", "Action": "lambda:InvokeFunction", "Principal": "*"})
	w.refused(404, "ResourceNotFoundException", "Function not found: "+base+"f:9", "POST", policy+"?Qualifier=9", m{"StatementId": "x", "Action": "lambda:InvokeFunction", "Principal": "*"})
	w.refused(404, "ResourceNotFoundException", "No policy found for: "+base+"nope", "DELETE", functions+"/nope/policy/x", nil)
	w.refused(404, "ResourceNotFoundException", "Statement nope is not found in resource policy.", "DELETE", policy+"/nope", nil)
	stale := "00000000-0000-4000-8000-000000000000"
	text := "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
	w.refused(412, "PreconditionFailedException", text, "POST", policy, m{"StatementId": "y", "Action": "lambda:InvokeFunction", "Principal": "*", "RevisionId": stale})
	w.refused(412, "PreconditionFailedException", text, "DELETE", policy+"/s3?RevisionId="+stale, nil)
	w.want(204, "DELETE", policy+"/s3?RevisionId="+revision.(string), nil)
	w.want(404, "GET", policy, nil)
}

func TestPermissionStatements(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	w.want(201, "POST", functions+"/f/versions", m{})
	w.want(201, "POST", functions+"/f/aliases", m{"Name": "live", "FunctionVersion": "1"})
	for i, c := range []struct {
		more          m
		query, expect string
	}{
		{m{"Principal": "*", "FunctionUrlAuthType": "NONE", "Action": "lambda:InvokeFunctionUrl"}, "", `"Principal":"*","Action":"lambda:InvokeFunctionUrl","Resource":"` + base + `f","Condition":{"StringEquals":{"lambda:FunctionUrlAuthType":"NONE"}}}`},
		{m{"Principal": "*", "InvokedViaFunctionUrl": true}, "", `"Principal":"*","Action":"lambda:InvokeFunction","Resource":"` + base + `f","Condition":{"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}}`},
		{m{"Principal": "111122223333"}, "?Qualifier=1", `"Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"lambda:InvokeFunction","Resource":"` + base + `f:1"}`},
		{m{"Principal": "arn:aws:iam::111122223333:user/u", "PrincipalOrgID": "o-1234567890"}, "?Qualifier=live", `"Principal":{"AWS":"arn:aws:iam::111122223333:user/u"},"Action":"lambda:InvokeFunction","Resource":"` + base + `f:live","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1234567890"}}}`},
		{m{"Principal": "alexa-appkit.amazon.com"}, "", ""},
	} {
		body := m{"StatementId": fmt.Sprint("s", i), "Action": "lambda:InvokeFunction"}
		for k, v := range c.more {
			body[k] = v
		}
		r := w.do("POST", functions+"/f/policy"+c.query, body)
		if c.expect == "" {
			if r.status != 201 {
				t.Errorf("%v: %s", c.more, r.raw)
			}
			continue
		}
		if want := fmt.Sprintf(`{"Sid":"s%d","Effect":"Allow",%s`, i, c.expect); r.body["Statement"] != want {
			t.Errorf("statement\n got %v\nwant %s", r.body["Statement"], want)
		}
	}
}

func TestPolicyLength(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	for i := range 20 {
		r := w.do("POST", functions+"/f/policy", m{"StatementId": fmt.Sprint("s", i), "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::" + strings.Repeat("b", 2000)})
		if r.status == 201 {
			continue
		}
		if r.status != 400 || r.header.Get("X-Amzn-Errortype") != "PolicyLengthExceededException" || i < 8 {
			t.Errorf("statement %d: %s", i, r.raw)
		}
		return
	}
	t.Error("a policy grows without end")
}

func TestResourcePolicy(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	path := "/2026-07-09/resource-policy/" + url.PathEscape(base+"f")
	w.want(404, "GET", path, nil)
	doc := `{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction","Resource":"` + base + `f"}]}`
	r := w.want(200, "PUT", path, m{"Policy": doc})
	w.same(r.body["Policy"], doc)
	w.same(w.want(200, "GET", path, nil).body, r.body)
	w.same(w.want(200, "GET", functions+"/f/policy", nil).body["Policy"], doc)
	for _, bad := range []string{"no json", `{}`, `{"Version":"2012-10-17","Statement":[{"Effect":"Maybe"}]}`, doc + "x"} {
		if r := w.want(400, "PUT", path, m{"Policy": bad}); r.header.Get("X-Amzn-Errortype") != "InvalidParameterValueException" {
			t.Errorf("%s: %s", bad, r.raw)
		}
	}
	w.want(204, "DELETE", path+"?RevisionId="+r.body["RevisionId"].(string), nil)
	w.want(404, "DELETE", path, nil)
}
