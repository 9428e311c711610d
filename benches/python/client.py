"""Load of protocols that the generator in C does not speak, and connections that do nothing, or come and go.

    client.py tls|http|websockets|idle PORT CONNECTIONS SIZE SECONDS
    client.py churn PORT CONNECTIONS-AT-A-TIME CONNECTIONS SECONDS

Prints one line of JSON. A loop of asyncio's: it sleeps, and so does the server between two requests; both sides of a
comparison pay for that alike.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import ssl
import struct
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


async def one_websocket(port: int, size: int, until: float) -> int:
    """The same with the package websockets."""
    from websockets.asyncio.client import connect

    answered = 0
    async with connect(f"ws://127.0.0.1:{port}", compression=None, ping_interval=None) as connection:
        while time.monotonic() < until:
            await connection.send(b"x" * size)
            await connection.recv()
            answered += 1
    return answered


def churn(port: int, at_once: int, count: int) -> None:
    """Connections that end in each way that there is, by blocking sockets."""
    for first in range(0, count, at_once):
        numbers = range(first, min(first + at_once, count))
        # From many addresses, since each pair of ports is kept for a minute after its connection.
        opened = [
            socket.create_connection(("127.0.0.1", port), source_address=(f"127.0.{n // 250 % 250}.{n % 250 + 1}", 0))
            for n in numbers
        ]
        for n, one in zip(numbers, opened):
            resets, says = n % 2 == 0, n % 4 != 0
            if says:
                one.sendall(b"bye" if n % 4 == 3 else b"hello")
                while one.recv(100) and n % 4 == 3:
                    pass  # until the server hangs up
            if resets:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()
    print(json.dumps({"connections": count}), flush=True)


async def main(kind: str, port: int, connections: int, size: int, seconds: float) -> None:
    if kind == "churn":
        churn(port, connections, size)
        return
    if kind == "idle":
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
        print(json.dumps({"connections": len(opened)}), flush=True)
        await asyncio.gather(*(reader.read() for reader, _ in opened), return_exceptions=True)  # the server's end
        return
    until = time.monotonic() + seconds
    if kind == "websockets":
        counts = await asyncio.gather(*(one_websocket(port, size, until) for _ in range(connections)))
    else:
        counts = await asyncio.gather(*(one(kind, port, size, until) for _ in range(connections)))
    print(json.dumps({"requests": sum(counts)}), flush=True)


limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5])))
