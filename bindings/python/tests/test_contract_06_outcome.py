"""Contract point 6: what the main task ends with arrives in the task, never through the host's frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, settle


class Own(BaseException):
    """Neither an Exception nor one of those that asyncio lets through."""


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, KeyboardInterrupt, SystemExit, Own])
@pytest.mark.parametrize("when", ["first step", "later", "in a callback's delivery"])
def test_it_arrives_in_the_task(drive: str, error: type[BaseException], when: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        if when == "later":
            await asyncio.sleep(0.001)
        elif when == "in a callback's delivery":
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future
        raise error("outcome")

    run = Run(drive)
    task = run.start(main)  # raises nothing
    host_frames: list[str] = []
    try:
        run.host.run()  # type: ignore[attr-defined]
    except BaseException as exc:
        host_frames.append(repr(exc))
    assert host_frames == [], "it unwound through the host"
    assert run.done == [task] and task.done()
    if error is asyncio.CancelledError:
        assert task.cancelled()
    else:
        assert type(task.exception()) is error
    run.host.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("source", ["callback", "side task", "timer", "reader"])
def test_exits_from_elsewhere_end_the_run_and_are_told_once(
    drive: str, error: type[BaseException], source: str
) -> None:
    """In asyncio.run they would unwind `run`; here the main task is cancelled, and the host's frames stay whole."""
    import socket

    told: list[object] = []
    left, right = socket.socketpair()

    async def raises() -> None:
        raise error(7)

    def raise_it() -> None:
        assert asyncio.get_running_loop().remove_reader(left) is (source == "reader")
        raise error(7)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: told.append(context.get("exception")))
        if source == "callback":
            loop.call_soon(raise_it)
        elif source == "side task":
            main.task = asyncio.create_task(raises())  # type: ignore[attr-defined]
        elif source == "timer":
            loop.call_later(0.001, raise_it)
        else:
            loop.add_reader(left, raise_it)
            right.send(b"x")
        await asyncio.sleep(3600)

    run = Run(drive)
    run.start(main)
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    assert [type(exc) for exc in told if exc is not None] == [error]
    left.close()
    right.close()
    if source == "side task":
        assert type(main.task.exception()) is error  # type: ignore[attr-defined]


def test_the_callbacks_behind_an_exit_still_run(drive: str) -> None:
    def leave() -> None:
        raise SystemExit(1)

    called: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)
        loop.call_soon(leave)
        loop.call_soon(called.append, "behind it")
        await asyncio.sleep(3600)

    run = Run(drive)
    run.start(main)
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    assert called == ["behind it"]


def test_an_exit_in_an_eager_click_ends_the_run_aloud(drive: str) -> None:
    told: list[object] = []

    async def clicked() -> None:
        raise SystemExit(9)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
        await asyncio.sleep(3600)

    run = Run(drive)
    run.start(main)
    settle(run)
    task = run.guest.start_soon(clicked)  # the handler's frame stays whole
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    assert [type(exc) for exc in told] == [SystemExit]
    assert isinstance(task.exception(), SystemExit)


def test_a_message_of_cancel_arrives(drive: str) -> None:
    async def main() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError as error:
            return str(error)
        return "never"

    run = Run(drive)
    run.start(main)
    settle(run)
    assert run.guest.cancel("the window was closed")
    assert run.finish() == "the window was closed"


def test_an_exception_that_nobody_fetches_is_reported_by_asyncio_alone(caplog: pytest.LogCaptureFixture) -> None:
    """done_callback=None: the task is a task like any other, and says so once when it is forgotten."""
    import gc

    async def main() -> None:
        raise LookupError("nobody looks")

    host = QueueHost()
    guest = asyncguest.Guest(host)
    task = guest.start(main)
    while guest.state != "ended":
        host.run_once(10)
    host.close()
    del task, guest
    gc.collect()
    assert caplog.text.count("Task exception was never retrieved") == 1


def fails_in_a_callback(loop: asyncguest.EventLoop, run: Run) -> None:
    loop.call_soon(lambda: 1 / 0)


def opens_a_dialog_too_many(loop: asyncguest.EventLoop, run: Run) -> None:
    loop.call_soon(loop.call_soon, int)
    loop.call_soon(run.host.run_once)  # type: ignore[attr-defined]


def breaks_the_loop(loop: asyncguest.EventLoop, run: Run) -> None:
    loop.call_later(60, int)
    loop.time = lambda: 1 / 0  # type: ignore[method-assign]


def leaves_a_task_that_cannot_be_cancelled(loop: asyncguest.EventLoop, run: Run) -> None:
    class Stubborn(asyncio.Task[None]):
        def cancel(self, msg: object = None) -> bool:
            raise ZeroDivisionError

    task = Stubborn(asyncio.sleep(60), loop=loop)
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    run.guest.cancel()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize(
    "go_wrong",
    [fails_in_a_callback, opens_a_dialog_too_many, breaks_the_loop, leaves_a_task_that_cannot_be_cancelled],
)
def test_an_exception_handler_that_leaves_ends_the_run(
    drive: str, go_wrong: Callable[[asyncguest.EventLoop, Run], None], error: type[BaseException]
) -> None:
    """As programs do that end at their first error: it is called by the package itself, too."""
    told, log = [], []
    run = Run(drive, max_nesting=0)

    def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        told.append(context["message"])
        raise error

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(handler)
        await asyncio.sleep(0.001)
        go_wrong(loop, run)  # type: ignore[arg-type]
        try:
            await asyncio.sleep(60)
        finally:
            log.append("finally")

    task = run.start(main)
    with pytest.raises(ZeroDivisionError if go_wrong is breaks_the_loop else asyncio.CancelledError):
        run.finish()
    assert run.done == [task] and log == ["finally"] and told
