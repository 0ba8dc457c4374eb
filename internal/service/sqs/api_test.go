package sqs

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

// tree is a request's members.
type tree = map[string]any

func attr(kind, value string) tree { return tree{"DataType": kind, "StringValue": value} }

// What AWS refuses, and how it says so. A code of JSON follows that of query
// where they differ.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	w.create("q")
	w.create("q.fifo")
	w.create("small", "MaximumMessageSize", "1024")
	w.create("deny", "RedriveAllowPolicy", `{"redrivePermission":"denyAll"}`)
	const u = "http://localhost/000000000000/"
	big := strings.Repeat("x", 1025)
	deadTo := func(arn, count string) tree {
		return tree{"QueueUrl": u + "q", "Attributes": tree{"RedrivePolicy": `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":"` + count + `"}`}}
	}
	send := func(queue string, more tree) tree {
		m := tree{"QueueUrl": u + queue, "MessageBody": "x"}
		maps.Copy(m, more)
		return m
	}
	entries := func(n int) (es []any) {
		for i := range n {
			es = append(es, tree{"Id": fmt.Sprint(i), "MessageBody": "x"})
		}
		return es
	}
	set := func(queue, name, value string) tree {
		return tree{"QueueUrl": u + queue, "Attributes": tree{name: value}}
	}
	handle := makeHandle(1, &message{seq: 1, received: 1})
	for _, tt := range []struct {
		op          string
		in          tree
		status      int
		code, words string
	}{
		{"CreateQueue", tree{}, 400, "MissingParameter", "The request must contain the parameter QueueName."},
		{"CreateQueue", tree{"QueueName": "a b"}, 400, "InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"},
		{"CreateQueue", tree{"QueueName": strings.Repeat("a", 81)}, 400, "InvalidParameterValue", "1 to 80 in length"},
		{"CreateQueue", tree{"QueueName": "a.fifo"}, 400, "InvalidParameterValue", "Can only include"},
		{"CreateQueue", tree{"QueueName": "a", "Attributes": tree{"FifoQueue": "true"}}, 400, "InvalidParameterValue", ".fifo suffix"},
		{"CreateQueue", tree{"QueueName": "a", "Attributes": tree{"FifoQueue": "false"}}, 400, "InvalidAttributeName", "Unknown Attribute FifoQueue."},
		{"CreateQueue", tree{"QueueName": "a", "Attributes": tree{"Nope": "1"}}, 400, "InvalidAttributeName", "Unknown Attribute Nope."},
		{"CreateQueue", tree{"QueueName": "q", "Attributes": tree{"DelaySeconds": "1"}}, 400, "QueueAlreadyExists|QueueNameExists", "A queue already exists with the same name and a different value for attribute DelaySeconds"},
		{"CreateQueue", tree{"QueueName": "a", "tags": tree{"aws:x": "1"}}, 400, "InvalidParameterValue", "reserved"},
		{"GetQueueUrl", tree{"QueueName": "nope"}, 400, "AWS.SimpleQueueService.NonExistentQueue|QueueDoesNotExist", "The specified queue does not exist."},
		{"GetQueueUrl", tree{"QueueName": "q", "QueueOwnerAWSAccountId": "111111111111"}, 400, "AWS.SimpleQueueService.NonExistentQueue|QueueDoesNotExist", ""},
		{"SendMessage", tree{"MessageBody": "x"}, 400, "MissingParameter", "The request must contain the parameter QueueUrl."},
		{"SendMessage", tree{"QueueUrl": "q", "MessageBody": "x"}, 404, "InvalidAddress", "The address q is not valid for this endpoint."},
		{"SendMessage", tree{"QueueUrl": "http://localhost/111111111111/q", "MessageBody": "x"}, 400, "AWS.SimpleQueueService.NonExistentQueue|QueueDoesNotExist", ""},
		{"DeleteQueue", tree{"QueueUrl": u + "nope"}, 400, "AWS.SimpleQueueService.NonExistentQueue|QueueDoesNotExist", ""},

		{"SetQueueAttributes", set("q", "VisibilityTimeout", "43201"), 400, "InvalidAttributeValue", "Invalid value for the parameter VisibilityTimeout."},
		{"SetQueueAttributes", set("q", "DelaySeconds", "-1"), 400, "InvalidAttributeValue", ""},
		{"SetQueueAttributes", set("q", "MaximumMessageSize", "1048577"), 400, "InvalidAttributeValue", ""},
		{"SetQueueAttributes", set("q", "MessageRetentionPeriod", "59"), 400, "InvalidAttributeValue", ""},
		{"SetQueueAttributes", set("q", "ReceiveMessageWaitTimeSeconds", "21"), 400, "InvalidAttributeValue", ""},
		{"SetQueueAttributes", set("q", "Policy", "{}x"), 400, "InvalidAttributeValue", "Invalid value for the parameter Policy."},
		{"SetQueueAttributes", set("q", "Policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}`), 400, "InvalidAttributeValue", ""},
		{"SetQueueAttributes", set("q", "FifoQueue", "true"), 400, "InvalidAttributeName", "Unknown Attribute FifoQueue."},
		{"SetQueueAttributes", set("q", "ContentBasedDeduplication", "true"), 400, "InvalidAttributeName", ""},
		{"SetQueueAttributes", set("q", "ApproximateNumberOfMessages", "1"), 400, "InvalidAttributeName", ""},
		{"SetQueueAttributes", set("q.fifo", "DeduplicationScope", "all"), 400, "InvalidAttributeValue", ""},
		{"SetQueueAttributes", set("q.fifo", "FifoThroughputLimit", "perMessageGroupId"), 400, "InvalidAttributeValue", ""},
		{"SetQueueAttributes", tree{"QueueUrl": u + "q", "Attributes": tree{"KmsMasterKeyId": "k", "SqsManagedSseEnabled": "true"}}, 400, "InvalidAttributeName", "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."},
		{"SetQueueAttributes", set("q", "RedrivePolicy", "x"), 400, "InvalidParameterValue", "Value x for parameter RedrivePolicy is invalid. Reason: Redrive policy is not a valid JSON map."},
		{"SetQueueAttributes", deadTo("dummy", "42"), 400, "InvalidParameterValue", "Reason: Invalid value for deadLetterTargetArn."},
		{"SetQueueAttributes", deadTo("arn:aws:sqs:us-east-1:000000000000:nope", "42"), 400, "InvalidParameterValue", "Dead letter target does not exist."},
		{"SetQueueAttributes", deadTo("arn:aws:sqs:us-east-1:000000000000:q.fifo", "42"), 400, "InvalidParameterValue", "same type"},
		{"SetQueueAttributes", deadTo("arn:aws:sqs:us-east-1:000000000000:deny", "42"), 400, "InvalidParameterValue", "RedriveAllowPolicy"},
		{"SetQueueAttributes", deadTo("arn:aws:sqs:us-east-1:000000000000:small", "1001"), 400, "InvalidParameterValue", "Invalid value for maxReceiveCount: 1001, valid values are from 1 to 1000 both inclusive."},
		{"SetQueueAttributes", set("q", "RedriveAllowPolicy", `{"redrivePermission":"some"}`), 400, "InvalidParameterValue", "redrivePermission"},
		{"GetQueueAttributes", tree{"QueueUrl": u + "q", "AttributeNames": []any{"Nope"}}, 400, "InvalidAttributeName", "Unknown Attribute Nope."},

		{"SendMessage", tree{"QueueUrl": u + "q"}, 400, "MissingParameter", "The request must contain the parameter MessageBody."},
		{"SendMessage", send("q", tree{"MessageBody": "\x01"}), 400, "InvalidMessageContents", "Invalid characters found."},
		{"SendMessage", send("small", tree{"MessageBody": big}), 400, "InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."},
		{"SendMessage", send("small", tree{"MessageBody": big[:1020], "MessageAttributes": tree{"a": attr("String", "v")}}), 400, "InvalidParameterValue", "shorter than 1024"},
		{"SendMessage", send("q", tree{"DelaySeconds": 901}), 400, "InvalidParameterValue", "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."},
		{"SendMessage", send("q", tree{"MessageDeduplicationId": "1"}), 400, "InvalidParameterValue", "The request include parameter that is not valid for this queue type."},
		{"SendMessage", send("q", tree{"MessageAttributes": tree{"a": attr("Text", "v")}}), 400, "InvalidParameterValue", "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."},
		{"SendMessage", send("q", tree{"MessageAttributes": tree{"a": attr("Number", "x")}}), 400, "InvalidParameterValue", "Can't cast the value of message (user) attribute 'a' to a number."},
		{"SendMessage", send("q", tree{"MessageAttributes": tree{"a": attr("String", "")}}), 400, "InvalidParameterValue", "must contain a non-empty value of type 'String'."},
		{"SendMessage", send("q", tree{"MessageAttributes": tree{"AWS.a": attr("String", "v")}}), 400, "InvalidParameterValue", "reserved"},
		{"SendMessage", send("q", tree{"MessageAttributes": tree{"a..b": attr("String", "v")}}), 400, "InvalidParameterValue", "dot"},
		{"SendMessage", send("q", tree{"MessageAttributes": tree{"a b": attr("String", "v")}}), 400, "InvalidParameterValue", "non-alphanumeric"},
		{"SendMessage", send("q", tree{"MessageSystemAttributes": tree{"Other": attr("String", "v")}}), 400, "InvalidParameterValue", "Other"},
		{"SendMessage", send("q.fifo", tree{}), 400, "MissingParameter", "The request must contain the parameter MessageGroupId."},
		{"SendMessage", send("q.fifo", tree{"MessageGroupId": "g"}), 400, "InvalidParameterValue", "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"},
		{"SendMessage", send("q.fifo", tree{"MessageGroupId": "g g"}), 400, "InvalidParameterValue", "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length."},
		{"SendMessage", send("q.fifo", tree{"MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 2}), 400, "InvalidParameterValue", "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type."},

		{"SendMessageBatch", tree{"QueueUrl": u + "q"}, 400, "AWS.SimpleQueueService.EmptyBatchRequest|EmptyBatchRequest", "There should be at least one SendMessageBatchRequestEntry in the request."},
		{"SendMessageBatch", tree{"QueueUrl": u + "q", "Entries": entries(11)}, 400, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest|TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent 11."},
		{"SendMessageBatch", tree{"QueueUrl": u + "q", "Entries": append(entries(1), entries(1)...)}, 400, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct|BatchEntryIdsNotDistinct", "Id 0 repeated."},
		{"SendMessageBatch", tree{"QueueUrl": u + "q", "Entries": []any{tree{"Id": "a:b", "MessageBody": "x"}}}, 400, "AWS.SimpleQueueService.InvalidBatchEntryId|InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."},
		{"SendMessageBatch", tree{"QueueUrl": u + "q", "Entries": []any{tree{"Id": "a", "MessageBody": strings.Repeat("x", 600_000)}, tree{"Id": "b", "MessageBody": strings.Repeat("x", 600_000)}}}, 400, "AWS.SimpleQueueService.BatchRequestTooLong|BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes. You have sent 1200000 bytes."},
		{"SendMessageBatch", tree{"QueueUrl": u + "q.fifo", "Entries": entries(1)}, 400, "InvalidParameterValue", "The request must contain the parameter MessageGroupId."},

		{"ReceiveMessage", tree{"QueueUrl": u + "q", "MaxNumberOfMessages": 11}, 400, "InvalidParameterValue", "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."},
		{"ReceiveMessage", tree{"QueueUrl": u + "q", "MaxNumberOfMessages": 0}, 400, "InvalidParameterValue", ""},
		{"ReceiveMessage", tree{"QueueUrl": u + "q", "WaitTimeSeconds": 21}, 400, "InvalidParameterValue", "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."},
		{"ReceiveMessage", tree{"QueueUrl": u + "q", "VisibilityTimeout": 43201}, 400, "InvalidParameterValue", "VisibilityTimeout"},
		{"ReceiveMessage", tree{"QueueUrl": u + "q", "AttributeNames": []any{"Nope"}}, 400, "InvalidAttributeName", ""},
		{"ReceiveMessage", tree{"QueueUrl": u + "q.fifo", "ReceiveRequestAttemptId": "a b"}, 400, "InvalidParameterValue", "ReceiveRequestAttemptId"},

		{"DeleteMessage", tree{"QueueUrl": u + "q"}, 400, "MissingParameter", "ReceiptHandle"},
		{"DeleteMessage", tree{"QueueUrl": u + "q", "ReceiptHandle": "garbage"}, 404, "ReceiptHandleIsInvalid", `The input receipt handle "garbage" is not a valid receipt handle.`},
		{"DeleteMessage", tree{"QueueUrl": u + "q", "ReceiptHandle": handle}, 404, "ReceiptHandleIsInvalid", ""},
		{"ChangeMessageVisibility", tree{"QueueUrl": u + "q", "ReceiptHandle": "garbage", "VisibilityTimeout": 1}, 404, "ReceiptHandleIsInvalid", ""},
		{"ChangeMessageVisibilityBatch", tree{"QueueUrl": u + "q", "Entries": []any{}}, 400, "AWS.SimpleQueueService.EmptyBatchRequest|EmptyBatchRequest", ""},
		{"DeleteMessageBatch", tree{"QueueUrl": u + "q", "Entries": []any{tree{"Id": "", "ReceiptHandle": "x"}}}, 400, "AWS.SimpleQueueService.InvalidBatchEntryId|InvalidBatchEntryId", ""},

		{"AddPermission", tree{"QueueUrl": u + "q", "Label": "l", "AWSAccountIds": []any{"x"}, "Actions": []any{"SendMessage"}}, 400, "InvalidParameterValue", "Value x for parameter PrincipalId is invalid."},
		{"AddPermission", tree{"QueueUrl": u + "q", "Label": "l", "AWSAccountIds": []any{"111111111111"}, "Actions": []any{"Nope"}}, 400, "InvalidParameterValue", "Value SQS:Nope for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL for a list of valid actions. "},
		{"RemovePermission", tree{"QueueUrl": u + "q", "Label": "nope"}, 400, "InvalidParameterValue", "Value nope for parameter Label is invalid. Reason: can't find label."},
		{"TagQueue", tree{"QueueUrl": u + "q"}, 400, "MissingParameter", ""},
		{"ListQueues", tree{"MaxResults": 1001}, 400, "InvalidParameterValue", ""},
		{"ListQueues", tree{"MaxResults": 1, "NextToken": "%"}, 400, "InvalidParameterValue", "Invalid or expired next token."},

		{"StartMessageMoveTask", tree{"SourceArn": "arn:aws:sqs:us-east-1:000000000000:nope"}, 404, "ResourceNotFoundException", "The resource that you specified for the SourceArn parameter doesn't exist."},
		{"StartMessageMoveTask", tree{"SourceArn": "arn:aws:sqs:us-east-1:000000000000:q"}, 400, "InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue."},
		{"CancelMessageMoveTask", tree{"TaskHandle": "x"}, 400, "InvalidParameterValue", "Value for parameter TaskHandle is invalid."},
		{"CancelMessageMoveTask", tree{"TaskHandle": task{id: "1", source: "arn:aws:sqs:us-east-1:000000000000:nope"}.handle()}, 404, "ResourceNotFoundException", "SourceArn"},
		{"CancelMessageMoveTask", tree{"TaskHandle": task{id: "1", source: "arn:aws:sqs:us-east-1:000000000000:q"}.handle()}, 404, "ResourceNotFoundException", "Task does not exist."},
	} {
		speakers(t, w.Book, func(t *testing.T, c *wiretest.Client) {
			a := c.Do(tt.op, tt.in, nil)
			query, model, two := strings.Cut(tt.code, "|")
			code := a.Code
			if h := a.Header.Get("X-Amzn-Query-Error"); h != "" {
				if _, name, ok := strings.Cut(a.Code, "#"); !ok || two && name != model {
					t.Errorf("%s %.100v: type %s, want %s", tt.op, tt.in, a.Code, model)
				}
				code = strings.TrimSuffix(h, ";Sender")
			}
			if a.Status != tt.status || code != query || !strings.Contains(a.Message, tt.words) {
				t.Errorf("%s %.200v: %d %s %q", tt.op, tt.in, a.Status, code, a.Message)
			}
		})
	}
}

func TestQueueAttributes(t *testing.T) {
	w := newWorld(t)
	dlq := w.create("dlq")
	speakers(t, w.Book, func(t *testing.T, c *wiretest.Client) {
		u := w.url(c.URL(), "a-"+strings.ReplaceAll(t.Name(), "/", "-"))
		name := u[strings.LastIndex(u, "/")+1:]
		in := tree{"QueueName": name, "Attributes": tree{"RedrivePolicy": `{"maxReceiveCount": "3", "deadLetterTargetArn": "` + dlq.arn + `"}`, "DelaySeconds": "5"}}
		for range 2 { // the same again is no error
			if a := c.Do("CreateQueue", in, nil); a.Status != 200 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
		}
		get := func(names ...any) map[string]string {
			t.Helper()
			var out GetQueueAttributesResult
			if a := c.Do("GetQueueAttributes", tree{"QueueUrl": u, "AttributeNames": names}, &out); a.Status != 200 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			return out.Attributes
		}
		all := get("All")
		for k, v := range map[string]string{
			"QueueArn": w.arn(name), "DelaySeconds": "5", "VisibilityTimeout": "30", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600",
			"ReceiveMessageWaitTimeSeconds": "0", "SqsManagedSseEnabled": "true", "ApproximateNumberOfMessages": "0",
			"ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
			"RedrivePolicy": `{"deadLetterTargetArn":"` + dlq.arn + `","maxReceiveCount":3}`,
		} {
			if all[k] != v {
				t.Errorf("%s is %q, want %q", k, all[k], v)
			}
		}
		if all["CreatedTimestamp"] == "" || all["LastModifiedTimestamp"] == "" || len(all) != 13 {
			t.Errorf("%v", slices.Sorted(maps.Keys(all)))
		}
		if got := get("DelaySeconds", "Policy"); len(got) != 1 || len(get()) != 0 {
			t.Errorf("asked for: %v", got)
		}
		c.Do("SetQueueAttributes", tree{"QueueUrl": u, "Attributes": tree{"KmsMasterKeyId": "alias/k", "RedrivePolicy": ""}}, nil)
		all = get("All")
		if all["KmsMasterKeyId"] != "alias/k" || all["SqsManagedSseEnabled"] != "false" || all["KmsDataKeyReusePeriodSeconds"] != "300" || all["RedrivePolicy"] != "" {
			t.Errorf("%v", all)
		}
		checkTagging(t, c, u)
		checkPermissions(t, c, u, get)
	})
	before := w.queue("a-TestQueueAttributes-json").set.Load()
	w.again()
	if after := w.queue("a-TestQueueAttributes-json").set.Load(); !reflect.DeepEqual(before, after) {
		t.Errorf("%+v became %+v", before, after)
	}
}

func checkTagging(t *testing.T, c *wiretest.Client, u string) {
	t.Helper()
	c.Do("TagQueue", tree{"QueueUrl": u, "Tags": tree{"a": "1", "b": "", "c": "3"}}, nil)
	c.Do("UntagQueue", tree{"QueueUrl": u, "TagKeys": []any{"a", "x"}}, nil)
	var out ListQueueTagsResult
	if a := c.Do("ListQueueTags", tree{"QueueUrl": u}, &out); !maps.Equal(out.Tags, map[string]string{"b": "", "c": "3"}) {
		t.Errorf("tags: %s", a.Body)
	}
}

func checkPermissions(t *testing.T, c *wiretest.Client, u string, get func(...any) map[string]string) {
	t.Helper()
	add := tree{"QueueUrl": u, "Label": "one", "AWSAccountIds": []any{"111111111111", "222222222222"}, "Actions": []any{"SendMessage"}}
	if a := c.Do("AddPermission", add, nil); a.Status != 200 {
		t.Fatalf("%s", a.Body)
	}
	if a := c.Do("AddPermission", add, nil); a.Message != "Value one for parameter Label is invalid. Reason: Already exists." {
		t.Errorf("%s", a.Body)
	}
	var d struct {
		Version, Id string
		Statement   []struct {
			Sid, Effect, Action, Resource string
			Principal                     struct{ AWS []string }
		}
	}
	if err := json.Unmarshal([]byte(get("Policy")["Policy"]), &d); err != nil || len(d.Statement) != 1 || d.Statement[0].Action != "SQS:SendMessage" ||
		!slices.Equal(d.Statement[0].Principal.AWS, []string{"arn:aws:iam::111111111111:root", "arn:aws:iam::222222222222:root"}) || !strings.HasSuffix(d.Id, "/SQSDefaultPolicy") {
		t.Errorf("%+v %v", d, err)
	}
	if a := c.Do("RemovePermission", tree{"QueueUrl": u, "Label": "one"}, nil); a.Status != 200 || len(get("Policy")) != 0 {
		t.Errorf("%s", a.Body)
	}
}

func TestBatches(t *testing.T) {
	w := newWorld(t)
	speakers(t, w.Book, func(t *testing.T, c *wiretest.Client) {
		name := strings.ReplaceAll(t.Name(), "/", "-")
		w.create(name)
		u := w.url(c.URL(), name)
		var sent SendMessageBatchResult
		a := c.Do("SendMessageBatch", tree{"QueueUrl": u, "Entries": []any{
			tree{"Id": "a", "MessageBody": "A"}, tree{"Id": "b", "MessageBody": "\x02"},
			tree{"Id": "c", "MessageBody": "C", "MessageAttributes": tree{"n": attr("Number", "1")}}, tree{"Id": "d", "MessageBody": "D", "DelaySeconds": 1000}}}, &sent)
		if a.Status != 200 || len(sent.Successful) != 2 || len(sent.Failed) != 2 || *sent.Successful[1].Id != "c" || sent.Successful[1].MD5OfMessageAttributes == nil {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		if f := sent.Failed[1]; *f.Id != "d" || *f.Code != "InvalidParameterValue" || !*f.SenderFault || *f.Message == "" {
			t.Errorf("%s", a.Body)
		}
		var got ReceiveMessageResult
		c.Do("ReceiveMessage", tree{"QueueUrl": u, "MaxNumberOfMessages": 10, "MessageSystemAttributeNames": []any{"SentTimestamp"}}, &got)
		if len(got.Messages) != 2 || len(got.Messages[0].Attributes) != 1 {
			t.Fatalf("%+v", got)
		}
		h := func(i int) string { return *got.Messages[i].ReceiptHandle }
		var changed ChangeMessageVisibilityBatchResult
		a = c.Do("ChangeMessageVisibilityBatch", tree{"QueueUrl": u, "Entries": []any{
			tree{"Id": "a", "ReceiptHandle": h(0), "VisibilityTimeout": 60}, tree{"Id": "b", "ReceiptHandle": "x", "VisibilityTimeout": 60}}}, &changed)
		if len(changed.Successful) != 1 || len(changed.Failed) != 1 || *changed.Failed[0].Code != "ReceiptHandleIsInvalid" {
			t.Errorf("%s", a.Body)
		}
		var deleted DeleteMessageBatchResult
		a = c.Do("DeleteMessageBatch", tree{"QueueUrl": u, "Entries": []any{
			tree{"Id": "a", "ReceiptHandle": h(0)}, tree{"Id": "b", "ReceiptHandle": "x"}, tree{"Id": "c", "ReceiptHandle": h(1)}}}, &deleted)
		if len(deleted.Successful) != 2 || len(deleted.Failed) != 1 {
			t.Errorf("%s", a.Body)
		}
		w.want(w.queue(name), 0, 0, 0)
	})
}

func TestListing(t *testing.T) {
	w := newWorld(t)
	dlq := w.create("x-dlq")
	for i := range 5 {
		w.create(fmt.Sprintf("q%d", i), "RedrivePolicy", `{"deadLetterTargetArn":"`+dlq.arn+`","maxReceiveCount":1}`)
	}
	speakers(t, w.Book, func(t *testing.T, c *wiretest.Client) {
		var names []string
		for token := any(nil); ; {
			var out ListQueuesResult
			in := tree{"QueueNamePrefix": "q", "MaxResults": 2}
			if token != nil {
				in["NextToken"] = token
			}
			if a := c.Do("ListQueues", in, &out); a.Status != 200 {
				t.Fatalf("%s", a.Body)
			}
			names = append(names, out.QueueUrls...)
			if out.NextToken == nil {
				break
			}
			token = *out.NextToken
		}
		if len(names) != 5 || names[0] != c.URL()+"/"+testAccount+"/q0" || !slices.IsSorted(names) {
			t.Errorf("%v", names)
		}
		var out ListDeadLetterSourceQueuesResult
		if c.Do("ListDeadLetterSourceQueues", tree{"QueueUrl": w.url(c.URL(), "x-dlq")}, &out); len(out.QueueUrls) != 5 {
			t.Errorf("%v", out.QueueUrls)
		}
	})
}

// Clients of before QueueUrl was a parameter post to the queue's own URL, and
// anybody may send with a GET.
func TestQueueURLIsAnAddress(t *testing.T) {
	w := newWorld(t)
	q := w.create("q")
	base := wiretest.Serve(t, Service(w.Book))
	u := base + "/" + testAccount + "/q"
	for _, call := range []func() (*http.Response, error){
		func() (*http.Response, error) {
			return http.PostForm(u, url.Values{"Action": {"SendMessage"}, "MessageBody": {"x"}, "Version": {"2012-11-05"}})
		},
		func() (*http.Response, error) { return http.Get(u + "?Action=SendMessage&MessageBody=x") },
		func() (*http.Response, error) {
			return http.PostForm(base, url.Values{"Action": {"SendMessage"}, "MessageBody": {"x"}, "Version": {"2012-11-05"}, "QueueUrl": {u}})
		},
	} {
		r, err := call()
		if err != nil || r.StatusCode != 200 {
			t.Fatal(r, err)
		}
		r.Body.Close()
	}
	w.want(q, 3, 0, 0)
}

// 200,000 messages: nothing that a client waits for may look at all of them.
func TestDeepQueue(t *testing.T) {
	w := newWorld(t)
	q := w.create("q")
	const n = 200_000
	w.fill(q, n, "x")
	w.want(q, n, 0, 0)
	w.again()
	q = w.queue("q")
	w.want(q, n, 0, 0)
	ms := w.pull(q, 10)
	w.drop(q, ms...)
	w.want(q, n-10, 0, 0)
	if _, err := w.api.purgeQueue(t.Context(), &PurgeQueueRequest{QueueUrl: benchURL(w, q)}); err != nil {
		t.Fatal(err)
	}
	w.want(q, 0, 0, 0)
	w.push(q, draft{body: "y"})
	if got := bodies(w.pull(q, 10)); got != "y" {
		t.Errorf("received %s", got)
	}
}
