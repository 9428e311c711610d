"""Contract point 7: subprocesses and signal handlers, as a guest in both drives and alone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading

import asyncguest
import pytest
from helpers import run_anywhere, run_guest

PYTHON = (sys.executable, "-S", "-E")


def test_communicate(where: str) -> None:
    async def main() -> tuple[bytes, bytes, int | None]:
        process = await asyncio.create_subprocess_exec(
            *PYTHON,
            "-c",
            "import sys; data = sys.stdin.read(); sys.stderr.write('err'); sys.stdout.write(data.upper()); sys.exit(3)",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(b"text" * 50_000)
        return out, err, process.returncode

    assert run_anywhere(where, main) == (b"TEXT" * 50_000, b"err", 3)


def test_shell_and_lines(where: str) -> None:
    async def main() -> list[bytes]:
        process = await asyncio.create_subprocess_shell("echo one; echo two", stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        lines = [line async for line in process.stdout]
        assert await process.wait() == 0
        return lines

    assert run_anywhere(where, main) == [b"one\n", b"two\n"]


def test_signals_to_a_child(where: str) -> None:
    async def main() -> int:
        process = await asyncio.create_subprocess_exec("sleep", "60")
        process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(process.wait(), 10)

    assert run_anywhere(where, main) == -signal.SIGTERM


def test_many_at_once(where: str) -> None:
    async def main() -> list[int]:
        async def one(code: int) -> int:
            process = await asyncio.create_subprocess_exec("sh", "-c", f"exit {code}")
            return await process.wait()

        return await asyncio.gather(*[one(code) for code in range(12)])

    assert run_anywhere(where, main) == list(range(12))


def test_a_program_that_there_is_not(where: str) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec("/nonexistent/program")

    run_anywhere(where, main)


def test_in_a_thread_that_is_not_the_main_one(drive: str) -> None:
    results: list[int] = []

    async def main() -> int:
        process = await asyncio.create_subprocess_exec("sh", "-c", "exit 4")
        return await process.wait()

    thread = threading.Thread(target=lambda: results.append(run_guest(main, drive=drive)))
    thread.start()
    thread.join()
    assert results == [4]


def test_a_child_killed_with_the_run_leaves_no_zombie(where: str) -> None:
    """The main task ends while a child lives on: its transport is closed, the child killed and reaped, as in asyncio."""
    pids: list[int] = []

    async def main() -> None:
        process = await asyncio.create_subprocess_exec("sleep", "60")
        pids.append(process.pid)
        try:
            await asyncio.wait_for(process.wait(), 0.01)
        except TimeoutError:
            process.kill()
            await process.wait()

    run_anywhere(where, main)
    with pytest.raises(ChildProcessError):
        os.waitpid(pids[0], os.WNOHANG)


def test_a_signal_handler(where: str) -> None:
    before = signal.getsignal(signal.SIGUSR1)

    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        got: asyncio.Queue[object] = asyncio.Queue()
        loop.add_signal_handler(signal.SIGUSR1, got.put_nowait, "old")
        loop.add_signal_handler(signal.SIGUSR1, got.put_nowait, "usr1")
        loop.add_signal_handler(signal.SIGTERM, got.put_nowait, "term")
        found = []
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1):
            os.kill(os.getpid(), number)
            found.append(await asyncio.wait_for(got.get(), 10))
        assert loop.remove_signal_handler(signal.SIGTERM) is True
        assert loop.remove_signal_handler(signal.SIGTERM) is False
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        return found

    assert run_anywhere(where, main) == ["usr1", "term", "usr1"]
    assert signal.getsignal(signal.SIGUSR1) is before


def test_signal_handlers_that_cannot_be(where: str) -> None:
    async def coroutine() -> None:
        pass

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(TypeError):
            loop.add_signal_handler(signal.SIGUSR1, coroutine)
        with pytest.raises(ValueError):
            loop.add_signal_handler(1000, print)
        with pytest.raises((RuntimeError, ValueError)):
            loop.add_signal_handler(signal.SIGKILL, print)
        with pytest.raises((RuntimeError, ValueError)):
            await asyncio.to_thread(loop.add_signal_handler, signal.SIGUSR1, print)

    run_anywhere(where, main)


@pytest.mark.parametrize("wakeup_fd_of_another", [False, True])
def test_a_handler_of_the_signal_module_runs_while_the_loop_waits(where: str, wakeup_fd_of_another: bool) -> None:
    """With nothing else due: the waiting is outside of Python, and must come back for it."""
    called = threading.Event()
    before = signal.signal(signal.SIGUSR1, lambda *_: called.set())
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    old_fd = signal.set_wakeup_fd(writing) if wakeup_fd_of_another else None

    def send_and_look() -> bool:
        os.kill(os.getpid(), signal.SIGUSR1)
        return called.wait(10)

    async def main() -> bool:
        return await asyncio.to_thread(send_and_look)

    try:
        assert run_anywhere(where, main) is True
    finally:
        if old_fd is not None:
            signal.set_wakeup_fd(old_fd)
        signal.signal(signal.SIGUSR1, before)
        os.close(reading)
        os.close(writing)


def test_ctrl_c_in_run_is_that_of_asyncio_run() -> None:
    """KeyboardInterrupt out of `run`, after the main task has cleaned up."""
    ended: list[str] = []

    async def main() -> None:
        try:
            asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    with pytest.raises(KeyboardInterrupt):
        asyncguest.run(main())
    assert ended == ["cancelled"]
