"""Logging as a function on AWS finds it.

https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
"""

import json
import logging
import os
import sys
import time
import traceback

from .marshal import to_json

TIMESTAMP = "%Y-%m-%dT%H:%M:%SZ"


class Current:
    """The invocation that log lines belong to, and their form."""

    request_id = ""
    tenant_id = None
    json = False


class Unbuffered:
    """A stream that is flushed on each write: a sandbox may be frozen or killed after any line."""

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def write(self, text):
        n = self.stream.write(text)
        self.stream.flush()
        return n

    def writelines(self, lines):
        self.stream.writelines(lines)
        self.stream.flush()


def write_event(text):
    """Write one log event. A line feed would end it; a carriage return stands in for it."""
    sys.stdout.write(text.rstrip("\n").replace("\n", "\r") + "\n")


class Handler(logging.Handler):
    def emit(self, record):
        try:
            write_event(self.format(record))
        except Exception:
            self.handleError(record)


class Filter(logging.Filter):
    def filter(self, record):
        record.aws_request_id = Current.request_id
        record.tenant_id = Current.tenant_id
        return True


class JsonFormatter(logging.Formatter):
    reserved = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "aws_request_id", "tenant_id"}

    def __init__(self):
        super().__init__(datefmt=TIMESTAMP)

    def format(self, record):
        level = min(50, max(0, record.levelno)) // 10 * 10
        error = record.exc_info if record.exc_info and record.exc_info[0] else None
        entry = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": logging.getLevelName(level),
            "message": record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(error[2]) if error else None,
            "errorType": error[0].__name__ if error else None,
            "errorMessage": str(error[1]) if error else None,
            "requestId": record.aws_request_id,
            "location": "%s:%s:%d" % (record.pathname, record.funcName, record.lineno) if error else None,
            "tenantId": record.tenant_id,
        }
        for name, value in record.__dict__.items():
            if name not in self.reserved:
                entry.setdefault(name, value)
        return json.dumps({k: v for k, v in entry.items() if v is not None}, ensure_ascii=False, default=str)


def set_up():
    sys.stdout = Unbuffered(sys.stdout)
    sys.stderr = Unbuffered(sys.stderr)
    logging.Formatter.converter = time.gmtime
    handler = Handler()
    Current.json = (os.environ.get("AWS_LAMBDA_LOG_FORMAT") or "").upper() == "JSON"
    if Current.json:
        handler.setFormatter(JsonFormatter())
    else:
        form = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
        handler.setFormatter(logging.Formatter(form, "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(Filter())
    root = logging.getLogger()
    root.addHandler(handler)
    level = (os.environ.get("AWS_LAMBDA_LOG_LEVEL") or "").upper()
    level = "DEBUG" if level == "TRACE" else level
    if level in ("DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL"):
        root.setLevel(level)


def error(result):
    """Log an error that the Runtime API is told of."""
    if Current.json:
        entry = {"timestamp": time.strftime(TIMESTAMP, time.gmtime()), "level": "ERROR"}
        entry.update(result)
        write_event(to_json(entry))
        return
    head = "[ERROR] " + ": ".join(x for x in (result["errorType"], result["errorMessage"]) if x)
    lines = [head, "Traceback (most recent call last):"]
    for frame in result["stackTrace"]:
        lines += [indent(x) for x in frame.splitlines()] or [""]
    write_event("\n".join(lines))


def indent(line):
    """Leading spaces as no-break spaces, so that log viewers keep them."""
    bare = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(bare)) + bare
