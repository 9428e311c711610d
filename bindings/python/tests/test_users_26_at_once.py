"""USERS 26: an API that is usable only after some ticks. Here: everything works on the line after start."""

from __future__ import annotations

import asyncio
import socket

import asyncguest
import pytest
from helpers import Run, host_until


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


def test_everything_on_the_next_line(drive: str) -> None:
    run = Run(drive)
    task = run.start(forever)
    guest, loop = run.guest, run.guest.loop
    got: list[object] = []
    left, right = socket.socketpair()

    assert guest.state == "running" and guest.task is task and loop.is_running() and loop.guest is guest
    assert asyncguest.current_guest() is guest and asyncio.get_running_loop() is loop
    assert guest.stats().live_sources > 0 and guest in asyncguest.stats().guests
    assert task in asyncio.all_tasks(loop) and task.get_stack()
    loop.call_soon(got.append, "soon")
    loop.call_later(0.001, got.append, "later")
    loop.add_reader(left, lambda: (loop.remove_reader(left), got.append("reader")))
    right.send(b"x")
    loop.run_in_executor(None, int).add_done_callback(lambda _: got.append("executor"))
    asyncio.create_task(asyncio.sleep(0)).add_done_callback(lambda _: got.append("task"))
    guest.start_soon(asyncio.sleep, 0.001).add_done_callback(lambda _: got.append("start_soon"))
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).add_done_callback(lambda _: got.append("threadsafe"))
    loop.set_debug(loop.get_debug())
    host_until(run, lambda: len(got) == 7)
    assert set(got) == {"soon", "later", "reader", "executor", "task", "start_soon", "threadsafe"}
    assert guest.cancel()
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    left.close()
    right.close()


@pytest.mark.parametrize("how", ["cancel", "shutdown", "stop"])
def test_even_the_end(drive: str, how: str) -> None:
    """Ended on the line after start, before the host has run at all: finally blocks run, done_callback comes once."""
    ended: list[str] = []

    async def main() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            ended.append("ended")

    run = Run(drive)
    run.start(main)
    if how == "shutdown":
        assert run.guest.shutdown(5) is True
        assert ended == ["ended"] and len(run.done) == 1
    else:
        getattr(run.guest if how == "cancel" else run.guest.loop, how)()
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    assert ended == ["ended"]


def test_a_cancel_from_another_thread_on_the_next_line(drive: str) -> None:
    import threading

    run = Run(drive)
    run.start(forever)
    thread = threading.Thread(target=run.guest.cancel)
    thread.start()
    thread.join()
    with pytest.raises(asyncio.CancelledError):
        run.finish()
