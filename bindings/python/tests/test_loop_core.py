"""The native core of the loop: its handles, its timers, what is ready. What asyncio's own loop does is what is wanted, so most
of it is played on both."""

from __future__ import annotations

import asyncio
import collections
import contextvars
import gc
import heapq
import logging
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import asyncguest
import pytest
from helpers import Dialog, Run

BOTH = (asyncio.SelectorEventLoop, asyncguest.EventLoop)


@pytest.fixture
def loop() -> Iterator[asyncguest.EventLoop]:
    loop = asyncguest.EventLoop()
    yield loop
    loop.close()


def turn(loop: asyncio.AbstractEventLoop, iterations: int = 1) -> None:
    """Runs some iterations."""
    for _ in range(iterations):
        loop.call_soon(loop.stop)
        loop.run_forever()


def on_both(scene: Callable[[asyncio.AbstractEventLoop], object]) -> None:
    """Plays a scene on asyncio's loop and on ours: what it returns is the same."""
    seen = []
    for make in BOTH:
        loop = make()
        try:
            seen.append(scene(loop))
        finally:
            loop.close()
    assert seen[0] == seen[1]
    assert seen[0] is not None


def function(*args: object) -> None:
    """A callback."""


# ---- the public face of a handle


@pytest.mark.parametrize("debug", (False, True))
@pytest.mark.parametrize("args", ((), (1,), (1, "two", None)))
def test_a_handle_looks_like_asyncios(debug: bool, args: tuple[object, ...]) -> None:
    def scene(loop: asyncio.AbstractEventLoop) -> object:
        loop.set_debug(debug)
        soon, later = loop.call_soon(function, *args), loop.call_at(7, function, *args)
        seen = [repr(soon), repr(later), later.when(), soon.cancelled(), later.cancelled()]
        soon.cancel()
        later.cancel()
        later.cancel()
        return [*seen, repr(soon), repr(later), later.when(), soon.cancelled(), later.cancelled()]

    on_both(scene)


@pytest.mark.parametrize("way", ("call_soon", "call_soon_threadsafe", "call_later", "call_at"))
def test_debug_mode_remembers_the_callers_line(loop: asyncguest.EventLoop, way: str) -> None:
    loop.set_debug(True)
    when = () if "soon" in way else (1e6,)
    handle = getattr(loop, way)(*when, function)
    frame = handle._source_traceback[-1]
    assert frame.name == "test_debug_mode_remembers_the_callers_line" and frame.filename == __file__
    assert f"created at {__file__}:" in repr(handle)


def test_a_handle_is_one_for_isinstance_and_can_be_weakly_referenced(loop: asyncguest.EventLoop) -> None:
    soon, later = loop.call_soon(function), loop.call_later(1e6, function)
    assert isinstance(soon, asyncio.Handle) and not isinstance(soon, asyncio.TimerHandle)
    assert isinstance(later, asyncio.Handle) and isinstance(later, asyncio.TimerHandle)
    gone = weakref.ref(soon)
    turn(loop)
    del soon
    assert gone() is None


def test_a_handle_has_its_context(loop: asyncguest.EventLoop) -> None:
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")
    context, seen = contextvars.copy_context(), []
    context.run(var.set, "given")
    given = loop.call_soon(lambda: seen.append(var.get()), context=context)
    assert given.get_context() is context
    var.set("copied")
    copied = loop.call_later(0, lambda: seen.append(var.get()))
    assert copied.get_context() is not contextvars.copy_context() and copied.get_context()[var] == "copied"
    var.set("changed")
    turn(loop, 2)
    assert seen == ["given", "copied"]


def test_timers_compare_as_asyncios() -> None:
    def scene(loop: asyncio.AbstractEventLoop) -> object:
        one, same, late = loop.call_at(1, function), loop.call_at(1, function), loop.call_at(2.5, function)
        other = loop.call_at(1, print)
        seen = [hash(one) == hash(1), hash(late) == hash(2.5)]
        for left in (one, same, late, other):
            for right in (one, same, late, other, asyncio.TimerHandle(1, function, (), loop)):
                seen += [left == right, left != right, left < right, left <= right, left > right, left >= right]
        assert one != 1 and not one == "one"
        with pytest.raises(TypeError):
            one < 1  # noqa: B015
        return seen

    on_both(scene)


# ---- order


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


# ---- exceptions


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


# ---- timers


@pytest.mark.parametrize("when", (float("nan"), None, "soon", object()))
def test_what_is_no_time_is_refused_before_anything_is_stored(loop: asyncguest.EventLoop, when: Any) -> None:
    timer = loop.call_at(5, function)
    with pytest.raises((TypeError, ValueError)):
        loop.call_at(when, function)
    with pytest.raises((TypeError, ValueError)):
        loop.call_later(when, function)
    assert loop._scheduled == [timer]


def test_a_timer_whose_callback_cannot_be_shown_is_cancelled_all_the_same(loop: asyncguest.EventLoop) -> None:
    class Shy:
        def __call__(self) -> None: ...

        def __repr__(self) -> str:
            raise ZeroDivisionError

    loop.set_debug(True)
    timer = loop.call_later(1000, Shy())
    with pytest.raises(ZeroDivisionError):
        timer.cancel()
    assert timer.cancelled() and not loop._scheduled


@pytest.mark.parametrize("when", (float("inf"), 1e300, 10**300, 1 << 80))
def test_a_time_that_never_comes(loop: asyncguest.EventLoop, when: float) -> None:
    seen: list[int] = []
    timer = loop.call_at(when, seen.append, 1)
    assert timer.when() == when
    turn(loop, 3)
    assert seen == []
    loop.call_at(float("-inf"), seen.append, 2)
    turn(loop)
    assert seen == [2]


@pytest.mark.parametrize("delay", (0, 1, 300))
def test_cancelled_timers_are_not_kept(loop: asyncguest.EventLoop, delay: int) -> None:
    """Also within one iteration, and as a guest between two deliveries."""

    class Payload:
        """What a timer holds."""

    loop.set_debug(False)  # which remembers where each was made, and that takes long
    most, gone = 0, []
    alive: collections.deque[asyncio.TimerHandle] = collections.deque()
    for i in range(100_000):
        alive.append(loop.call_later(1000 + i % 7, function, Payload()))
        if i % 1000 == 0:
            gone.append(weakref.ref(alive[-1]))
        if len(alive) > delay:
            alive.popleft().cancel()
        most = max(most, len(loop._scheduled))
    # Half of them may be cancelled, or a hundred. The one that was asked for last is taken out at once.
    assert most <= (max(2 * (delay + 1), 101) if delay else 1)
    assert loop._timer_cancelled_count <= len(loop._scheduled) <= most
    assert sum(ref() is not None for ref in gone) <= 1


def test_a_heap_that_is_cancelled_in_any_order_keeps_its_order(loop: asyncguest.EventLoop) -> None:
    seen: list[int] = []
    base = loop.time() - 10_000
    timers = {(i * 7919) % 5000: None for i in range(5000)}
    handles = {i: loop.call_at(base + i, seen.append, i) for i in timers}
    for i in range(0, 5000, 3):
        handles[(i * 31) % 5000].cancel()
    left = sorted(i for i, handle in handles.items() if not handle.cancelled())
    turn(loop)
    assert seen == left and not loop._scheduled


def test_who_iterates_by_hand_finds_a_deque_and_a_heap(loop: asyncguest.EventLoop) -> None:
    seen: list[int] = []
    for i in (3, 1, 2):
        loop.call_at(i, seen.append, i)
    theirs = asyncio.TimerHandle(1.5, seen.append, (15,), loop)
    heapq.heappush(loop._scheduled, theirs)
    theirs._scheduled = True
    ready = loop._ready
    assert not ready and len(ready) == 0
    while loop._scheduled:
        handle = heapq.heappop(loop._scheduled)
        handle._scheduled = False
        ready.append(handle)
    ready.appendleft(asyncio.Handle(seen.append, (0,), loop))
    assert len(ready) == 5 and theirs in ready and list(ready)[2] is theirs and ready[-1].when() == 3
    assert ready.pop().when() == 3
    while ready:
        handle = ready.popleft()
        if not handle._cancelled:
            handle._run()
    assert seen == [0, 1, 15, 2]
    for take in (ready.pop, ready.popleft):
        with pytest.raises(IndexError):
            take()
    with pytest.raises(IndexError):
        ready[0]
    ready.extend([asyncio.Handle(seen.append, (9,), loop)])
    turn(loop)
    assert seen[-1] == 9
    ready.clear()


# ---- subclasses


def test_a_subclass_has_its_own_way_in() -> None:
    """CPython's tasks call `call_soon` by name, and `call_later` calls `time` and `call_at`."""
    asked: list[str] = []

    class Loop(asyncguest.EventLoop):
        def call_soon(self, callback, *args, context=None):  # type: ignore[no-untyped-def]
            asked.append("call_soon")
            return super().call_soon(callback, *args, context=context)

        def call_at(self, when, callback, *args, context=None):  # type: ignore[no-untyped-def]
            asked.append("call_at")
            return super().call_at(when, callback, *args, context=context)

        def time(self) -> float:
            asked.append("time")
            return super().time() - 1000

    async def main() -> None:
        await asyncio.sleep(0.001)

    loop = Loop()
    try:
        loop.run_until_complete(main())
        assert asked.count("call_soon") >= 3 and asked.count("call_at") == 1 and asked.count("time") >= 2
    finally:
        loop.close()


def test_a_subclass_that_forgets_to_set_the_loop_up_is_told() -> None:
    class Loop(asyncguest.EventLoop):
        def __init__(self) -> None:
            with pytest.raises(RuntimeError, match="Event loop is closed"):
                self.call_soon(function)
            self._write_to_self()

    with pytest.raises(RuntimeError, match="not set up"):
        Loop()


# ---- debug mode, threads


def test_debug_mode_refuses_what_asyncio_refuses() -> None:
    def scene(loop: asyncio.AbstractEventLoop) -> object:
        loop.set_debug(True)
        said: list[str] = []

        async def coroutine() -> None: ...

        for way, when in (("call_soon", ()), ("call_soon_threadsafe", ()), ("call_at", (1,)), ("call_later", (1,))):
            for wrong in (coroutine, 7):
                with pytest.raises(TypeError) as raised:
                    getattr(loop, way)(*when, wrong)
                said.append(str(raised.value))

        def elsewhere() -> None:
            for way, when in (("call_soon", ()), ("call_at", (1,)), ("call_later", (1,))):
                with pytest.raises(RuntimeError) as raised:
                    getattr(loop, way)(*when, function)
                said.append(str(raised.value))

        def inside() -> None:
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()

        loop.call_soon(inside)
        turn(loop)
        return said

    on_both(scene)


def test_debug_mode_tells_of_slow_callbacks(loop: asyncguest.EventLoop, caplog: pytest.LogCaptureFixture) -> None:
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0
    with caplog.at_level(logging.WARNING, "asyncio"):
        loop.call_soon(function)
        turn(loop)
    assert any(record.getMessage().startswith("Executing <Handle function()") for record in caplog.records)
    caplog.clear()
    loop.slow_callback_duration = 60
    turn(loop)
    assert not caplog.records


def test_threads_ask_while_the_loop_runs(loop: asyncguest.EventLoop) -> None:
    seen: list[tuple[int, int]] = []

    def ask(name: int) -> None:
        for i in range(500):
            loop.call_soon_threadsafe(seen.append, (name, i))

    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(ask, name) for name in range(4)))
        while len(seen) < 2000:
            await asyncio.sleep(0)

    loop.run_until_complete(main())
    for name in range(4):
        assert [i for who, i in seen if who == name] == list(range(500))
    loop.run_until_complete(loop.shutdown_default_executor())


# ---- the garbage collector


def test_cycles_through_handles_are_found() -> None:
    class Holder:
        """Holds its handles, which hold it by their callback, their arguments and their context."""

    var: contextvars.ContextVar[object] = contextvars.ContextVar("var")

    def make() -> list[weakref.ref[Any]]:
        loop, holder = asyncguest.EventLoop(), Holder()
        context = contextvars.copy_context()
        context.run(var.set, holder)
        holder.handles = [  # type: ignore[attr-defined]
            loop.call_soon(function, holder, context=context),
            loop.call_later(1000, function, holder),
            loop.call_soon(holder.__class__.__init__, holder),
        ]
        loop.holder = holder  # type: ignore[attr-defined]
        refs: list[weakref.ref[Any]] = [weakref.ref(loop), weakref.ref(holder)]
        refs += map(weakref.ref, holder.handles)  # type: ignore[attr-defined]
        loop.close()
        return refs

    gc.collect()
    refs = make()
    gc.collect()
    assert [ref() for ref in refs] == [None] * 5


def test_a_loop_that_nobody_closes_is_found_with_what_is_queued() -> None:
    def make() -> list[weakref.ref[Any]]:
        loop = asyncguest.EventLoop()
        handles = [loop.call_soon(loop.stop), loop.call_later(1000, loop.stop)]
        return [weakref.ref(loop), *map(weakref.ref, handles)]

    refs = make()
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        gc.collect()
    gc.collect()
    assert [ref() for ref in refs] == [None] * 3


def test_nothing_holds_a_callback_that_has_run(loop: asyncguest.EventLoop) -> None:
    class Callback:
        def __call__(self) -> None: ...

    callback = Callback()
    gone = weakref.ref(callback)
    loop.call_soon(callback)
    loop.call_later(0, callback)
    del callback
    turn(loop, 2)
    assert gone() is None


def test_a_handle_that_somebody_has_becomes_no_other_one(loop: asyncguest.EventLoop) -> None:
    kept, referent = loop.call_soon(function, 1), loop.call_soon(function, 2)
    weak, found = weakref.ref(referent), []
    del referent
    loop.call_soon(lambda: found.append(asyncguest._native.LoopState.running_handle.__get__(loop)))
    turn(loop)
    after = [loop.call_soon(function, number) for number in range(10)]
    assert weak() is None
    assert not any(each is kept or each is found[0] for each in after)
    assert (kept._args, found[0]._args) == ((1,), ())  # type: ignore[attr-defined]


@pytest.mark.parametrize("keep", (lambda handle: lambda: handle, weakref.ref), ids=("held", "weakly"))
def test_a_handle_that_the_garbage_collector_shows_becomes_no_other_one(loop: asyncguest.EventLoop, keep: Any) -> None:
    loop.call_soon(function)
    turn(loop)
    shown = [keep(each) for each in gc.get_objects() if type(each) is asyncguest._native.Handle]
    after = [loop.call_soon(function) for _ in range(10)]
    assert not any(each is one() for each in after for one in shown)


def test_a_destructor_may_ask_for_more(loop: asyncguest.EventLoop) -> None:
    """It runs wherever the last reference goes: as a handle is cancelled, as timers are taken out, as the queue is emptied."""
    seen: list[str] = []

    class Dies:
        def __init__(self, name: str) -> None:
            self.name = name

        def __del__(self) -> None:
            if not loop.is_closed():
                loop.call_soon(seen.append, self.name)
                loop.call_later(0, seen.append, self.name).cancel()

    loop.call_soon(function, Dies("run"))
    loop.call_soon(function, Dies("cancelled")).cancel()
    turn(loop)
    for i in range(300):
        loop.call_later(1000, function, Dies(f"timer {i}")).cancel()
    context = contextvars.copy_context()
    var: contextvars.ContextVar[object] = contextvars.ContextVar("var")
    context.run(var.set, Dies("context"))
    loop.call_later(1000, function, context=context).cancel()
    del context
    for _ in range(200):
        loop.call_later(1000, function).cancel()
    turn(loop, 2)
    loop.call_soon(function, Dies("queue"))
    loop._ready.clear()
    turn(loop)
    assert seen[:2] == ["cancelled", "run"] and {"context", "queue", "timer 299"} <= set(seen)


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


def test_asyncios_own_iteration_counts_cancelled_timers_down() -> None:
    loop = asyncguest.EventLoop()
    timer = asyncio.TimerHandle(loop.time() + 9, print, (), loop)
    loop._scheduled.append(timer)
    timer.cancel()
    loop._timer_cancelled_count = 0  # somebody else's count
    loop._timer_cancelled_count -= 1
    assert loop._timer_cancelled_count == 0
    loop.close()


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
