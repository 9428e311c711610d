"""Windows: CPython's own proactor loop, and what is derived from it, as a guest that a loop of ours carries."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Dialog, Run, host_until, run_guest
from test_windows import echo_server, pair, pytestmark  # noqa: F401  (the mark is this file's, too)

ProactorLoop: Callable[[], asyncio.AbstractEventLoop] = getattr(asyncio, "ProactorEventLoop", asyncio.SelectorEventLoop)


def run_carried(async_fn: Callable[..., Any], *args: Any, drive: str, **options: Any) -> Any:
    return run_guest(async_fn, *args, drive=drive, loop_factory=ProactorLoop, **options)


def test_everything_of_that_loop(drive: str) -> None:
    """Streams, a subprocess with pipes, a thread, and a timer that is not early."""

    async def main() -> tuple[bytes, int | None]:
        loop = asyncio.get_running_loop()
        assert type(loop) is ProactorLoop and loop.is_running()
        async with echo_server() as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"x" * 300_000)
            assert await reader.readexactly(300_000) == b"x" * 300_000
            writer.close()
            await writer.wait_closed()
        assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()
        began = loop.time()
        await asyncio.sleep(0.02)
        assert loop.time() - began >= 0.02 - loop._clock_resolution  # type: ignore[attr-defined]
        code = "import sys; print(sys.stdin.read().upper(), end=''); sys.exit(7)"
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        out, _ = await child.communicate(b"hello")
        return out, child.returncode

    assert run_carried(main, drive=drive) == (b"HELLO", 7)


def test_by_start_guest_run() -> None:
    """The interface of the CPython proposal. The task that it returns is the run's; the loop has no idea of a host."""
    host = QueueHost("thread")
    done: list[asyncio.Task[int]] = []
    loops: list[Any] = []

    async def main() -> int:
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0.01)
        return 7

    def over(task: asyncio.Task[int]) -> None:
        done.append(task)
        host.stop()

    task = asyncguest.start_guest_run(
        main, run_sync_soon_threadsafe=host.post, done_callback=over, loop_factory=ProactorLoop
    )
    assert len(loops) == 1, "the main task has not reached its first await"
    host.run()
    host.close()
    assert done == [task] and task.result() == 7
    assert type(loops[0]) is ProactorLoop and loops[0].is_closed()


def test_a_class_derived_from_it_keeps_what_it_overrides(drive: str) -> None:
    if sys.platform != "win32":
        return

    class Counting(asyncio.ProactorEventLoop):
        calls = 0

        def call_soon(self, *args: Any, **options: Any) -> Any:
            type(self).calls += 1
            return super().call_soon(*args, **options)

    async def main() -> None:
        await asyncio.sleep(0)

    run_guest(main, drive=drive, loop_factory=Counting)
    assert Counting.calls


@pytest.mark.parametrize("way", ["task", "guest", "stop"])
def test_a_cancel_by_host_code_reaches_the_main_task(drive: str, way: str) -> None:
    cleaned_up: list[str] = []
    loops: list[Any] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            cleaned_up.append(way)

    run = Run(drive, loop_factory=ProactorLoop)
    task = run.start(main)
    host_until(run, lambda: run.guest.loop.idle)
    if way == "task":
        task.cancel()
    elif way == "guest":
        run.guest.cancel()
    else:
        loops[0].call_soon_threadsafe(loops[0].stop)
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    assert cleaned_up == [way]


def test_an_exception_is_the_outcome(drive: str) -> None:
    async def main() -> None:
        await asyncio.sleep(0)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run_carried(main, drive=drive)


def test_an_exit_of_the_main_task_is_its_outcome(drive: str) -> None:
    async def main() -> None:
        await asyncio.sleep(0)
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run_carried(main, drive=drive)


def test_the_clean_up_is_that_of_asyncio_run(drive: str) -> None:
    order: list[str] = []

    async def beside() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            order.append("task")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            order.append("generator")

    async def main() -> None:
        tasks.append(asyncio.create_task(beside()))
        left.append(numbers())
        assert await anext(left[0]) == 1
        order.append("main")

    tasks: list[asyncio.Task[None]] = []
    left: list[AsyncIterator[int]] = []
    run_carried(main, drive=drive)
    assert order == ["main", "task", "generator"] and tasks[0].cancelled()


def test_a_task_made_by_host_code_runs_in_that_loop(drive: str) -> None:
    """It wakes the guest, however long that has been asleep."""
    loops: list[Any] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        await asyncio.get_running_loop().create_future()

    async def beside() -> None:
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)

    run = Run(drive, loop_factory=ProactorLoop)
    task = run.start(main)
    host_until(run, lambda: run.guest.loop.idle)
    made = asyncio.create_task(beside())
    host_until(run, made.done)
    assert loops[0] is loops[1]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        run.finish()


def test_a_dialog_of_its_own_lets_it_stand_still_and_the_host_goes_on(drive: str) -> None:
    """What completes meanwhile comes afterwards, and nobody spins for it."""
    ours, theirs = pair()
    order: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        dialog = Dialog(run.host)  # type: ignore[arg-type]

        async def beside() -> None:
            order.append((await loop.sock_recv(ours, 99)).decode())

        task = loop.create_task(beside())
        await asyncio.sleep(0)
        theirs.send(b"received")
        before = run.guest.stats().batches
        timer = threading.Timer(0.2, lambda: run.host.post(dialog.close))
        timer.start()
        dialog.show()
        order.append("closed")
        deliveries.append(run.guest.stats().batches - before)
        timer.join()
        await task

    deliveries: list[int] = []
    run = Run(drive, loop_factory=ProactorLoop)
    run.start(main)
    run.finish()
    assert order == ["closed", "received"]
    assert deliveries[0] < 20
    ours.close()
    theirs.close()


def test_the_end_with_operations_pending(drive: str) -> None:
    pairs = [pair() for _ in range(50)]
    outcomes: list[str] = []

    async def receive(end: Any) -> None:
        try:
            await asyncio.get_running_loop().sock_recv(end, 99)
        except asyncio.CancelledError:
            outcomes.append("cancelled")
            raise

    async def main() -> None:
        tasks = [asyncio.ensure_future(receive(end)) for end, _ in pairs]
        await asyncio.sleep(0)
        assert len(tasks) == 50

    run_carried(main, drive=drive)
    assert outcomes == ["cancelled"] * 50
    for ends in pairs:
        for end in ends:
            end.close()


def test_what_the_port_has_told_in_the_last_moment_comes_too_late(drive: str) -> None:
    """An iteration for it is queued behind the callback that closes the loop."""
    problems: list[Any] = []

    def factory() -> asyncio.AbstractEventLoop:
        loop = ProactorLoop()
        close = loop.close

        def close_after_all() -> None:
            if turns:
                carrier._ready.append(turns.pop())
            close()

        loop.close = close_after_all  # type: ignore[method-assign]
        return loop

    async def main() -> None:
        await asyncio.sleep(0)

    turns: list[Any] = []
    run = Run(drive, loop_factory=factory)
    run.start(main)
    carrier: Any = run.guest.loop
    carrier.set_exception_handler(lambda loop, context: problems.append(context))
    turns.append(carrier._for_port)
    run.finish()
    assert not turns and not problems


def test_debug_mode_is_that_loops(drive: str) -> None:
    async def main() -> bool:
        return asyncio.get_running_loop().get_debug()

    assert run_carried(main, drive=drive, debug=True) is True


def test_a_loop_that_is_closed_is_refused(drive: str) -> None:
    def factory() -> asyncio.AbstractEventLoop:
        loop = ProactorLoop()
        loop.close()
        return loop

    async def main() -> None: ...

    host = QueueHost(drive)
    with pytest.raises(asyncguest.GuestError, match="in use or closed"):
        asyncguest.Guest(host, loop_factory=factory).start(main)
    host.close()


def test_a_proactor_of_somebodys_own_is_refused(drive: str) -> None:
    """It has no completion port that could be watched."""

    class Proactor:
        def set_loop(self, loop: object) -> None: ...
        def close(self) -> None: ...
        def recv(self, *args: object) -> None: ...

    async def main() -> None: ...

    host = QueueHost(drive)
    with pytest.raises(TypeError, match="needs an asyncguest.EventLoop"):
        asyncguest.Guest(host, loop_factory=lambda: ProactorLoop(Proactor())).start(main)  # type: ignore[call-arg]
    host.close()
