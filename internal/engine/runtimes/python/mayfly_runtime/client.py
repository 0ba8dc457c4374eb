"""A client of the Runtime API on one kept connection.

It is HTTP/1.1 on a bare socket: http.client takes longer to import than all
the rest of this package, and twice as long for each request. Even the socket
module takes 4 ms of every cold start; what it is made of does.
"""

import _socket

PREFIX = "/2018-06-01/runtime/"
LONGEST_HEAD = 1 << 20


JSON = "lambda-runtime-client-context", "lambda-runtime-cognito-identity"


class APIError(Exception):
    """The Runtime API refused a request, or broke off."""

    def __init__(self, message, status=0):
        super().__init__(message)
        self.status = status


class Client:
    """The public way. A Link has the same next, respond, fail and fail_init."""

    def __init__(self, address):
        self.address = address
        host, _, port = address.rpartition(":")
        self.peer = (host.strip("[]"), int(port))
        self.sock = None
        self.buffer = b""

    def next(self):
        """Wait for an invocation; return its headers, by lower-case name, and its event."""
        status, headers, body = self.call("GET", "invocation/next")
        if status != 200:
            raise APIError("Failed to get next invocation: status %d" % status, status)
        for name in JSON:
            if name in headers:
                headers[name] = headers[name].encode("latin-1").decode("utf-8", "surrogateescape")
        return headers, body

    def respond(self, headers, body, kind):
        """Answer the invocation that headers came with; tell whether the answer was too long."""
        return self.end(headers, "response", body, [("Content-Type", kind)])

    def fail(self, headers, body, kind):
        """Fail the invocation."""
        return self.end(headers, "error", body, error_headers(kind))

    def end(self, headers, verb, body, own):
        attempt = headers.get("lambda-runtime-invocation-id")
        if attempt is not None:
            own.append(("Lambda-Runtime-Invocation-Id", attempt))
        path = "invocation/%s/%s" % (headers.get("lambda-runtime-aws-request-id", ""), verb)
        status = self.post(path, body, own)
        if status >= 300 and status != 413:
            raise APIError("Failed to post invocation response: status %d" % status, status)
        return status == 413

    def fail_init(self, body, kind):
        """Report that the function cannot be run."""
        self.post("init/error", body, error_headers(kind))

    def post(self, path, body, headers=()):
        """Post body; return the status."""
        return self.call("POST", path, body, headers)[0]

    def call(self, method, path, body=b"", headers=()):
        lines = ["%s %s%s HTTP/1.1" % (method, PREFIX, path), "Host: " + self.address]
        lines += ["%s: %s" % h for h in headers]
        if method == "POST":
            lines.append("Content-Length: %d" % len(body))
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        kept = self.sock is not None
        try:
            return self.exchange(head, body)
        except (BrokenPipeError, ConnectionResetError, EOFError):
            # A kept connection may have gone while the sandbox was frozen.
            self.close()
            if not kept:
                raise
            return self.exchange(head, body)

    def exchange(self, head, body):
        if self.sock is None:
            self.connect()
        if len(body) < 65536:
            self.sock.sendall(head + body)
        else:
            self.sock.sendall(head)
            self.send_early(body)
        return self.receive()

    def connect(self):
        family = _socket.AF_INET6 if ":" in self.peer[0] else _socket.AF_INET
        sock = _socket.socket(family, _socket.SOCK_STREAM)
        try:
            sock.connect(self.peer)
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except OSError:
            sock.close()
            raise
        self.sock = sock

    def send_early(self, body):
        """Send a long body; an answer that comes before its end, as 413 does, is the answer."""
        try:
            self.sock.sendall(body)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def receive(self):
        head = self.read_head().decode("latin-1")
        first, *rest = head.split("\r\n")
        try:
            status = int(first.split(" ", 2)[1])
        except (IndexError, ValueError):
            raise APIError("Bad answer from the Runtime API: " + first[:80])
        headers = {}
        for line in rest:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if status < 200:
            return self.receive()
        if "chunked" in headers.get("transfer-encoding", "").lower():
            body = self.read_chunks()
        elif "content-length" in headers:
            body = self.read(int(headers["content-length"]))
        elif status in (204, 304):
            body = b""
        else:
            body = self.read_all()
        if headers.get("connection", "").lower() == "close":
            self.close()
        return status, headers, body

    def fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError("the Runtime API closed the connection")
        self.buffer += data

    def read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            if len(self.buffer) > LONGEST_HEAD:
                raise APIError("The Runtime API's answer has no end of headers")
            self.fill()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head

    def read(self, n):
        if len(self.buffer) >= n:
            data, self.buffer = self.buffer[:n], self.buffer[n:]
            return data
        data = bytearray(n)
        have = len(self.buffer)
        data[:have] = self.buffer
        self.buffer = b""
        view = memoryview(data)
        while have < n:
            got = self.sock.recv_into(view[have:])
            if got == 0:
                raise EOFError("the Runtime API closed the connection")
            have += got
        return bytes(data)

    def read_line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def read_chunks(self):
        parts = []
        while True:
            size = int(self.read_line().split(b";")[0], 16)
            if size == 0:
                while self.read_line():
                    pass
                return b"".join(parts)
            parts.append(self.read(size))
            self.read_line()

    def read_all(self):
        parts = [self.buffer]
        self.buffer = b""
        while True:
            data = self.sock.recv(65536)
            if not data:
                self.close()
                return b"".join(parts)
            parts.append(data)

    def close(self):
        if self.sock is not None:
            self.sock.close()
        self.sock = None
        self.buffer = b""


def error_headers(kind):
    kind = kind.encode("ascii", "replace").decode("ascii")
    return [("Content-Type", "application/json"), ("Lambda-Runtime-Function-Error-Type", kind)]
