"""A library for asyncio in a program of Trio: asyncio is the guest, and Trio stays the main loop."""

from __future__ import annotations

import asyncio

import trio
from asyncguest.hosts.trio import TrioHost


async def ask_server(question: str) -> str:
    """Stands for a library that knows asyncio alone."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        writer.write(question.encode() + b"\n")
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()
        server.close()


async def program() -> None:
    host = TrioHost()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 0.05)  # Trio's own tasks go on meanwhile
        print(await host.run(ask_server, "how are you?"))
    with trio.move_on_after(0.05) as scope:  # cancels the guest, and waits for its clean-up
        await host.run(asyncio.sleep, 3600)
    print("given up:", scope.cancelled_caught)


trio.run(program)
