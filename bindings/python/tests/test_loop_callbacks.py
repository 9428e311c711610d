"""The callbacks of the native core of the loop: in which order they run, with what, and what becomes of what they raise."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from typing import Any

import asyncguest
import loophelp
import pytest
from helpers import Dialog, Run
from loophelp import function, on_both, turn

loop = loophelp.loop


def test_the_order_is_asyncios() -> None:
    def scene(loop: asyncio.AbstractEventLoop) -> object:
        seen: list[object] = []

        def grow(name: str, depth: int) -> None:
            seen.append(name)
            if depth:
                loop.call_soon(grow, name + "a", depth - 1)
                loop.call_later(0, grow, name + "t", 0)
                loop.call_soon(grow, name + "b", depth - 1)
                loop.call_soon_threadsafe(grow, name + "s", 0)

        for name in "xyz":
            loop.call_soon(grow, name, 3)
        turn(loop, 12)
        return seen

    on_both(scene)


def test_timers_of_equal_time_come_in_the_order_they_were_asked_for(loop: asyncguest.EventLoop) -> None:
    seen: list[int] = []
    when = loop.time()
    timers = [loop.call_at(when - (i % 3), seen.append, i) for i in range(3000)]
    for timer in timers[::7]:
        timer.cancel()
    turn(loop)
    assert seen == sorted((i for i in range(3000) if i % 7), key=lambda i: (-(i % 3), i))


def test_a_callback_cancels_the_next(loop: asyncguest.EventLoop) -> None:
    seen: list[str] = []
    loop.call_soon(lambda: (later.cancel(), timer.cancel()))
    later, timer = loop.call_soon(seen.append, "later"), loop.call_later(0, seen.append, "timer")
    loop.call_soon(seen.append, "last")
    turn(loop, 2)
    assert seen == ["last"]


def test_a_handle_that_was_cancelled_runs_nothing_whoever_runs_it(loop: asyncguest.EventLoop) -> None:
    told: list[object] = []
    loop.set_exception_handler(lambda loop, context: told.append(context))
    for handle in (loop.call_soon(told.append, 1), loop.call_later(0, told.append, 2)):
        handle.cancel()
        handle._run()
        assert handle._callback is None and handle._args is None
    turn(loop)
    assert told == []


def test_a_callback_that_cancels_its_own_handle_and_fails_is_reported(loop: asyncguest.EventLoop) -> None:
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, context: told.append(context))

    def fails() -> None:
        handle.cancel()
        raise ZeroDivisionError

    handle = loop.call_soon(fails)
    turn(loop)
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError]
    assert told[0]["handle"] is handle


def test_a_callback_adds_many(loop: asyncguest.EventLoop) -> None:
    seen: list[int] = []

    def add() -> None:
        for i in range(10_000):
            loop.call_soon(seen.append, i)

    loop.call_soon(add)
    turn(loop)
    assert seen == []
    turn(loop)
    assert seen == list(range(10_000))


def test_a_callback_that_closes_the_loop_is_told_that_it_cannot(loop: asyncguest.EventLoop) -> None:
    told: list[str] = []
    loop.set_exception_handler(lambda loop, context: told.append(str(context["exception"])))
    loop.call_soon(loop.close)
    turn(loop)
    assert told == ["Cannot close a running event loop"] and not loop.is_closed()


def test_a_closed_loop_takes_nothing(loop: asyncguest.EventLoop) -> None:
    kept = [loop.call_soon(function), loop.call_later(1, function)]
    loop.close()
    assert not loop._ready and not loop._scheduled
    for handle in kept:
        handle.cancel()
    for way, when in (("call_soon", ()), ("call_soon_threadsafe", ()), ("call_at", (1,)), ("call_later", (1,))):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            getattr(loop, way)(*when, function)


@pytest.mark.parametrize("within", (1, 5))
def test_a_nested_delivery_runs_the_rest_in_order(drive: str, within: int) -> None:
    """The callbacks behind one that opens a dialog run inside of it, those that are in a context that stands behind it."""
    run = Run(drive)
    dialog, seen = Dialog(run.host), []

    def opens() -> None:
        seen.append("opens")
        dialog.show()
        seen.append("closed")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        loop.call_soon(opens, context=context)
        for i in range(within):
            loop.call_soon(seen.append, f"parked {i}", context=context)
        for i in range(within):
            loop.call_soon(seen.append, i)
        loop.call_soon(dialog.close)
        while "parked 0" not in seen:
            await asyncio.sleep(0)

    run.start(main)
    run.finish()
    assert seen == ["opens", *range(within), "closed", *(f"parked {i}" for i in range(within))]


class Odd(BaseException):
    """Neither an Exception nor one of those that pass."""


@pytest.mark.parametrize("debug", (False, True))
@pytest.mark.parametrize("error", (ZeroDivisionError("zero"), Odd("odd"), asyncio.CancelledError("cancelled")))
@pytest.mark.parametrize("later", (False, True))
def test_what_a_callback_raises_is_told_as_by_asyncio(debug: bool, error: BaseException, later: bool) -> None:
    def scene(loop: asyncio.AbstractEventLoop) -> object:
        told: list[dict[str, Any]] = []
        seen: list[object] = []

        def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            told.append(context)
            seen.append(sys.exc_info()[1] is error)

        def fails(*args: object) -> None:
            raise error

        loop.set_debug(debug)
        loop.set_exception_handler(handler)
        handle = loop.call_at(0, fails, 1) if later else loop.call_soon(fails, 1)
        loop.call_soon(seen.append, "next")
        turn(loop, 2)
        (context,) = told
        assert context["exception"] is error and context["handle"] is handle
        assert ("source_traceback" in context) is debug
        return sorted(context), context["message"], sorted(map(str, seen))

    on_both(scene)


def test_an_exception_handler_that_fails_is_told_as_by_asyncio(caplog: pytest.LogCaptureFixture) -> None:
    def scene(loop: asyncio.AbstractEventLoop) -> object:
        caplog.clear()
        loop.set_exception_handler(lambda loop, context: 1 // 0)
        loop.call_soon(lambda: [][0])
        turn(loop)
        return [record.getMessage().splitlines()[0] for record in caplog.records]

    on_both(scene)


@pytest.mark.parametrize("error", (SystemExit(3), KeyboardInterrupt()))
def test_what_ends_the_program_passes_and_leaves_the_rest_queued(error: BaseException) -> None:
    def scene(loop: asyncio.AbstractEventLoop) -> object:
        seen: list[object] = []

        def leaves() -> None:
            raise error

        loop.call_soon(seen.append, 1)
        loop.call_soon(leaves)
        loop.call_soon(seen.append, 2)
        with pytest.raises(type(error)) as raised:
            loop.run_forever()
        assert raised.value is error
        seen.append(len(loop._ready))
        turn(loop)
        return seen

    on_both(scene)


def test_a_context_that_is_entered_is_told_as_by_asyncio() -> None:
    def scene(loop: asyncio.AbstractEventLoop) -> object:
        told: list[str] = []
        loop.set_debug(False)
        loop.set_exception_handler(lambda loop, context: told.append(type(context["exception"]).__name__))
        context = contextvars.copy_context()
        loop.call_soon(function, context=context)
        context.run(turn, loop)
        loop.call_soon(None)  # type: ignore[arg-type]
        turn(loop)
        loop.call_soon(function, context=7)  # type: ignore[arg-type]
        turn(loop)
        return told

    on_both(scene)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_after_an_exit_the_next_iteration_is_a_whole_one(error: type[BaseException]) -> None:
    def out() -> None:
        raise error

    loop, ran = asyncguest.EventLoop(), []
    loop.call_soon(out)
    loop.call_soon(ran.append, "before")
    with pytest.raises(error):
        loop.run_forever()
    loop.call_soon(ran.append, "after")
    loop.stop()
    loop.run_forever()
    loop.close()
    assert ran == ["before", "after"]


def test_what_waits_for_a_callback_that_was_stepped_by_hand_runs_when_that_returns() -> None:
    loop, context, ran = asyncguest.EventLoop(), contextvars.copy_context(), []

    def dialog() -> None:
        loop.call_soon(ran.append, "waits", context=context)
        loop.process_ready()
        ran.append("returns")

    loop.call_soon(dialog, context=context)
    loop.process_ready()
    assert ran == ["returns"]
    assert loop.poll_events() is True
    loop.process_ready()
    loop.close()
    assert ran == ["returns", "waits"]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_callback_is_run_by_its_context_with_all_of_its_arguments(count: int) -> None:
    """Also by one that only looks like a context: asyncio asks for a method `run`."""
    ran: list[object] = []

    class Seeming:
        def run(self, callback: Any, *args: object) -> None:
            ran.append("seeming")
            callback(*args)

    args = tuple(range(count))
    loop = asyncguest.EventLoop()
    for context in (contextvars.copy_context(), Seeming()):
        loop.call_soon(lambda *got: ran.append(got), *args, context=context)  # type: ignore[arg-type]
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert ran == [args, "seeming", args]
