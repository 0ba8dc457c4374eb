"""The context object, with every member that AWS gives it.

https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
"""

import logging
import os
import sys
import time


class LambdaContext:
    def __init__(self, headers, client_context, identity):
        env = os.environ.get
        self.aws_request_id = headers.get("lambda-runtime-aws-request-id")
        self.log_group_name = env("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = env("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = env("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")  # a str, on AWS too
        self.function_version = env("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self._w3c_fields = take_w3c(client_context)
        self.client_context = fill(ClientContext, client_context)
        if self.client_context is not None:
            self.client_context.client = fill(Client, self.client_context.client)
        identity = identity or {}
        self.identity = CognitoIdentity()
        self.identity.cognito_identity_id = identity.get("cognitoIdentityId")
        self.identity.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")
        self._epoch_deadline_time_in_ms = int(headers.get("lambda-runtime-deadline-ms") or 0)

    def get_remaining_time_in_millis(self):
        left = self._epoch_deadline_time_in_ms - int(time.time() * 1000)
        return left if left > 0 else 0

    def w3c(self):
        """The W3C trace context of the invocation."""
        return dict(self._w3c_fields)

    def log(self, msg):
        sys.stdout.write(str(msg))

    def __repr__(self):
        names = (
            "aws_request_id log_group_name log_stream_name function_name memory_limit_in_mb "
            "function_version invoked_function_arn client_context identity tenant_id"
        )
        return describe(self, names.split())


class Slots:
    __slots__ = ()

    def __repr__(self):
        return describe(self, self.__slots__)


class CognitoIdentity(Slots):
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(Slots):
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext(Slots):
    __slots__ = ("custom", "env", "client")


def describe(thing, names):
    return "%s([%s])" % (type(thing).__name__, ",".join("%s=%s" % (n, getattr(thing, n, None)) for n in names))


def fill(kind, values):
    if values is None:
        return None
    thing = kind()
    for name in kind.__slots__:
        setattr(thing, name, values.get(name))
    return thing


def take_w3c(client_context):
    """Take the trace fields, which travel in the client context, out of it."""
    if not isinstance(client_context, dict):
        return {}
    fields = client_context.pop("w3c", None)
    if not isinstance(fields, dict):
        return {}
    return {k: fields[k] for k in ("traceparent", "tracestate", "baggage") if isinstance(fields.get(k), str)}
