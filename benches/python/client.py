"""Load of protocols that the generator in C does not speak, and connections that do nothing.

    client.py tls|http|idle PORT CONNECTIONS SIZE SECONDS

Prints one line of JSON. A loop of asyncio's: it sleeps, and so does the server between two requests; both sides of a
comparison pay for that alike.
"""

from __future__ import annotations

import asyncio
import json
import resource
import ssl
import sys
import time

HELLO = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def one(kind: str, port: int, size: int, until: float) -> int:
    """A connection with one request under way. Returns how many were answered."""
    context = None
    if kind == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    request, length = b"x" * size, size
    if kind == "http":
        writer.write(HELLO)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(size)
        request, length = HELLO, len(head) + size
    answered = 0
    while time.monotonic() < until:
        writer.write(request)
        await reader.readexactly(length)
        answered += 1
    writer.close()
    return answered


async def main(kind: str, port: int, connections: int, size: int, seconds: float) -> None:
    if kind == "idle":
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
        print(json.dumps({"connections": len(opened)}), flush=True)
        await asyncio.gather(*(reader.read() for reader, _ in opened), return_exceptions=True)  # the server's end
        return
    until = time.monotonic() + seconds
    counts = await asyncio.gather(*(one(kind, port, size, until) for _ in range(connections)))
    print(json.dumps({"requests": sum(counts)}), flush=True)


limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5])))
