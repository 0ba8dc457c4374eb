"""The fastest plain server that Python's own library makes: asyncio's protocol
on a socket, heads read for their length alone. It answers what it is sent."""
import asyncio
import sys


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.buffer = bytearray()

    def data_received(self, data):
        self.buffer += data
        while (head := self.buffer.find(b"\r\n\r\n")) >= 0:
            at = self.buffer.find(b"Content-Length: ", 0, head + 2) + 16
            end = head + 4 + int(self.buffer[at:self.buffer.find(b"\r", at)])
            if len(self.buffer) < end:
                return
            body = bytes(self.buffer[head + 4:end])
            del self.buffer[:end]
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", int(sys.argv[1]), backlog=512)
    await server.serve_forever()

asyncio.run(main())
