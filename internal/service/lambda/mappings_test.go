package lambda

import (
	"encoding/json"
	"strings"
	"testing"
)

const streamARN = "arn:aws:kinesis:us-east-1:" + account + ":stream/s"

// https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
func TestMappingsOfStreams(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	made := w.want(202, "POST", sourceMappings, m{"EventSourceArn": streamARN, "FunctionName": "f", "StartingPosition": "TRIM_HORIZON"}).body
	id := made["UUID"].(string)
	delete(made, "LastModified")
	shown := m{"UUID": id, "EventSourceMappingArn": "arn:aws:lambda:us-east-1:" + account + ":event-source-mapping:" + id,
		"EventSourceArn": streamARN, "FunctionArn": base + "f", "BatchSize": 100, "MaximumBatchingWindowInSeconds": 0, "State": "Creating",
		"StateTransitionReason": "User action", "FunctionResponseTypes": []string{}, "StartingPosition": "TRIM_HORIZON", "LastProcessingResult": "No records processed",
		"ParallelizationFactor": 1, "BisectBatchOnFunctionError": false, "MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1,
		"TumblingWindowInSeconds": 0, "DestinationConfig": m{"OnFailure": m{}}}
	w.same(made, shown)
	w.reach(id, "Enabled")
	changed := w.want(202, "PUT", sourceMappings+"/"+id, m{"BatchSize": 3, "ParallelizationFactor": 2, "BisectBatchOnFunctionError": true,
		"MaximumRetryAttempts": 4, "MaximumRecordAgeInSeconds": 60, "FunctionResponseTypes": []string{"ReportBatchItemFailures"},
		"DestinationConfig": m{"OnFailure": m{"Destination": queueARN}}}).body
	delete(changed, "LastModified")
	for k, v := range (m{"State": "Updating", "BatchSize": 3, "ParallelizationFactor": 2, "BisectBatchOnFunctionError": true, "MaximumRetryAttempts": 4,
		"MaximumRecordAgeInSeconds": 60, "FunctionResponseTypes": []string{"ReportBatchItemFailures"}, "DestinationConfig": m{"OnFailure": m{"Destination": queueARN}}}) {
		shown[k] = v
	}
	w.same(changed, shown)
	w.reach(id, "Enabled")
	if d := w.want(202, "PUT", sourceMappings+"/"+id, m{"DestinationConfig": m{"OnFailure": m{}}}).body["DestinationConfig"]; len(d.(map[string]any)["OnFailure"].(map[string]any)) != 0 {
		t.Errorf("the destination stays %v", d)
	}
}

func TestAMappingOfAStreamInvokes(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	at := json.Number("1500000000.25")
	made := w.want(202, "POST", sourceMappings, m{"EventSourceArn": streamARN, "FunctionName": "f", "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": at}).body
	if made["StartingPositionTimestamp"] != 1500000000.25 {
		t.Errorf("it begins at %v", made["StartingPositionTimestamp"])
	}
	id := made["UUID"].(string)
	w.stream.Put(0, "k", "v")
	w.reach(id, "Enabled")
	for w.want(200, "GET", sourceMappings+"/"+id, nil).body["LastProcessingResult"] != "OK" {
	}
	w.engine.with(func() {
		p := string(w.engine.calls[0].Payload)
		if !strings.Contains(p, `"data":"dg=="`) || !strings.Contains(p, `"invokeIdentityArn":"`+role+`"`) {
			t.Errorf("the event is %s", p)
		}
	})
}

func TestMappingsOfStreamsThatAreRefused(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	for text, in := range map[string]m{
		"1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.": {},
		"Need to specify a timestamp": {"StartingPosition": "AT_TIMESTAMP"},
		"Unsupported DestinationConfig parameter for given event source mapping type.": {"StartingPosition": "LATEST",
			"DestinationConfig": m{"OnSuccess": m{"Destination": queueARN}}},
		"Unsupported ScalingConfig parameter for given event source mapping type.": {"StartingPosition": "LATEST", "ScalingConfig": m{"MaximumConcurrency": 2}},
		"Unsupported parameter for given event source mapping type.":               {"StartingPosition": "LATEST", "Topics": []string{"topic"}},
	} {
		in["FunctionName"], in["EventSourceArn"] = "f", streamARN
		w.refused(400, "InvalidParameterValueException", text, "POST", sourceMappings, in)
	}
}
