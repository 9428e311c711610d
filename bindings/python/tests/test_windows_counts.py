"""Windows: large counts, each printed. `ASYNCGUEST_TEST_OPERATIONS=1000000` asks for so many operations, and the full counts
of the rest; else they are those of a quick look."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import asyncguest
import pytest
from helpers import run_anywhere
from test_windows import echo_server, pair, pytestmark  # noqa: F401  (the mark is this file's, too)

OPERATIONS = int(os.environ.get("ASYNCGUEST_TEST_OPERATIONS", "3000"))
FULL = OPERATIONS >= 1_000_000
LONG = pytest.mark.timeout(60 + OPERATIONS // 100)

Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Prints past pytest, so that the counts are seen."""

    def print_it(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")

    return print_it


def drain(end: socket.socket) -> None:
    """Takes what was sent to a receive that was cancelled."""
    try:
        end.recv(65536)
    except BlockingIOError:
        pass


@LONG
def test_no_operation_is_lost_whatever_is_cancelled(where: str, say: Say) -> None:
    """What the proactor has begun is cancelled at random, from callbacks, while its port is waited for by another thread."""
    chance = random.Random(13)
    problems: list[Any] = []

    async def main() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        loop.set_debug(False)  # where each future was made is what would take the time
        loop.set_exception_handler(lambda loop, context: problems.append(context))
        begun = cancelled = 0
        pairs = [pair() for _ in range(32)]
        while begun < OPERATIONS:
            for ours, _ in pairs:
                drain(ours)
            tasks = [asyncio.ensure_future(loop.sock_recv(end, 65536)) for end, _ in pairs]
            tasks += [asyncio.ensure_future(loop.sock_sendall(end, b"x" * chance.randrange(1, 64))) for _, end in pairs]
            begun += len(tasks)
            await asyncio.sleep(0)
            for task in tasks:
                if chance.random() < 0.7:  # sends are most often done by now
                    task.cancel()
            for _, theirs in pairs:
                theirs.send(b"y")  # whoever still receives is served
            results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
            failed = [result for result in results if isinstance(result, BaseException)]
            assert all(isinstance(result, asyncio.CancelledError) for result in failed), failed
            cancelled += len(failed)
        for ends in pairs:
            for end in ends:
                end.close()
        return begun, cancelled

    begun, cancelled = run_anywhere(where, main)
    assert not problems, problems
    assert cancelled > begun / 4
    say(f"{where}: {begun} operations, {cancelled} cancelled, none lost, no error")


@LONG
def test_subprocesses_each_with_its_exit_code(where: str, say: Say) -> None:
    count = 1000 if FULL else 20

    async def one(number: int, places: asyncio.Semaphore) -> bool:
        async with places:
            child = await asyncio.create_subprocess_exec("cmd", "/c", "exit", str(number % 200))
            return await child.wait() == number % 200

    async def main() -> list[bool]:
        places = asyncio.Semaphore(8)
        return await asyncio.gather(*(one(number, places) for number in range(count)))

    assert run_anywhere(where, main) == [True] * count
    say(f"{where}: {count} subprocesses, each with its exit code")


@LONG
def test_pipes_of_a_subprocess_both_ways(where: str, say: Say) -> None:
    size = (100 if FULL else 4) * 1024 * 1024
    sent = random.Random(1).randbytes(size)

    async def main() -> bytes:
        code = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        came, _ = await child.communicate(sent)
        return came

    assert run_anywhere(where, main) == sent
    say(f"{where}: {size >> 20} MiB through a subprocess's pipes, both ways")


@LONG
def test_timers_none_early(where: str, say: Say) -> None:
    count = 10_000
    chance = random.Random(7)

    async def main() -> list[float]:
        loop: Any = asyncio.get_running_loop()
        loop.set_debug(False)
        over = loop.create_future()
        late: list[float] = []

        def ring(due: float) -> None:
            late.append(loop.time() - due)
            if len(late) == count:
                over.set_result(None)

        now = loop.time()
        for _ in range(count):
            due = now + chance.random()
            loop.call_at(due, ring, due)
        await over
        # The clock's own step, which asyncio lets a timer be early by.
        return [seconds + loop._clock_resolution for seconds in late]

    late = run_anywhere(where, main)
    assert len(late) == count and min(late) >= 0
    say(f"{where}: {count} timers, none early")


EXIT = """
import asyncio, socket, sys
import asyncguest
from asyncguest.hosts.queue import QueueHost

count, where, hurry = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
pairs = [socket.socketpair() for _ in range(count)]
for ours, theirs in pairs:
    ours.setblocking(False)

async def main():
    loop = asyncio.get_running_loop()
    tasks = [asyncio.ensure_future(loop.sock_recv(ours, 99)) for ours, _ in pairs]
    await asyncio.sleep(0)
    print(sum(not task.done() for task in tasks), "pending", flush=True)
    if where == "alone":
        sys.exit(7)
    host.stop()
    await loop.create_future()

if where == "alone":
    asyncguest.run(main())
else:
    host = QueueHost(where)
    guest = asyncguest.Guest(host)
    guest.start(main)
    host.run()
    if hurry:
        guest.shutdown(0)
    sys.exit(7)
"""

ENDING = "asyncguest: the host ended before the run did; it is being shut down"
ABANDONED = "asyncguest: the run was abandoned when its time was over; not finished: "


def end_with_pending(count: int, *how: str) -> list[str]:
    """Runs EXIT: it ends by its own exit code and without a traceback. Returns what it has warned of."""
    ended = subprocess.run(
        [sys.executable, "-c", EXIT, str(count), *how], capture_output=True, text=True, timeout=300, check=False
    )
    assert (ended.returncode, ended.stdout.strip()) == (7, f"{count} pending"), ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    return [line.partition("Warning: ")[2] for line in ended.stderr.splitlines() if "Warning: " in line]


@LONG
def test_the_process_ends_with_operations_pending(where: str, say: Say) -> None:
    """By its own exit code, without a hang. As a guest the host leaves first, and its loop with it.

    The run has five seconds then, which is little for a machine that does much else: then it is told that it was abandoned.
    """
    count = 1000 if FULL else 200
    told = end_with_pending(count, where)
    assert told[:1] == ([] if where == "alone" else [ENDING])
    assert all(line.startswith(ABANDONED) for line in told[1:]) and len(told) <= 2, told
    say(f"{where}: a process that ends with {count} operations pending, exit code 7{', abandoned' * (len(told) == 2)}")


@LONG
def test_the_process_ends_with_operations_abandoned(drive: str, say: Say) -> None:
    """There is no time at all to cancel them: they are pending still when the process ends, by its own exit code."""
    count = 1000 if FULL else 200
    told = end_with_pending(count, drive, "hurry")
    assert len(told) == 1 and told[0].startswith(f"{ABANDONED}Task-1, "), told
    say(f"{drive}: a process that ends with {count} operations abandoned, exit code 7")


def test_a_message_box_that_stands_while_downloads_go_on(say: Say) -> None:
    """Two seconds inside a modal loop of Windows' own, which a callback has opened; a task of the guest closes it."""
    import ctypes

    from asyncguest.hosts.win32 import Win32Host

    windows: Any = ctypes
    user32 = windows.windll.user32
    title = f"asyncguest counts {os.getpid()}"
    host = Win32Host()
    counts = {"bytes": 0, "ticks": 0}

    async def download(address: tuple[str, int]) -> None:
        reader, writer = await asyncio.open_connection(*address)
        try:
            while True:
                writer.write(b"x" * 10_000)
                counts["bytes"] += len(await reader.readexactly(10_000))
        finally:
            writer.close()

    async def close_it() -> None:
        for _ in range(200):
            await asyncio.sleep(0.01)
            counts["ticks"] += 1
        while not (window := user32.FindWindowW(None, title)):
            await asyncio.sleep(0.01)
        user32.PostMessageW(window, 0x0010, 0, 0)  # WM_CLOSE

    async def main() -> dict[str, int]:
        async with echo_server() as address:
            downloads = [asyncio.ensure_future(download(address)) for _ in range(3)]
            closing = asyncio.ensure_future(close_it())
            user32.MessageBoxW(None, "text", title, 0)
            inside = dict(counts)
            await closing
            for task in downloads:
                task.cancel()
            await asyncio.gather(*downloads, return_exceptions=True)
            return inside

    results: list[dict[str, int]] = []
    guest = asyncguest.Guest(host, done_callback=lambda task: (results.append(task.result()), host.quit()))
    guest.start(main)
    assert host.run() == 0
    inside = results[0]
    assert inside["ticks"] == 200 and inside["bytes"] > 0
    say(f"inside a message box: {inside['ticks']} timers of 10 ms, {inside['bytes']} bytes of three downloads")
