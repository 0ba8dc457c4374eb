"""Results to JSON, as AWS's own runtime client writes them.

AWS uses simplejson: a Decimal becomes a number, a named tuple an object, bytes
a string. The standard encoder has no way to write a number that is no float,
so a Decimal travels as a marked string, and the marks are taken off at the end.
"""

import json
import os
import sys

ASCII = sys.version_info < (3, 12)  # AWS escapes what is not ASCII up to 3.11


class Encoder(json.JSONEncoder):
    def __init__(self):
        super().__init__(ensure_ascii=ASCII)
        self.mark = None

    def default(self, o):
        if isinstance(o, bytes):
            return o.decode("utf-8")
        decimal = sys.modules.get("decimal")
        if decimal is not None and isinstance(o, decimal.Decimal):
            if o.is_nan():
                return float("nan")
            if self.mark is None:
                self.mark = "decimal-" + os.urandom(16).hex() + ":"
            return self.mark + str(o)
        return super().default(o)


def to_json(value):
    encoder = Encoder()
    if has_named_tuple(value):
        value = named_tuples_to_dicts(value)
    text = encoder.encode(value)
    if encoder.mark is not None:
        import re

        text = re.sub('"' + encoder.mark + '([^"]*)"', r"\1", text)
    return text


PLAIN = (str, int, float, bool, type(None))


def has_named_tuple(value):
    """Tell whether a named tuple is anywhere in value. Most results have none."""
    if type(value) in PLAIN:
        return False
    todo, seen = [value], set()
    while todo:
        v = todo.pop()
        if isinstance(v, tuple) and hasattr(v, "_asdict"):
            return True
        if isinstance(v, dict):
            inner = v.values()
        elif isinstance(v, (list, tuple)):
            inner = v
        else:
            continue
        if id(v) in seen:  # shared, or circular: the encoder will say
            continue
        seen.add(id(v))
        todo.extend(x for x in inner if type(x) not in PLAIN)
    return False


def named_tuples_to_dicts(v, path=()):
    if id(v) in path:
        raise ValueError("Circular reference detected")
    if isinstance(v, tuple) and hasattr(v, "_asdict"):
        v = v._asdict()
    if isinstance(v, dict):
        path = path + (id(v),)
        return {k: named_tuples_to_dicts(x, path) for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        path = path + (id(v),)
        return [named_tuples_to_dicts(x, path) for x in v]
    return v
