"""`event` and `events`: the promises that are the same for each source. Here it is a signal of no toolkit's.

Those of the toolkits are played on their stages: hosts/scenarios_events.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import traceback

import asyncguest
import pytest
from asyncguest import SourceGone, event, events
from helpers import run_guest
from scripts import run_script
from signalhelp import Decorator, Signal, WeakSignal, soon

# ---- values


@pytest.mark.parametrize(("args", "value"), [((), None), ((1,), 1), ((None,), None), ((1, "a"), (1, "a")), (((),), ())])
def test_none_the_value_or_a_tuple(args, value):
    async def main():
        signal = Signal()
        soon(signal.emit, *args)
        one = await event(signal)
        with events(signal) as stream:
            signal.emit(*args)
            return one, await stream.next()

    assert run_guest(main) == (value, value)


def test_event_connects_when_awaited_and_for_one_emission():
    signal = Signal()

    async def main():
        waiting = event(signal)
        assert not signal.slots
        signal.emit("missed")
        soon(signal.emit, "first")
        soon(signal.emit, "second")
        assert await waiting == "first"
        assert not signal.slots

    run_guest(main)


def test_with_connects_at_once_so_that_nothing_is_missed():
    signal = Signal()

    async def main():
        with events(signal) as stream:
            signal.emit(1)
            signal.emit(2)
            soon(signal.emit, 3)
            assert [await stream.next() for _ in range(3)] == [1, 2, 3]
        assert not signal.slots

    run_guest(main)


def test_the_latest_alone():
    signal = Signal()

    async def main():
        with events(signal, keep="latest") as stream:
            for number in range(100):
                signal.emit(number)
            assert await stream.next() == 99
            soon(signal.emit, "next")
            assert await stream.next() == "next"

    run_guest(main)


# ---- the filter


def test_the_waiter_goes_on_in_the_next_delivery_and_the_filter_runs_inside_the_emission():
    signal = Signal()
    order = []

    def click():
        order.append("emits")
        signal.emit(1)
        order.append("has emitted")

    async def main():
        soon(click)
        await event(signal, filter=lambda number: order.append("filter") or True)
        order.append("waiter")

    run_guest(main)
    assert order == ["emits", "filter", "has emitted", "waiter"]


def test_what_the_filter_refuses_is_not_taken():
    signal = Signal()

    async def main():
        for number in range(10):
            soon(signal.emit, number)
        assert await event(signal, filter=lambda number: number == 3) == 3
        with events(signal, filter=lambda number: number % 2) as stream:
            for number in range(6):
                signal.emit(number)
            return [await stream.next() for _ in range(3)]

    assert run_guest(main) == [1, 3, 5]


def test_a_filter_is_not_asked_again_once_it_has_taken_one():
    signal = Signal()
    asked = []

    async def main():
        soon(lambda: [signal.emit(number) for number in range(3)])
        await event(signal, filter=lambda number: asked.append(number) or True)

    run_guest(main)
    assert asked == [0]


@pytest.mark.parametrize("kind", [ValueError, StopIteration, asyncio.CancelledError])
def test_what_the_filter_raises_is_raised_by_the_await_and_not_by_the_emission(kind):
    signal = Signal()

    def refuse(*_):
        raise kind("of the filter")

    async def main():
        soon(signal.emit)
        # As everywhere in a coroutine, a StopIteration becomes a RuntimeError.
        with pytest.raises(RuntimeError if kind is StopIteration else kind):
            await event(signal, filter=refuse)
        with events(signal, filter=refuse) as stream:
            signal.emit()
            with pytest.raises(RuntimeError if kind is StopIteration else kind):
                await stream.next()
        assert not signal.slots

    run_guest(main)


@pytest.mark.parametrize("kind", [ValueError, asyncguest.GuestError])
def test_what_the_filter_of_a_stream_raises_is_told_once(kind):
    signal = Signal()

    def wanted(value):
        if value == "bad":
            raise kind("of the filter")
        return True

    async def main():
        with events(signal, filter=wanted) as stream:
            signal.emit("bad")
            with pytest.raises(kind, match="of the filter"):
                await stream.next()
            task = asyncio.create_task(stream.next())
            await asyncio.sleep(0)
            assert not task.done()
            signal.emit("good")
            assert await task == "good"

    run_guest(main)


# ---- cancellation, several waiters


def test_a_cancelled_wait_disconnects():
    signal = Signal()

    async def main():
        task = asyncio.create_task(event(signal))
        await asyncio.sleep(0)
        assert signal.slots
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled() and not signal.slots
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await event(signal)
        assert not signal.slots

    run_guest(main)


def test_a_cancelled_wait_loses_nothing_of_a_stream():
    signal = Signal()

    async def main():
        with events(signal) as stream:
            task = asyncio.create_task(stream.next())
            await asyncio.sleep(0)
            signal.emit(1)
            task.cancel()  # in the same delivery
            await asyncio.wait([task])
            assert task.cancelled()
            return await stream.next()

    assert run_guest(main) == 1


def test_a_second_waiter_on_one_stream_is_refused():
    async def main():
        signal = Signal()
        with events(signal) as stream:
            task = asyncio.create_task(stream.next())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another task waits for this stream"):
                await stream.next()
            signal.emit(1)
            return await task

    assert run_guest(main) == 1


def test_two_streams_of_one_source():
    async def main():
        signal = Signal()
        with events(signal) as one, events(signal) as other:
            signal.emit(1)
            return await one.next(), await other.next()

    assert run_guest(main) == (1, 1)


# ---- the end


@pytest.mark.parametrize("kind", [Signal, Decorator])
def test_a_sender_that_goes_is_told(kind):
    signal = kind()

    async def main():
        soon(signal.slots.clear)
        with pytest.raises(SourceGone, match="destroyed while its event was waited for"):
            await event(signal)
        with events(signal) as stream:
            signal.emit(1)
            signal.emit(2)
            signal.slots.clear()
            assert [value async for value in stream] == [1, 2]
            for _ in range(2):
                with pytest.raises(SourceGone):
                    await stream.next()

    run_guest(main)


def test_what_is_held_weakly_is_held_while_it_is_waited_for():
    signal = WeakSignal()

    async def main():
        soon(gc.collect)
        soon(signal.emit, 1)
        assert await event(signal) == 1
        with events(signal) as stream:
            gc.collect()
            signal.emit(2)
            assert await stream.next() == 2
        assert not signal.slots

    run_guest(main)


def test_outside_of_its_block_a_stream_says_so():
    signal = Signal()

    async def main():
        stream = events(signal)
        with pytest.raises(asyncguest.GuestError, match="as long as its block"):
            await stream.next()
        with stream:
            signal.emit(1)
            task = asyncio.create_task(stream.next())
            await task
            task = asyncio.create_task(stream.next())
            await asyncio.sleep(0)
        await asyncio.wait([task])  # it is not left to wait for ever
        assert "as long as its block" in str(task.exception())
        signal.emit(2)
        with pytest.raises(asyncguest.GuestError, match="as long as its block"):
            await stream.next()
        with pytest.raises(asyncguest.GuestError, match="make another"):
            stream.__enter__()

    run_guest(main)


# ---- the module


def test_no_toolkit_is_imported_that_the_program_has_not_imported():
    """Nor the module that knows it: whatever is asked for, also if there is no such source, dialog or owner."""
    ended = run_script(
        """
        async def main():
            before = set(sys.modules)
            for ask in (asyncguest.event, asyncguest.events, asyncguest.dialog, asyncguest.Scope):
                try:
                    ask(object())
                except TypeError:
                    say(ask.__name__)
            asyncguest.slot(asyncio.sleep, scope=asyncguest.Scope())
            say(sorted(name for name in set(sys.modules) - before if name.startswith("asyncguest.sources._")))
            found = {name.partition(".")[0] for name in sys.modules}
            say(sorted(found & {"tkinter", "PySide6", "PyQt6", "PyQt5", "gi", "wx", "trio"}))

        host = QueueHost()
        asyncguest.Guest(host, done_callback=host.stop).start(main)
        host.run()
        host.close()
        """
    ).check()
    assert ended.lines == ["event", "events", "dialog", "Scope", "['asyncguest.sources._connectable']", "[]"]


def test_the_names_take_what_the_pages_say():
    def said(what):
        return {
            name: parameter.default
            for name, parameter in inspect.signature(what).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        }

    assert said(event) == {"filter": None}
    assert said(events) == {"filter": None, "keep": "all"}
    assert said(asyncguest.slot) == {"busy": "overlap", "scope": None}
    assert said(asyncguest.Scope) == {"closes": False, "deadline": 5.0}
    assert said(asyncguest.in_thread) == {"on_progress": None, "every": 0.03}
    assert issubclass(SourceGone, asyncguest.GuestError)


# ---- bad input


@pytest.mark.parametrize("source", [3, "clicked", None, object(), Signal().emit])
@pytest.mark.parametrize("wait", [event, events])
def test_an_unknown_source_lists_the_forms_at_the_callers_line(source, wait):
    with pytest.raises(
        TypeError, match=r"nothing can be waited for at .*event\(button\.clicked\).*event\(signal\)"
    ) as found:
        wait(source)
    assert traceback.extract_tb(found.tb)[0].line == "wait(source)"


def test_a_known_source_with_a_name_that_it_has_not():
    with pytest.raises(TypeError, match="with 'clicked'"):
        event(Signal(), "clicked")


def test_bad_arguments_say_what_to_do():
    async def wanted(*_: object) -> bool:
        return True

    with pytest.raises(ValueError, match='keep must be "all" or "latest"'):
        events(Signal(), keep="newest")
    for wait in (event, events):
        for filter in (wanted, 3):
            with pytest.raises(TypeError, match="filter must be a function"):
                wait(Signal(), filter=filter)


def test_without_a_guest_it_says_so():
    signal = Signal()
    with pytest.raises(asyncguest.GuestError, match="no guest runs here"), events(signal):
        pass

    async def main():
        await event(signal)

    with pytest.raises(asyncguest.GuestError, match="no guest runs here"):
        asyncio.run(main())
    assert not signal.slots
