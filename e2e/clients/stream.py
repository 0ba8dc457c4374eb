"""boto3's user of streamed answers."""
import base64
import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

lam = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))
sqs = boto3.client("sqs")


def stream(name="stream", **params):
    payload = json.dumps(params.pop("payload", {}))
    return lam.invoke_with_response_stream(FunctionName=name, Payload=payload, **params)


def collect(response):
    """All chunks joined, and the end."""
    events = list(response["EventStream"])
    assert all(len(e) == 1 for e in events) and "InvokeComplete" in events[-1], events[-1:]
    return b"".join(e["PayloadChunk"]["Payload"] for e in events[:-1]), events[-1]["InvokeComplete"]


# Each step is told to come once the step before it is here.
queue = sqs.create_queue(QueueName="boto")["QueueUrl"]
r = stream(payload={"way": "steps", "queue": queue}, LogType="Tail")
assert r["StatusCode"] == 200 and r["ExecutedVersion"] == "$LATEST" and r["ResponseStreamContentType"] == "text/plain", r
steps, end = [], None
for event in r["EventStream"]:
    if "PayloadChunk" in event:
        steps.append(event["PayloadChunk"]["Payload"])
        sqs.send_message(QueueUrl=queue, MessageBody="go on")
    else:
        end = event["InvokeComplete"]
assert steps == [b"step 1\n", b"step 2\n", b"step 3\n"], steps
assert set(end) == {"LogResult"} and b"REPORT RequestId: " in base64.b64decode(end["LogResult"]), end

body, end = collect(stream(payload={"way": "big", "size": 20 << 20}))
assert len(body) == 20 << 20 and all(body[i] == (i >> 16) % 251 for i in range(0, len(body), 9999)) and end == {}, end
body, end = collect(stream(payload={"way": "empty"}))
assert body == b"" and end == {}, end
r = stream(payload={"way": "page"})
assert r["ResponseStreamContentType"] == "application/vnd.awslambda.http-integration-response", r
prelude, _, rest = collect(r)[0].partition(b"\0" * 8)
assert json.loads(prelude)["statusCode"] == 201 and rest == b"<p>"

for way, chunks, kind, message in [
    ("broken", b"some", "RangeError", "amid the answer"), ("early", b"", "RangeError", "before the answer"),
    ("dies", b"some", "Runtime.ExitError", "exit status 7"),
    ("rejects", b"some", "Runtime.UnhandledPromiseRejection", "nobody caught it"),
]:
    body, end = collect(stream(payload={"way": way}))
    details = json.loads(end["ErrorDetails"])
    assert body == chunks and end["ErrorCode"] == "Unhandled", (way, body, end)
    assert details["errorType"] == kind and message in details["errorMessage"], (way, details)
body, end = collect(stream("late", payload={"way": "hangs"}))
assert body == b"some" and json.loads(end["ErrorDetails"])["errorType"] == "Sandbox.Timedout", (body, end)

# A handler of the one kind, called in the manner of the other.
body, end = collect(stream("buffered", payload={"a": 1}))
assert json.loads(body) == {"got": {"a": 1}} and end == {}, (body, end)
r = lam.invoke(FunctionName="stream", Payload=json.dumps({"way": "page"}))
assert r["Payload"].read().endswith(b"\0" * 8 + b"<p>") and "FunctionError" not in r
r = lam.invoke(FunctionName="stream", Payload=json.dumps({"way": "broken"}))
assert r["FunctionError"] == "Unhandled" and json.load(r["Payload"])["errorMessage"] == "amid the answer"
r = lam.invoke(FunctionName="stream", Payload=json.dumps({"way": "big", "size": 7 << 20}))
assert json.load(r["Payload"])["errorType"] == "Function.ResponseSizeTooLarge"

assert stream(InvocationType="DryRun")["StatusCode"] == 204
for code, params in [("ResourceNotFoundException", {"name": "none"}), ("ResourceNotFoundException", {"Qualifier": "9"})]:
    try:
        stream(**params)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
    else:
        raise AssertionError(code)
lam.put_function_concurrency(FunctionName="buffered", ReservedConcurrentExecutions=0)
try:
    stream("buffered")
except ClientError as e:
    assert e.response["Error"]["Code"] == "TooManyRequestsException" and e.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded", e.response
else:
    raise AssertionError("not throttled")
lam.delete_function_concurrency(FunctionName="buffered")
print("boto3: all of it held")
