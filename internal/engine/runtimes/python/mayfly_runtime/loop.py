"""Load the handler, then serve invocations until the end."""

import importlib
import json
import os
import sys
import traceback

from . import logs
from .client import Client
from .context import LambdaContext
from .marshal import to_json

HERE = os.path.dirname(__file__) + os.sep


class Fault(Exception):
    """An error of the runtime's own kind, told without the runtime's frames."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind, self.message, self.trace = "Runtime." + kind, message, trace


def run(link=None):
    """Run the function that the environment names, on link if there is one."""
    logs.set_up()
    client = link or Client(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load(os.environ.get("_HANDLER", ""))
    except Exception as e:
        fail_init(client, describe(e))
    while True:
        headers, body = client.next()
        invoke(client, handler, headers, body)


def fail_init(client, result):
    logs.error(result)
    client.fail_init(encode(result), result["errorType"])
    sys.exit(1)


def load(name):
    """Import the handler that name means: "package/module.function" or "package.module.function"."""
    try:
        module, function = name.rsplit(".", 1)
    except ValueError as e:
        raise Fault("MalformedHandlerName", "Bad handler '%s': %s" % (name, e))
    if module.split(".")[0] in sys.builtin_module_names:
        raise Fault("BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module)
    try:
        loaded = importlib.import_module(module.replace("/", "."))
    except ImportError as e:
        raise Fault("ImportModuleError", "Unable to import module '%s': %s" % (module, e))
    except SyntaxError as e:
        where = '  File "%s" Line %s\n    %s' % (e.filename, e.lineno, e.text)
        raise Fault("UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module, e), [where])
    try:
        return getattr(loaded, function)
    except AttributeError:
        raise Fault("HandlerNotFound", "Handler '%s' missing on module '%s'" % (function, module))


def invoke(client, handler, headers, body):
    request_id = headers.get("lambda-runtime-aws-request-id", "")
    logs.Current.request_id = request_id
    logs.Current.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
    set_trace(headers.get("lambda-runtime-trace-id"))
    try:
        result, kind = answer(handler, headers, body)
    except Exception as e:
        failure = describe(e, request_id)
        logs.error(failure)
        flush()
        too_long = client.fail(headers, encode(failure), failure["errorType"])
    else:
        flush()
        too_long = client.respond(headers, result, kind)
    if too_long:  # the platform tells the caller; the function may go on
        logs.write_event("LAMBDA_RUNTIME Failed to post handler success response. Http response code: 413.")


def answer(handler, headers, body):
    """Call the handler; return what to post, and its content type."""
    context = LambdaContext(
        headers,
        parse_header(headers.get("lambda-runtime-client-context"), "Client Context"),
        parse_header(headers.get("lambda-runtime-cognito-identity"), "Cognito Identity"),
    )
    result = handler(parse_event(body, headers.get("content-type", "application/json")), context)
    if isinstance(result, bytes):
        return result, "application/unknown"
    try:
        return to_json(result).encode("utf-8"), "application/json"
    except Exception as e:
        raise Fault("MarshalError", "Unable to marshal response: %s" % e)


def parse_event(body, kind):
    if kind != "application/json":
        return body
    try:
        return json.loads(body)
    except Exception as e:
        raise Fault("UnmarshalError", "Unable to unmarshal input: %s" % e)


def parse_header(text, name):
    if not text:
        return None
    try:
        return json.loads(text)
    except Exception as e:
        raise Fault("LambdaContextUnmarshalError", "Unable to parse %s JSON: %s" % (name, e))


def set_trace(header):
    if header:
        os.environ["_X_AMZN_TRACE_ID"] = header
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)


def frames(e):
    """The traceback of e as (file, line, name, text), without our own frames at its head."""
    all_frames = [(f.filename, f.lineno, f.name, f.line) for f in traceback.extract_tb(e.__traceback__)]
    for i, f in enumerate(all_frames):
        if not f[0].startswith(HERE):
            return all_frames[i:]
    return all_frames


def describe(e, request_id=""):
    """The error as the caller and the log get it."""
    if isinstance(e, Fault):
        return {"errorMessage": e.message, "errorType": e.kind, "requestId": request_id, "stackTrace": e.trace or []}
    return {
        "errorMessage": str(e),
        "errorType": type(e).__name__,
        "requestId": request_id,
        "stackTrace": traceback.format_list(frames(e)),
    }


def encode(result):
    return to_json(result).encode("utf-8", "replace")


def flush():
    """Nothing that the function wrote stays behind while the sandbox is frozen."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass
