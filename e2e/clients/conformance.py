"""Holds the running server to the services' published models.

The models are read from the installed botocore. For every operation that the
server says it serves (docs/coverage.md) this makes

  * a valid request, as part of the scenario below, and checks the status, that
    no output member is unknown to the model, that each has the model's type,
    and that required ones are there;
  * one request for every constraint in the input shape (required, min, max,
    pattern, enum, at any depth), broken just there, and checks status and code.

The server is the one that the AWS_* variables name. Exit status 0 means that
all of it held; otherwise each line says what did not.
"""
import json
import os
import re
import sys
import uuid
import xml.etree.ElementTree as ET

import botocore.exceptions
import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session
from botocore.serialize import create_serializer

HERE = os.path.dirname(os.path.abspath(__file__))
REGION = os.environ["AWS_REGION"]
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/conformance"

# What a broken constraint answers, by service.
VALIDATION = {"lambda": "ValidationException", "logs": "InvalidParameterException",
              "iam": "ValidationError", "sts": "ValidationError", "sqs": "InvalidParameterValueException", "sns": "ValidationError",
              "events": "ValidationException", "scheduler": "ValidationException", "apigateway": "BadRequestException", "apigatewayv2": "BadRequestException",
              "kinesis": "ValidationException"}

failures = []
unsent = []  # broken requests that the client cannot even put on the wire

# What the client raises for those. Anything else is a mistake of this program.
UNSENDABLE = (botocore.exceptions.HTTPClientError, botocore.exceptions.ParamValidationError, UnicodeError, ValueError)


def fail(where, what):
    failures.append(f"{where}: {what}")


class Service:
    """One service: its model, and a client that validates nothing."""

    def __init__(self, name):
        self.session = botocore.session.get_session()
        self.name = name
        self.model = self.session.get_service_model(name)
        self.protocol = self.model.metadata["protocol"]
        self.serializer = create_serializer(self.protocol, include_validation=False)
        self.http = URLLib3Session(timeout=60)
        self.called = set()

    def send(self, op, params):
        """Sends params, valid or not; returns (status, headers, body)."""
        model = self.model.operation_model(op)
        req = self.serializer.serialize_to_request(params, model)
        path = req["url_path"]
        query = "&".join(f"{quote(k)}={quote(v)}" for k, vs in (req["query_string"] or {}).items()
                         for v in (vs if isinstance(vs, list) else [vs]))
        url = ENDPOINT + path + ("&" if "?" in path else "?") * bool(query) + query
        body = req["body"]
        if isinstance(body, dict):
            body = "&".join(f"{quote(k)}={quote(v)}" for k, v in body.items())
            req["headers"].setdefault("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
        http = AWSRequest(req["method"], url, headers=req["headers"], data=body)
        SigV4Auth(self.session.get_credentials(), self.model.signing_name, REGION).add_auth(http)
        r = self.http.send(http.prepare())
        return r.status_code, r.headers, r.content

    def error_code(self, headers, body):
        if self.protocol == "query":
            m = re.search(rb"<Code>([^<]*)</Code>", body)
            return m.group(1).decode() if m else "?"
        code = headers.get("x-amzn-ErrorType") or ""
        if not code:
            try:
                code = json.loads(body).get("__type", "?")
            except ValueError:
                code = "?"
        return code.split(":")[0].split("#")[-1]

    def call(self, op, **params):
        """Makes a valid request and holds the answer to the model."""
        where = f"{self.name}.{op}"
        status, headers, body = self.send(op, params)
        model = self.model.operation_model(op)
        want = model.http.get("responseCode", 200)
        self.called.add(op)
        if op == "Invoke" and params.get("InvocationType") == "DryRun" or op == "DeleteFunction":
            want = 204
        if status != want:
            fail(where, f"status {status}, want {want}: {body[:300]!r}")
            return {}
        if not headers.get("x-amzn-RequestId"):
            fail(where, "no x-amzn-RequestId")
        out = model.output_shape
        if out is None:
            return {}
        if self.protocol == "query":
            return self.query_answer(where, model, out, body)
        return self.json_answer(where, out, headers, body)

    def refuse(self, op, code, **params):
        """Makes a request whose right answer is an error."""
        status, headers, body = self.send(op, params)
        self.called.add(op)
        got = self.error_code(headers, body)
        if got != code:
            fail(f"{self.name}.{op}", f"{status} {got}, want {code}: {body[:200]!r}")

    def json_answer(self, where, out, headers, body):
        members = {n: m for n, m in out.members.items() if not m.serialization.get("location")}
        payload = out.serialization.get("payload")
        if payload:
            return {payload: body}
        doc = json.loads(body) if body else {}
        for name, m in out.members.items():
            if m.serialization.get("location") == "header" and name in out.required_members:
                if m.serialization["name"] not in headers:
                    fail(where, f"no header {m.serialization['name']}")
        by_wire = {m.serialization.get("name", n): (n, m) for n, m in members.items()}
        for k, v in doc.items():
            if k not in by_wire:
                fail(where, f"member {k} is not in the model")
            else:
                check_type(f"{where}.{k}", by_wire[k][1], v)
        for n in out.required_members:
            if n in members and members[n].serialization.get("name", n) not in doc and (where, n) not in ABSENT:
                fail(where, f"required member {n} is missing")
        return doc

    def query_answer(self, where, model, out, body):
        tree = ET.fromstring(re.sub(rb' xmlns="[^"]*"', b"", body, count=1))
        if tree.tag != model.name + "Response":
            fail(where, f"root element is {tree.tag}")
        if tree.find("ResponseMetadata/RequestId") is None:
            fail(where, "no ResponseMetadata/RequestId")
        result = tree.find(out.serialization.get("resultWrapper", model.name + "Result"))
        if result is None:
            fail(where, "no result element")
            return {}
        check_xml(where, out, result)
        return result


def quote(s):
    from botocore.compat import quote as q
    if isinstance(s, bool):
        s = "true" if s else "false"
    return q(str(s), safe="-_.~")


def check_type(where, shape, v):
    """Holds a JSON value to its shape."""
    t = shape.type_name
    want = {"string": str, "character": str, "boolean": bool, "integer": int, "long": int, "float": (int, float),
            "double": (int, float), "timestamp": (int, float), "blob": str, "list": list, "map": dict, "structure": dict}[t]
    if t == "timestamp" and shape.serialization.get("timestampFormat") == "iso8601":
        want = str
    if not isinstance(v, want) or t in ("integer", "long") and isinstance(v, bool):
        fail(where, f"is {type(v).__name__} {str(v)[:60]!r}, the model says {t}")
        return
    if t == "structure":
        names = {m.serialization.get("name", n): m for n, m in shape.members.items()}
        for k, x in v.items():
            if k not in names:
                fail(where, f"member {k} is not in the model")
            else:
                check_type(f"{where}.{k}", names[k], x)
        for n in shape.required_members:
            if shape.members[n].serialization.get("name", n) not in v:
                fail(where, f"required member {n} is missing")
    elif t == "list":
        for x in v:
            check_type(where + "[]", shape.member, x)
    elif t == "map":
        for x in v.values():
            check_type(where + "{}", shape.value, x)
    elif t == "string" and shape.enum and v not in shape.enum and (shape.name, v) not in BEYOND:
        fail(where, f"{v!r} is not one of {shape.enum}")


# Members that AWS leaves out although its model requires them: a batch without
# failures has none.
ABSENT = {("sqs.SendMessageBatch", "Failed"), ("sqs.DeleteMessageBatch", "Failed"), ("sqs.ChangeMessageVisibilityBatch", "Failed")}

# Values that AWS sends although its model has not got them.
BEYOND = {("LastUpdateStatusReasonCode", "Creating")}


def check_xml(where, shape, node):
    names = {m.serialization.get("name", n): m for n, m in shape.members.items()}
    seen = set()
    for child in node:
        seen.add(child.tag)
        m = names.get(child.tag)
        if m is None:
            fail(where, f"element {child.tag} is not in the model")
        elif m.type_name == "structure":
            check_xml(f"{where}.{child.tag}", m, child)
        elif m.type_name == "list" and m.member.type_name == "structure":
            for x in child:
                check_xml(f"{where}.{child.tag}[]", m.member, x)
        elif m.type_name == "boolean" and child.text not in ("true", "false"):
            fail(where, f"{child.tag} is {child.text!r}")
        elif m.type_name in ("integer", "long") and not re.fullmatch(r"-?\d+", child.text or ""):
            fail(where, f"{child.tag} is {child.text!r}")
        elif m.type_name == "timestamp" and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", child.text or ""):
            fail(where, f"{child.tag} is {child.text!r}")
    for n in shape.required_members:
        if shape.members[n].serialization.get("name", n) not in seen:
            fail(where, f"required element {n} is missing")


# ---- broken requests ----

# Values for shapes that no candidate below fits, by shape name or member name.
SAMPLES = {
    "FunctionRuntimeArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:runtime/python3.13", "RevisionId": str(uuid.UUID(int=0)), "policyVersionIdType": "v1",
    "EventBusArn": f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/conf", "ArchiveArn": f"arn:aws:events:us-east-1:{ACCOUNT}:archive/conf",
    "EventSourceName": "aws.partner/a.example/b/c", "Endpoint": "example.com:9092",
    "RedshiftSecretManagerArn": f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:a",
    "TagResourceArn": f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/conf",
    "RoleArn": ROLE, "roleArnType": ROLE, "StatusCode": "200", "Runtime": "python3.11", "Handler": "app.handler",
}

CANDIDATES = [
    "abc", "conf", "1", "12", "abcdefgh", "000000000000", "123456", "a" * 16, "a" * 20, "a" * 26, "AKIA" + "A" * 16, "o-" + "a" * 10, "/", "/a/",
    "$LATEST", "lambda:GetLayerVersion", "lambda:InvokeFunction", "events:PutEvents", "path", "2026-11-23", "x" * 40, "x" * 64,
    f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:conf", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:conf:1",
    f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:conf:1", f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:conf", ROLE,
    f"arn:aws:lambda:us-east-1:{ACCOUNT}:code-signing-config:csc-{'a' * 17}", f"csc-{'a' * 17}",
    "arn:aws:lambda:us-east-1::runtime:" + "a" * 64, f"arn:aws:kms:us-east-1:{ACCOUNT}:key/abc", "/mnt/abc",
    f"arn:aws:elasticfilesystem:us-east-1:{ACCOUNT}:access-point/fsap-{'a' * 17}", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q",
    "subnet-abc", "sg-abc", f"arn:aws:signer:us-east-1:{ACCOUNT}:/signing-profiles/a/b",
    f"arn:aws:lambda:us-east-1:{ACCOUNT}:capacity-provider:abc", "us-east-1", "s3.amazonaws.com", "{}",
    f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:abc", "https://example.com", "GET", "a.b", "*",
    f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/conf", f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/conf/consumer/c:1",
    "a" * 20 + "-abc",
]


def compiled(pattern):
    p = pattern.replace(r"\p{L}", "a-zA-Z").replace(r"\p{Z}", " ").replace(r"\p{N}", "0-9").replace(r"\p{S}", "+")
    return re.compile(p)


def fits(shape, v):
    md = shape.metadata
    if not md.get("min", 0) <= len(v) <= md.get("max", 1 << 60):
        return False
    return "pattern" not in md or compiled(md["pattern"]).fullmatch(v)


def valid(shape, depth=0):
    """Makes the smallest value that shape allows."""
    t, md = shape.type_name, shape.metadata
    if t == "string":
        if shape.enum:
            return shape.enum[0]
        if shape.name in SAMPLES:
            return SAMPLES[shape.name]
        for c in CANDIDATES + ["a" * md.get("min", 1)]:
            if fits(shape, c):
                return c
        raise LookupError(f"no sample for {shape.name} {md}")
    if t in ("integer", "long"):
        return max(1, md.get("min", 1))
    if t in ("float", "double"):
        return max(0.5, md.get("min", 0.5)) if md.get("max", 1) >= 0.5 else md["max"]
    if t == "boolean":
        return False
    if t == "timestamp":
        return 1700000000
    if t == "blob":
        return b"x" * max(1, md.get("min", 1))
    if t == "list":
        return [valid(shape.member, depth + 1) for _ in range(md.get("min", 1) if depth < 6 else 0)]
    if t == "map":
        return {valid(shape.key): valid(shape.value, depth + 1)}
    return {n: valid(m, depth + 1) for n, m in shape.members.items() if n in shape.required_members}


def broken(shape, depth=0):
    """Yields (what, value) for each constraint in shape, broken once."""
    t, md = shape.type_name, shape.metadata
    if depth > 5:
        return
    if t == "string":
        if shape.enum and shape.name != "Runtime":
            yield "enum", "NoSuchValue"
        if md.get("min", 0) > 0:
            yield "min", "a" * (md["min"] - 1)
        if 0 < md.get("max", 1 << 60) < 200000:
            yield "max", (valid(shape) * (md["max"] + 1))[:md["max"] + 1]
        if "pattern" in md:
            for c in ("!! !!", " ", "\u00e9\u00e9 \u00e9\u00e9", "$$", "a b", "!" * max(1, md.get("min", 1)), "\n" * max(1, md.get("min", 1))):
                if md.get("min", 0) <= len(c) <= md.get("max", 1 << 60) and not compiled(md["pattern"]).fullmatch(c):
                    yield "pattern", c
                    break
    elif t in ("integer", "long", "float", "double"):
        if "min" in md:
            yield "min", int(md["min"]) - 1
        if "max" in md and md["max"] < 1 << 31:
            yield "max", int(md["max"]) + 1
    elif t == "list":
        if md.get("min", 0) > 0:
            yield "min", [valid(shape.member) for _ in range(md["min"] - 1)]
        if 0 <= md.get("max", 1 << 60) <= 2000:
            yield "max", [valid(shape.member) for _ in range(md["max"] + 1)]
        for what, v in broken(shape.member, depth + 1):
            yield "member " + what, [v] + [valid(shape.member) for _ in range(md.get("min", 1) - 1)]
    elif t == "map":
        for what, v in broken(shape.key, depth + 1):
            yield "key " + what, {v: valid(shape.value)}
        for what, v in broken(shape.value, depth + 1):
            yield "value " + what, {valid(shape.key): v}
    elif t == "structure":
        for n in shape.required_members:
            if not shape.members[n].serialization.get("location") == "uri":
                yield f"{n} missing", {k: v for k, v in valid(shape).items() if k != n}
        for n, m in shape.members.items():
            for what, v in broken(m, depth + 1):
                if m.serialization.get("location") == "uri" and v == "":
                    continue  # an empty label is another path
                if m.serialization.get("location") == "header" and not str(v).isprintable():
                    continue  # no client can send it
                yield f"{n}: {what}", {**valid(shape), n: v}


# Answers that differ from the rule, and why.
EXCEPT = {
    ("sqs", "AddPermission", "QueueUrl missing"): "InvalidParameterValueException",  # the made-up account is refused first
    ("sqs", "ReceiveMessage", "MessageSystemAttributeNames: member enum"): "InvalidAttributeName",
}
for op in ("SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"):
    EXCEPT["sqs", op, "Entries missing"] = "EmptyBatchRequest"
    EXCEPT["sqs", op, "Entries: member Id missing"] = "MissingRequiredParameterException"
EXCEPT["sqs", "SendMessageBatch", "Entries: member MessageBody missing"] = "MissingRequiredParameterException"

# What a batch answers entry by entry, with status 200.
BY_ENTRY = {
    ("sqs", "ChangeMessageVisibilityBatch", "Entries: member ReceiptHandle missing"): "MissingParameter",
    ("sqs", "DeleteMessageBatch", "Entries: member ReceiptHandle missing"): "MissingParameter",
    ("sqs", "SendMessageBatch", "Entries: member MessageAttributes: value DataType missing"): "InvalidParameterValue",
    ("sqs", "SendMessageBatch", "Entries: member MessageSystemAttributes: key enum"): "InvalidParameterValue",
    ("sqs", "SendMessageBatch", "Entries: member MessageSystemAttributes: value DataType missing"): "InvalidParameterValue",
}


def wanted(s, op, what):
    """The code for a constraint that is broken."""
    if (s.name, op, what) in EXCEPT:
        return EXCEPT[s.name, op, what]
    if s.name == "sqs" and re.fullmatch(r"\w+ missing", what):
        return "MissingRequiredParameterException"
    if s.name == "sqs" and what in ("AttributeNames: member enum", "Attributes: key enum"):
        return "InvalidAttributeName"
    return VALIDATION[s.name]


def real(s):
    """Makes what broken requests of a service are about, where a made-up name would be refused first."""
    if s.name == "sqs":
        return {"QueueUrl": s.call("CreateQueue", QueueName="broken")["QueueUrl"]}
    if s.name == "sns":
        return {"TopicArn": s.call("CreateTopic", Name="broken").findtext("TopicArn")}
    return {}


def break_all(s, ops):
    count, given = 0, real(s)
    for op in ops:
        model = s.model.operation_model(op)
        if model.input_shape is None:
            continue
        try:
            for what, params in broken(model.input_shape):
                where = f"{s.name}.{op} {what}"
                params = {**params, **{k: v for k, v in given.items() if k in model.input_shape.members and what != k + " missing"}}
                try:
                    status, headers, body = s.send(op, params)
                except UNSENDABLE as e:
                    unsent.append(f"{where}: {e!r}"[:160])
                    continue
                count += 1
                if (s.name, op, what) in BY_ENTRY:
                    failed = json.loads(body).get("Failed", [{}])[0].get("Code")
                    if status != 200 or failed != BY_ENTRY[s.name, op, what]:
                        fail(where, f"{status}, the entry failed with {failed}: {body[:200]!r}")
                    continue
                code = s.error_code(headers, body)
                want = wanted(s, op, what)
                if status != 400 or code != want:
                    fail(where, f"{status} {code}, want 400 {want}: {body[:200]!r}")
        except LookupError as e:
            fail(f"{s.name}.{op}", str(e))
    return count


def served(title):
    """Reads the operations that docs/coverage.md says are served."""
    text = open(os.path.join(HERE, "..", "..", "docs", "coverage.md")).read()
    m = re.search(rf"^## {re.escape(title)}$.*?(?=^## |\Z)", text, re.M | re.S)
    return re.findall(r"^\| (\w+) \| served", m.group(0), re.M) if m else []


if __name__ == "__main__":
    from scenario import run_scenarios
    from scenario_apis import run_api_scenarios
    from scenario_events import run_event_scenarios
    from scenario_kinesis import streams
    from scenario_rest import run_rest_scenarios
    titles = {"lambda": "AWS Lambda", "logs": "Amazon CloudWatch Logs", "iam": "AWS IAM", "sts": "AWS STS", "sqs": "Amazon SQS",
              "sns": "Amazon SNS", "events": "Amazon EventBridge", "scheduler": "Amazon EventBridge Scheduler",
              "apigateway": "Amazon API Gateway", "apigatewayv2": "Amazon API Gateway V2",
              "kinesis": "Amazon Kinesis Data Streams"}
    if sys.argv[1:]:  # only these
        titles = {n: titles[n] for n in sys.argv[1:]}
    services = {n: Service(n) for n in titles}
    if not sys.argv[1:]:
        run_scenarios(services)
    run_event_scenarios(services)
    run_api_scenarios(services)
    run_rest_scenarios(services)
    if "kinesis" in services:
        streams(services["kinesis"])
    total = 0
    for name, title in titles.items():
        s, ops = services[name], served(title)
        if not ops:
            fail(name, "docs/coverage.md names no served operation")
        for op in ops:
            if op not in s.called:
                fail(f"{name}.{op}", "no valid request in the scenario")
        n = break_all(s, ops)
        total += n
        print(f"{name}: {len(s.called)} operations answered as modelled, {n} constraints broken")
    for u in unsent:
        print("not sent", u)
    if len(unsent) > 10:
        fail("the client", f"{len(unsent)} broken requests were never sent")
    for f in failures:
        print("FAIL", f)
    print(f"{len(failures)} failures")
    sys.exit(1 if failures else 0)
