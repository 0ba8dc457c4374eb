"""What most functions import, imported before there is a function.

Only what keeps nothing of the process: no secret, no random state that a fork
would share, no open file, and nothing of the environment. So neither ssl nor
what imports it (http.client, urllib.request, asyncio), as a library below it
keeps both; nor multiprocessing, whose authkey would be everybody's. random
seeds itself anew in each fork; uuid, secrets and tempfile have no state before
they are used.
"""

import os
import sys

own = set(sys.modules)  # what an executed start has as well

# ruff: noqa: E402, F401
import base64
import copy
import csv
import dataclasses
import datetime
import decimal
import email.message
import email.parser
import gzip
import hashlib
import hmac
import http
import math
import pathlib
import random
import secrets
import socket
import struct
import subprocess
import tempfile
import typing
import urllib.error
import urllib.parse
import uuid
import zlib

added = set(sys.modules) - own


def unshadow():
    """Forget all of it when the function brings a module of one of the names: that comes first."""
    names = {name.partition(".")[0] for name in added}
    for folder in sys.path:
        if folder.endswith(".zip"):  # from here on it is the standard library
            return
        try:
            found = os.listdir(folder)
        except OSError:
            continue
        if not names.isdisjoint(f.partition(".")[0] for f in found):
            for name in added:
                sys.modules.pop(name, None)
            return
