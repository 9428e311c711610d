"""Whether the package works on this machine: one short run in each drive.

Owns: the hosts and sockets of these runs. The calling thread becomes their host thread, one after the other.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import traceback

from ._guest import Guest
from ._loop import run
from ._process import stats
from .hosts.queue import QueueHost

#: How a guest can wait: the host watches its fd; a thread of the library waits; `asyncguest.run`, which is no guest's.
DRIVES = ("fd", "thread", "run")


def self_test(drive: str) -> str:
    """Runs once in `drive`. Returns what is wrong, as a traceback; nothing if nothing is."""
    before = stats()
    try:
        if drive == "run":
            run(_work())
        else:
            _run_as_guest(drive)
        _expect(stats() == before, f"left behind: {stats()}")
    except (Exception, asyncio.CancelledError):
        return traceback.format_exc()
    return ""


def _run_as_guest(drive: str) -> None:
    host = QueueHost(drive)
    try:
        task = Guest(host, done_callback=host.stop, name="self-test").start(_work)
        host.run()
        task.result()
    finally:
        host.close()


async def _work() -> None:
    """A timer, another thread, and a connection: each has to wake the loop from its sleep."""
    await asyncio.sleep(0.01)
    other = await asyncio.to_thread(threading.get_ident)
    _expect(other != threading.get_ident(), "the executor has run its job on the loop's thread")
    near, far = socket.socketpair()
    far.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=near)
    with far:
        writer.write(b"there")
        arrived = await asyncio.get_running_loop().sock_recv(far, 64)
        await asyncio.get_running_loop().sock_sendall(far, arrived + b" and back")
        answer = await reader.readexactly(len(b"there and back"))
    _expect(answer == b"there and back", f"the connection has given {answer!r}")
    _expect(await reader.read() == b"", "the end of the connection was not seen")
    writer.close()
    await writer.wait_closed()


def _expect(holds: bool, otherwise: str) -> None:
    """`assert`, also for an interpreter that was told to leave those out."""
    if not holds:
        raise AssertionError(otherwise)
