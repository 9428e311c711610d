"""USERS 24: connections while the host's thread is busy: nothing is lost, nothing disconnected, memory stays bounded.

asyncio's transports read on the host thread, so what arrives meanwhile waits in the system's buffers and the sender
feels it as back-pressure. That the library's own streams read on meanwhile is tested with the library itself.
"""

from __future__ import annotations

import asyncio
import time

from helpers import Run


def test_a_connection_outlives_a_busy_host(drive):
    run = Run(drive, debug=False)
    size, chunk = 4 << 20, b"x" * 65536

    async def serve(reader, writer):
        for _ in range(size // len(chunk)):
            writer.write(chunk)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        received = 0
        while data := await reader.read(1 << 18):
            received += len(data)
            if received < size // 2 and len(busy) < 3:
                # The window is dragged, or someone computes.
                busy.append(True)
                run.host.post(lambda: time.sleep(0.1))
                await asyncio.sleep(0)
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return received

    busy = []
    run.start(main)
    assert run.finish() == size and len(busy) == 3
