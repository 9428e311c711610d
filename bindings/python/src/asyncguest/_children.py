"""The end of the loop's subprocesses, whatever the event loop policy is.

Owns: the pidfds of the children that one loop's transports wait for. Up to CPython 3.13 asyncio asks the policy for a
child watcher, which the policies of other loops do not have. The loop's own thread, except `_wait`.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import asyncio
import os
import threading
from contextlib import suppress
from typing import Any

from ._compat import SubprocessTransport
from ._reports import log

# What asyncio reports for a child whose status nobody can tell.
_UNKNOWN = 255


class Children:
    """Starts children, and tells their transports when they have ended: by a pidfd that the loop watches like any other.

    No SIGCHLD, and no thread where the system has pidfds (Linux 5.3); else a thread for each child that waits for it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pidfds: set[int] = set()

    async def start(self, *args: Any, **options: Any) -> Any:
        """What asyncio asks `_make_subprocess_transport` for, with its arguments: the transport, when its pipes are open."""
        waiter = self._loop.create_future()
        transport = SubprocessTransport(self._loop, *args, waiter=waiter, **options)
        try:
            self._watch(transport)
        except BaseException:
            transport.close()  # kills it
            self._ended(transport, _reap(transport.get_pid()))
            raise
        try:
            await waiter
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            transport.close()
            await transport._wait()
            raise
        return transport

    def close(self) -> None:
        """Gives the pidfds back: nobody is told of the children that still run."""
        for pidfd in self._pidfds:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)
        self._pidfds.clear()

    def _watch(self, transport: Any) -> None:
        try:
            pidfd = os.pidfd_open(transport.get_pid())
        except ProcessLookupError:  # it has ended, and is reaped already: SIGCHLD is ignored, or somebody waits for all
            self._loop.call_soon(self._ended, transport, None)
        except (OSError, AttributeError):  # no such call here, or no fd is left
            threading.Thread(
                target=self._wait, args=(transport,), name=f"asyncguest child {transport.get_pid()}", daemon=True
            ).start()
        else:
            self._pidfds.add(pidfd)
            self._loop.add_reader(pidfd, self._readable, pidfd, transport)

    def _readable(self, pidfd: int, transport: Any) -> None:
        self._loop.remove_reader(pidfd)
        self._pidfds.discard(pidfd)
        os.close(pidfd)
        self._gone(transport)

    def _wait(self, transport: Any) -> None:
        """The whole life of a thread that stands in for a pidfd: as with one, the loop's thread reaps the child and tells of it
        in one go, since its number is another process's as soon as it is reaped."""
        pid = transport.get_pid()
        try:
            if sys.platform == "linux":  # elsewhere there is no such call, or it tells of stopped children, too
                with suppress(ChildProcessError):  # somebody else has reaped it
                    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
                self._loop.call_soon_threadsafe(self._gone, transport)
            else:
                self._loop.call_soon_threadsafe(self._ended, transport, _reap(pid))
        except RuntimeError:
            _reap(pid)  # the loop was closed before the child ended

    def _gone(self, transport: Any) -> None:
        self._ended(transport, _reap(transport.get_pid()))

    def _ended(self, transport: Any, status: int | None) -> None:
        pid = transport.get_pid()
        if status is None:
            # Sending a signal looks after the child first, up to 3.13: then its Popen has the status.
            status = transport.get_extra_info("subprocess").returncode
        if status is None:
            log.warning("somebody else has reaped the child process %d: status %d is reported for it", pid, _UNKNOWN)
            status = _UNKNOWN
        self._loop._child_watcher_callback(pid, status, transport)  # type: ignore[attr-defined]


def _reap(pid: int) -> int | None:
    """The status of a child that has ended, or that is waited for here; None if somebody else has reaped it."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return None
