package lambda

import (
	"fmt"
	"net/url"
	"regexp"
	"testing"
)

func TestTags(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	path := "/2017-03-31/tags/" + url.PathEscape(base+"f")
	w.same(w.want(200, "GET", path, nil).body, m{"Tags": m{}})
	revision := w.settled("f")["RevisionId"]
	w.want(204, "POST", path, m{"Tags": m{"A": "1", "B": "2"}})
	if w.settled("f")["RevisionId"] == revision {
		t.Error("a tag did not change the revision")
	}
	w.want(204, "POST", path, m{"Tags": m{"B": "3"}})
	w.same(w.want(200, "GET", path, nil).body, m{"Tags": m{"A": "1", "B": "3"}})
	w.want(204, "DELETE", path+"?tagKeys=A&tagKeys=nope", nil)
	w.same(w.want(200, "GET", path, nil).body, m{"Tags": m{"B": "3"}})
	w.refused(400, "InvalidParameterValueException", "An error occurred and the request cannot be processed.", "POST", path, m{"Tags": m{}})
	w.refused(400, "InvalidParameterValueException", "Tags on function aliases and versions are not supported. Please specify a function ARN.", "POST", "/2017-03-31/tags/"+url.PathEscape(base+"f:1"), m{"Tags": m{"A": "1"}})
	w.refused(404, "ResourceNotFoundException", "Function not found: "+base+"nope", "GET", "/2017-03-31/tags/"+url.PathEscape(base+"nope"), nil)
	many := m{}
	for i := range 50 {
		many[fmt.Sprint(i)] = "x"
	}
	w.refused(400, "InvalidParameterValueException", "Number of tags exceeds resource tag limit.", "POST", path, m{"Tags": many})
}

func TestReservedConcurrency(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	put, get := "/2017-10-31/functions/f/concurrency", "/2019-09-30/functions/f/concurrency"
	w.same(w.want(200, "GET", get, nil).raw, "{}")
	w.same(w.want(200, "PUT", put, m{"ReservedConcurrentExecutions": 0}).body, m{"ReservedConcurrentExecutions": 0})
	w.same(w.want(200, "GET", get, nil).body, m{"ReservedConcurrentExecutions": 0})
	if n, ok := w.engine.reserved[base+"f"]; !ok || n != 0 {
		t.Errorf("the engine was told %d, %v", n, ok)
	}
	w.want(200, "PUT", put, m{"ReservedConcurrentExecutions": 900})
	w.same(w.want(200, "GET", functions+"/f", nil).body["Concurrency"], m{"ReservedConcurrentExecutions": 900})
	w.refused(400, "InvalidParameterValueException", "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].", "PUT", put, m{"ReservedConcurrentExecutions": 901})
	w.refused(400, "InvalidParameterValueException", "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.", "PUT", "/2017-10-31/functions/f:1/concurrency", m{"ReservedConcurrentExecutions": 1})
	w.refused(404, "ResourceNotFoundException", "Function not found: "+base+"nope:$LATEST", "PUT", "/2017-10-31/functions/nope/concurrency", m{"ReservedConcurrentExecutions": 1})
	w.want(204, "DELETE", put, nil)
	w.same(w.want(200, "GET", get, nil).raw, "{}")
	if _, ok := w.engine.reserved[base+"f"]; ok {
		t.Error("the engine still has a reservation")
	}
}

func TestProvisionedConcurrency(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	w.want(201, "POST", functions+"/f/versions", m{})
	w.want(201, "POST", functions+"/f/aliases", m{"Name": "live", "FunctionVersion": "1"})
	path := "/2019-09-30/functions/f/provisioned-concurrency"
	w.refused(400, "InvalidParameterValueException", "Provisioned Concurrency Configs cannot be applied to unpublished function versions.", "PUT", path+"?Qualifier=$LATEST", m{"ProvisionedConcurrentExecutions": 1})
	w.refused(400, "InvalidParameterValueException", "The function resource provided must be an alias or a published version.", "GET", path+"?Qualifier=$LATEST", nil)
	w.refused(404, "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function", "GET", path+"?Qualifier=1", nil)
	w.refused(404, "ResourceNotFoundException", "Function not found: "+base+"f:9", "GET", path+"?Qualifier=9", nil)
	w.refused(404, "ResourceNotFoundException", "Cannot find alias arn: "+base+"f:nope", "PUT", path+"?Qualifier=nope", m{"ProvisionedConcurrentExecutions": 1})
	w.refused(400, "InvalidParameterValueException", "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].", "PUT", path+"?Qualifier=1", m{"ProvisionedConcurrentExecutions": 901})

	r := w.want(202, "PUT", path+"?Qualifier=live", m{"ProvisionedConcurrentExecutions": 3})
	modified := r.body["LastModified"]
	w.same(r.body, m{"RequestedProvisionedConcurrentExecutions": 3, "AvailableProvisionedConcurrentExecutions": 0, "AllocatedProvisionedConcurrentExecutions": 0, "Status": "IN_PROGRESS", "LastModified": modified})
	w.same(w.want(200, "GET", path+"?Qualifier=live", nil).body, m{"RequestedProvisionedConcurrentExecutions": 3, "AvailableProvisionedConcurrentExecutions": 3, "AllocatedProvisionedConcurrentExecutions": 3, "Status": "READY", "LastModified": modified})
	w.refused(409, "ResourceConflictException", "Version is pointed by a Provisioned Concurrency alias", "PUT", path+"?Qualifier=1", m{"ProvisionedConcurrentExecutions": 1})
	list := w.want(200, "GET", path+"?List=ALL", nil).body["ProvisionedConcurrencyConfigs"].([]any)
	if len(list) != 1 || list[0].(m)["FunctionArn"] != base+"f:live" {
		t.Errorf("list %v", list)
	}
	w.engine.with(func() { w.engine.failure = "FUNCTION_ERROR_INIT_FAILURE" })
	if r := w.want(200, "GET", path+"?Qualifier=live", nil); r.body["Status"] != "FAILED" || r.body["StatusReason"] != "FUNCTION_ERROR_INIT_FAILURE" {
		t.Errorf("failed: %s", r.raw)
	}
	w.engine.with(func() { w.engine.failure = "" })

	// The alias moves to another version, and what is ready with it.
	w.want(200, "PUT", functions+"/f/configuration", m{"Timeout": 9})
	w.settled("f")
	w.want(201, "POST", functions+"/f/versions", m{})
	w.want(200, "PUT", functions+"/f/aliases/live", m{"FunctionVersion": "2"})
	w.engine.with(func() {
		sum := 0
		for _, n := range w.engine.ready {
			sum += n
		}
		if sum != 3 || len(w.engine.ready) != 2 {
			t.Errorf("the engine was told %v", w.engine.ready)
		}
	})
	w.want(204, "DELETE", path+"?Qualifier=live", nil)
	w.want(404, "GET", path+"?Qualifier=live", nil)
	w.engine.with(func() {
		for key, n := range w.engine.ready {
			if n != 0 {
				t.Errorf("%s still has %d", key, n)
			}
		}
	})
	w.want(202, "PUT", path+"?Qualifier=2", m{"ProvisionedConcurrentExecutions": 3})
	w.refused(409, "ResourceConflictException", "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version", "PUT", path+"?Qualifier=live", m{"ProvisionedConcurrentExecutions": 1})
	w.refused(400, "InvalidParameterValueException", " ReservedConcurrentExecutions  2 should not be lower than function's total provisioned concurrency [3].", "PUT", "/2017-10-31/functions/f/concurrency", m{"ReservedConcurrentExecutions": 2})
}

func TestEventInvokeConfig(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	w.create("other", nil)
	path := "/2019-09-25/functions/f/event-invoke-config"
	w.refused(404, "ResourceNotFoundException", "The function "+base+"f:$LATEST doesn't have an EventInvokeConfig", "GET", path, nil)
	w.refused(404, "ResourceNotFoundException", "The function "+base+"f:$LATEST doesn't have an EventInvokeConfig", "POST", path, m{"MaximumRetryAttempts": 1})
	w.refused(400, "InvalidParameterValueException", "You must specify at least one of error handling or destination setting.", "PUT", path, m{})
	w.refused(404, "ResourceNotFoundException", "The function doesn't exist.", "PUT", "/2019-09-25/functions/nope/event-invoke-config", m{"MaximumRetryAttempts": 1})
	r := w.want(200, "PUT", path, m{"MaximumRetryAttempts": 1})
	if _, ok := r.body["LastModified"].(float64); !ok {
		t.Errorf("LastModified is %v", r.body["LastModified"])
	}
	delete(r.body, "LastModified")
	w.same(r.body, m{"FunctionArn": base + "f:$LATEST", "MaximumRetryAttempts": 1, "DestinationConfig": m{"OnSuccess": m{}, "OnFailure": m{}}})
	r = w.want(200, "POST", path, m{"MaximumEventAgeInSeconds": 60, "DestinationConfig": m{"OnFailure": m{"Destination": base + "other"}}})
	delete(r.body, "LastModified")
	w.same(r.body, m{"FunctionArn": base + "f:$LATEST", "MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60, "DestinationConfig": m{"OnSuccess": m{}, "OnFailure": m{"Destination": base + "other"}}})
	for text, arn := range map[string]string{
		"You can't specify the function as a destination for itself.": base + "f",
		"The destination ARN " + base + "nope is invalid.":            base + "nope",
		"The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:iam:us-east-1:000000000000:function:f), onFailure=null) is invalid.": "arn:aws:iam:us-east-1:000000000000:function:f",
	} {
		w.refused(400, "InvalidParameterValueException", text, "PUT", path, m{"DestinationConfig": m{"OnSuccess": m{"Destination": arn}}})
	}
	if r := w.want(200, "GET", path+"/list", nil); len(r.body["FunctionEventInvokeConfigs"].([]any)) != 1 {
		t.Errorf("list: %s", r.raw)
	}
	r = w.want(200, "PUT", path, m{"MaximumEventAgeInSeconds": 70})
	if r.body["MaximumRetryAttempts"] != nil {
		t.Errorf("put kept what it should replace: %s", r.raw)
	}
	w.want(204, "DELETE", path, nil)
	w.want(404, "DELETE", path, nil)
}

func TestFunctionURLConfig(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	path := "/2021-10-31/functions/f/url"
	w.refused(404, "ResourceNotFoundException", "The resource you requested does not exist.", "GET", path, nil)
	w.refused(404, "ResourceNotFoundException", "Function does not exist", "POST", "/2021-10-31/functions/nope/url", m{"AuthType": "NONE"})
	w.refused(404, "ResourceNotFoundException", "Function does not exist", "POST", path+"?Qualifier=nope", m{"AuthType": "NONE"})
	if r := w.want(400, "POST", path+"?Qualifier=1", m{"AuthType": "NONE"}); r.header.Get("X-Amzn-Errortype") != "ValidationException" {
		t.Errorf("a version's: %s", r.raw)
	}
	cors := m{"AllowOrigins": []any{"*"}, "AllowMethods": []any{}, "MaxAge": 5}
	r := w.want(201, "POST", path, m{"AuthType": "NONE", "Cors": cors})
	if u, _ := r.body["FunctionUrl"].(string); !regexp.MustCompile(`^http://[a-z0-9]{32}\.lambda-url\.us-east-1\.localhost:\d+/$`).MatchString(u) {
		t.Errorf("URL %s", u)
	}
	created := m{"AuthType": "NONE", "Cors": cors, "CreationTime": r.body["CreationTime"], "FunctionArn": base + "f", "FunctionUrl": r.body["FunctionUrl"]}
	w.same(r.body, created)
	w.refused(409, "ResourceConflictException", "Failed to create function url config for [functionArn = "+base+"f]. Error message:  FunctionUrlConfig exists for this Lambda function", "POST", path, m{"AuthType": "NONE"})
	created["InvokeMode"], created["LastModifiedTime"] = "BUFFERED", created["CreationTime"]
	w.same(w.want(200, "GET", path, nil).body, created)
	if r := w.want(200, "PUT", path, m{}); r.body["InvokeMode"] != nil {
		t.Errorf("an update shows a mode that was never given: %s", r.raw)
	}
	r = w.want(200, "PUT", path, m{"AuthType": "AWS_IAM", "InvokeMode": "RESPONSE_STREAM"})
	if r.body["AuthType"] != "AWS_IAM" || r.body["InvokeMode"] != "RESPONSE_STREAM" || r.body["FunctionUrl"] != created["FunctionUrl"] {
		t.Errorf("updated: %s", r.raw)
	}
	w.same(r.body["Cors"], cors)
	if r := w.want(200, "GET", "/2021-10-31/functions/f/urls", nil); len(r.body["FunctionUrlConfigs"].([]any)) != 1 {
		t.Errorf("list: %s", r.raw)
	}
	w.want(204, "DELETE", path, nil)
	w.want(404, "DELETE", path, nil)
}

func TestManagement(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	path := "/2021-07-20/functions/f/runtime-management-config"
	w.same(w.want(200, "GET", path, nil).body, m{"FunctionArn": base + "f:$LATEST", "UpdateRuntimeOn": "Auto"})
	w.same(w.want(200, "PUT", path, m{"UpdateRuntimeOn": "FunctionUpdate"}).body, m{"FunctionArn": base + "f:$LATEST", "UpdateRuntimeOn": "FunctionUpdate"})
	w.same(w.want(200, "GET", path, nil).body["UpdateRuntimeOn"], "FunctionUpdate")
	w.want(400, "PUT", path, m{"UpdateRuntimeOn": "Manual"})
	w.want(404, "GET", path+"?Qualifier=9", nil)

	path = "/2024-08-31/functions/f/recursion-config"
	w.same(w.want(200, "GET", path, nil).body, m{"RecursiveLoop": "Terminate"})
	w.same(w.want(200, "PUT", path, m{"RecursiveLoop": "Allow"}).body, m{"RecursiveLoop": "Allow"})
	w.same(w.want(200, "GET", path, nil).body, m{"RecursiveLoop": "Allow"})

	w.same(w.want(200, "GET", "/2020-06-30/functions/f/code-signing-config", nil).body, m{"CodeSigningConfigArn": "", "FunctionName": "f"})
	w.same(w.want(200, "GET", "/2020-04-22/code-signing-configs", nil).body, m{"CodeSigningConfigs": []any{}})
	csc := "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-00000000000000000"
	w.refused(404, "ResourceNotFoundException", "The Lambda code signing configuration "+csc+" can not be found.", "GET", "/2020-04-22/code-signing-configs/"+url.PathEscape(csc), nil)
}
