"""A private way to the platform: frames on a socket that the process is given.

It takes one frame each way for an invocation, where HTTP takes two requests.
The frames are described in internal/engine/runtimeapi/link.go.
"""

import _socket
import json
import os

BLANK, NEXT = b"\1\0\0\0B", b"\1\0\0\0N"
SMALL = 16384  # what is sent in one piece with its head
ROOM = bytearray(65536)  # made before a zygote forks, most of it stays shared


class Link:
    def __init__(self, descriptor):
        self.sock = _socket.socket(fileno=descriptor)
        self.sock.setblocking(True)
        os.set_inheritable(descriptor, False)  # not for the programs that the function runs
        self.buffer = ROOM
        self.answer = (NEXT, b"")  # what next sends: it asks for an invocation, too
        self.limit = 0

    def assignment(self):
        """Wait to be told whose function to run; return its environment."""
        self.sock.sendall(BLANK)
        kind, _, body = self.receive()
        if kind != b"A":
            raise EOFError("the platform does not assign a function")
        return json.loads(body)["env"]

    def next(self):
        """Send the last answer; wait for an invocation; return its headers and its event."""
        self.send(*self.answer)
        self.answer = None
        kind, head, body = self.receive()
        while kind == b"A":  # comes too late to matter
            kind, head, body = self.receive()
        headers = json.loads(head)
        self.limit = headers.pop("limit", 0)
        return headers, body

    def respond(self, headers, body, kind):
        """Answer the invocation; tell whether the answer is too long."""
        if 0 < self.limit < len(body):
            self.answer = frame(b"R", '{"type":"application/json","large":%d}' % len(body), b"")
            return True
        if kind == "application/json":
            head = '{"type":"application/json"}'
        else:
            head = json.dumps({"type": kind})
        self.answer = frame(b"R", head, body)
        return False

    def fail(self, headers, body, kind):
        """Fail the invocation."""
        self.answer = frame(b"F", error_head(kind), body)
        return False

    def fail_init(self, body, kind):
        """Report that the function cannot be run, and wait until that is heard."""
        self.send(*frame(b"X", error_head(kind), body))
        while self.sock.recv(64):
            pass

    def receive(self):
        """Read a frame; return its kind, head and payload."""
        buffer, have = self.buffer, 0
        while have < 5:
            have += self.read(buffer, have)
        end = 4 + int.from_bytes(buffer[:4], "little")
        if end > len(buffer):
            long = bytearray(end)
            long[:have] = memoryview(buffer)[:have]
            buffer = long
        while have < end:
            have += self.read(buffer, have)
        kind = bytes(buffer[4:5])
        if kind != b"I":
            return kind, b"", bytes(buffer[5:end])
        body = 9 + int.from_bytes(buffer[5:9], "little")
        with memoryview(buffer) as view:
            return kind, str(view[9:body], "utf-8"), bytes(view[body:end])

    def read(self, buffer, have):
        """Read more. The platform sends no frame before the last one is answered."""
        with memoryview(buffer) as view:
            n = self.sock.recv_into(view[have:] if have else view)
        if n == 0:
            raise EOFError("the platform closed the link")
        return n

    def send(self, head, body):
        if len(body) < SMALL:
            self.sock.sendall(head + body)
            return
        n = self.sock.sendmsg((head, body)) - len(head)
        if n < 0:
            self.sock.sendall(head[n:])
            n = 0
        with memoryview(body) as view:
            self.sock.sendall(view[n:])


def frame(kind, head, body):
    """A frame in two parts: all before the payload, and the payload."""
    head = head.encode()
    n = len(head)
    return (5 + n + len(body)).to_bytes(4, "little") + kind + n.to_bytes(4, "little") + head, body


def error_head(kind):
    return json.dumps({"type": kind[:1000]})
