"""USERS 18: round trips through a guest. The figures are the benches'; here, that nothing is lost, doubled or reordered."""

from __future__ import annotations

import asyncio

from helpers import Run, host_until, run_anywhere, settle


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def served() -> None:
    """Lets the echoes end of connections that were closed; until CPython 3.12 the end of a server does not wait for them."""
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})


def test_ping_pong_both_ends_in_the_guest(where: str) -> None:
    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            for number in range(300):
                writer.write(b"%d\n" % number)
                assert await reader.readline() == b"%d\n" % number
            writer.close()
            await writer.wait_closed()
            await served()

    run_anywhere(where, main)


def test_many_connections_in_order(where: str) -> None:
    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)

        async def client(which: int) -> None:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            lines = [b"%d:%d\n" % (which, number) for number in range(20)]
            writer.writelines(lines)
            assert [await reader.readline() for _ in lines] == lines
            writer.close()
            await writer.wait_closed()

        async with server:
            await asyncio.gather(*[client(which) for which in range(25)])
            await served()

    run_anywhere(where, main)


def test_round_trips_begun_by_the_host(drive: str) -> None:
    """Each begins in a handler while the guest sleeps, and ends before the next."""
    end = asyncio.Event()
    made: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            made.append(await asyncio.open_connection(*server.sockets[0].getsockname()[:2]))
            await end.wait()
            made[0][1].close()
            await made[0][1].wait_closed()
            await served()

    run = Run(drive)
    run.start(main)
    host_until(run, lambda: made)
    settle(run)
    reader, writer = made[0]
    for number in range(100):
        writer.write(b"%d\n" % number)
        answer = run.guest.start_soon(reader.readline)
        host_until(run, answer.done)
        assert answer.result() == b"%d\n" % number
    end.set()
    run.finish()
