"""Subprocesses work whatever the event loop policy is: the loop waits for its children itself, and claims no SIGCHLD."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import run_anywhere
from scripts import run_script


@pytest.fixture(params=["pidfd", "thread", "no fd left"], autouse=True)
def waiting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the loop learns that a child has ended."""

    def refuse(pid: int, flags: int = 0) -> int:  # asyncio's own loop asks, too, from CPython 3.14 on
        raise OSError(errno.ENOSYS if request.param == "thread" else errno.EMFILE, "refused by the test")

    if request.param != "pidfd":
        monkeypatch.setattr(os, "pidfd_open", refuse)
    return str(request.param)


def no_watcher() -> asyncio.AbstractEventLoopPolicy:
    """A policy as other loops bring it: it has no child watcher."""

    class NoWatcher(asyncio.DefaultEventLoopPolicy):
        def get_child_watcher(self) -> Any:
            raise NotImplementedError

    return NoWatcher()


@pytest.fixture(params=["none", "uvloop"])
def policy(request: pytest.FixtureRequest) -> Iterator[None]:
    """The process has the policy of another loop."""
    if sys.version_info >= (3, 14):
        pytest.skip("asyncio asks no policy for a child watcher any more")
    if request.param == "uvloop":
        made = pytest.importorskip("uvloop", reason="uvloop has no wheel for this interpreter").EventLoopPolicy()
    else:
        made = no_watcher()
    asyncio.set_event_loop_policy(made)
    try:
        yield
    finally:
        asyncio.set_event_loop_policy(None)


async def sleeping() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec("sleep", "60")


async def ended(code: int, *, reaped: bool) -> asyncio.subprocess.Process:
    """A child that has ended with `code` since the loop's last look."""
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec("sh", "-c", f"read line; exit {code}", stdin=reading)
    finally:
        os.close(reading)
        os.close(writing)  # this ends it
    try:
        os.waitid(os.P_PID, process.pid, os.WEXITED | (0 if reaped else os.WNOWAIT))
    except ChildProcessError:
        assert not reaped  # the loop's own thread has waited for it
    return process


async def exits(code: int) -> int:
    process = await asyncio.create_subprocess_exec("sh", "-c", f"exit {code}")
    return await process.wait()


def test_beside_the_policy_of_another_loop(where: str, policy: None) -> None:
    async def main() -> list[Any]:
        process = await asyncio.create_subprocess_shell("cat", stdin=-1, stdout=-1)
        out, _ = await process.communicate(b"through a pipe")
        return [out, process.returncode, await exits(3), *await asyncio.gather(*map(exits, range(5)))]

    assert run_anywhere(where, main) == [b"through a pipe", 0, 3, 0, 1, 2, 3, 4]


def test_in_a_threads_loop(where: str, policy: None) -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(run_anywhere(where, lambda: exits(4))))
    thread.start()
    thread.join()
    assert found == [4]


def test_nothing_is_deprecated_and_no_signal_taken(where: str) -> None:
    async def main() -> tuple[int, Any]:
        return await exits(0), signal.getsignal(signal.SIGCHLD)

    before = signal.getsignal(signal.SIGCHLD)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run_anywhere(where, main) == (0, before)


def test_several_tasks_wait(where: str) -> None:
    async def main() -> list[int]:
        process = await sleeping()
        waits = [asyncio.ensure_future(process.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        process.terminate()
        return [*await asyncio.gather(*waits), await process.wait()]

    assert run_anywhere(where, main) == [-signal.SIGTERM] * 4


def test_killed_after_its_end(where: str) -> None:
    """Before the loop has heard of it, and after."""

    async def main() -> int:
        process = await ended(7, reaped=False)
        try:
            process.kill()
        except ProcessLookupError:
            pass  # from 3.13.1 on a signal is sent unseen
        code = await process.wait()
        with pytest.raises(ProcessLookupError):
            process.kill()
        return code

    assert run_anywhere(where, main) == 7


def test_its_number_is_no_other_processs_until_its_end_is_told(where: str) -> None:
    """Whoever has heard of the end first: what is sent to it by then must not reach another process."""

    async def main() -> int:
        process = await sleeping()
        waits = [thread for thread in threading.enumerate() if thread.name == f"asyncguest child {process.pid}"]
        process.kill()
        for thread in waits:
            thread.join()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ChildProcessError, if it is reaped
        assert process.returncode is None
        return await process.wait()

    assert run_anywhere(where, main) == -signal.SIGKILL


def test_reaped_by_somebody_else(where: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> int:
        process = await ended(7, reaped=True)
        return await process.wait()

    assert run_anywhere(where, main) == 255
    assert "somebody else has reaped the child process" in caplog.text


def test_sigchld_is_ignored(where: str, caplog: pytest.LogCaptureFixture) -> None:
    """The system reaps then, also before the loop can look."""

    async def main() -> list[int]:
        return await asyncio.gather(*map(exits, range(8)))

    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert run_anywhere(where, main) == [255] * 8
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert caplog.text.count("somebody else has reaped") == 8


def test_a_child_that_is_gone_before_it_is_watched(
    where: str, waiting: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if waiting != "pidfd":
        pytest.skip("there is no pidfd to be refused")
    real = os.pidfd_open

    def late(pid: int, flags: int = 0) -> int:
        if pid != os.getpid():  # of which asyncio's own loop asks, from CPython 3.14 on
            os.waitpid(pid, 0)
        return real(pid, flags)

    monkeypatch.setattr(os, "pidfd_open", late)
    assert run_anywhere(where, lambda: exits(7)) == 255
    assert "somebody else has reaped" in caplog.text


def test_cancelled_while_it_is_being_started(where: str) -> None:
    """It is killed and reaped, as asyncio does."""
    pids: list[int] = []

    class Protocol(asyncio.SubprocessProtocol):
        def connection_made(self, transport: Any) -> None:
            pids.append(transport.get_pid())
            task.cancel()

    async def main() -> None:
        nonlocal task
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.subprocess_exec(Protocol, "sleep", "60", stdin=subprocess.PIPE))  # type: ignore
        await asyncio.wait([task])
        assert task.cancelled()

    task: asyncio.Task[Any]
    run_anywhere(where, main)
    with pytest.raises(ChildProcessError):
        os.waitpid(pids[0], os.WNOHANG)


def test_a_child_that_cannot_be_watched_is_killed(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And reaped: the error is all that is left of it."""
    pids: list[int] = []

    def refuse(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "no more watches")

    def count(*args: Any, **options: Any) -> Any:
        process = popen(*args, **options)
        pids.append(process.pid)
        return process

    popen = subprocess.Popen

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", count)
            patch.setattr(loop, "add_reader", refuse)
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(OSError, match="no more watches"):
                await loop.subprocess_exec(
                    asyncio.SubprocessProtocol, "sleep", "60", stdin=None, stdout=None, stderr=None
                )

    run_anywhere(where, main)
    assert len(pids) == 1
    with pytest.raises(ChildProcessError):
        os.waitpid(pids[0], os.WNOHANG)


def test_the_loop_is_closed_before_the_child_ends(waiting: str) -> None:
    """Its pidfd is given back, and a thread that waits for it says nothing when it ends."""
    ended = run_script(
        """
        def refuse(pid, flags=0):
            raise OSError(38, "refused by the test")

        if sys.argv[1] != "pidfd":
            os.pidfd_open = refuse
        asyncguest.run(asyncio.sleep(0))  # the first run makes the wake-up fd, which stays
        fds = os.listdir("/proc/self/fd")
        loop = asyncguest.EventLoop()
        process = loop.run_until_complete(asyncio.create_subprocess_exec("sleep", "60"))
        waits = [thread for thread in threading.enumerate() if "child" in thread.name]
        loop.close()
        say(len(os.listdir("/proc/self/fd")) - len(fds))
        process._transport.close()  # kills it
        for thread in waits:
            thread.join()
        if not waits:
            os.waitpid(process.pid, 0)
        say(len(waits))
        """,
        waiting,
    ).check()
    assert ended.lines == ["0", "0" if waiting == "pidfd" else "1"], ended
    assert "Traceback" not in ended.stderr and "Exception" not in ended.stderr, ended.stderr
