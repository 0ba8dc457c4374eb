"""A plain web server of the standard library. It knows nothing of Lambda."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({"method": "GET", "path": self.path, "agent": self.headers.get("x-agent"), "pid": os.getpid()})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.answer({"method": "POST", "path": self.path, "body": body.decode()})

    def answer(self, doc):
        text = json.dumps(doc).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
