"""The handles of the native core of the loop: what is public of them, and what the garbage collector finds."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from typing import Any

import asyncguest
import loophelp
import pytest
from loophelp import function, on_both, turn

loop = loophelp.loop


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
