"""What keeps the memory of a zygote shared by its forks, though they use it.

A page is a fork's own from the first write to it, and an interpreter writes
where one would not think it does: it counts references inside of what it only
reads, and rewrites code as it runs it for the first times. So both is done
before there are forks. That, and 64 KB for the link, are a good third of what a fork holds.
"""

import ctypes
import gc
import json
import os
import sys
import types

from . import link, logs, loop

TURNS = 20  # after so many, code is as it will be


class Nobody:
    """A link that leads nowhere."""

    limit = 0
    answer = None
    respond = link.Link.respond


def warm():
    """Run once what every function will need. It leaves nothing behind."""
    headers = {
        "lambda-runtime-aws-request-id": "-",
        "lambda-runtime-deadline-ms": "0",
        "content-type": "application/json",
        "lambda-runtime-trace-id": "-",
    }
    source = "def handler(event, context):\n    return event\n"
    here = [os.path.dirname(__file__)]
    for _ in range(TURNS):
        names = {}
        exec(compile(source, "warm", "exec"), names)
        sys.meta_path[-1].find_spec("there_is_none", here)
        loop.invoke(Nobody(), names["handler"], dict(headers), b'{"key": [1, 2.5, "value"]}')
        json.loads(json.dumps(headers))
    os.environ.pop("_X_AMZN_TRACE_ID")
    logs.Current.request_id, logs.Current.tenant_id = "", None


def immortal():
    """Have no references counted of all that there is now: it will be there until the end.

    From 3.12 on a count can say so, as that of None does; it takes 32 bits.
    https://peps.python.org/pep-0683/
    """
    count = ctypes.c_uint32.from_address
    forever = count(id(None)).value
    if sys.implementation.name != "cpython" or sys.version_info < (3, 12) or sys.byteorder != "little" or forever < 1 << 31:
        return
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return
    seen = set()
    found = gc.get_objects()
    while found:
        fresh = {id(o): o for o in found if id(o) not in seen and type(o) is not types.FrameType}
        fresh.pop(id(seen), None)
        fresh.pop(id(found), None)
        seen.update(fresh)
        found = parts(list(fresh.values()))
        for address in fresh:
            count(address).value = forever


def parts(things):
    """All that things refer to, as far as they tell."""
    inner = gc.get_referents(*things)
    for o in things:
        if type(o) is types.CodeType:
            inner += o.co_consts, o.co_names, o.co_linetable, o.co_exceptiontable, o.co_filename, o.co_name, o.co_qualname
            inner += o.co_consts
        elif isinstance(o, type):
            inner.append(type.__dict__["__dict__"].__get__(o))
    return inner
