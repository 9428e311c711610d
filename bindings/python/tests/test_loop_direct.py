"""The methods of the loop that are entered directly: they take what asyncio's take, and do what a subclass, an attribute or a
patch makes of them."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import asyncguest
import pytest

BOTH = (asyncio.SelectorEventLoop, asyncguest.EventLoop)
WAYS = ("call_soon", "call_soon_threadsafe", "call_at", "call_later")
HERE = contextvars.copy_context()


@pytest.fixture(params=BOTH)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    loop: asyncio.AbstractEventLoop = request.param()
    yield loop
    loop.close()


def leading(way: str) -> tuple[float, ...]:
    return (0.0,) if way in ("call_at", "call_later") else ()


def run(loop: asyncio.AbstractEventLoop) -> None:
    """Until all of what is due has run."""
    loop.call_later(0.001, loop.stop)
    loop.run_forever()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("args", ((), (1,), (1, 2), tuple(range(40))), ids=len)
@pytest.mark.parametrize("context", ("none", "None", "own"))
def test_a_callback_gets_its_arguments_in_its_context(
    loop: asyncio.AbstractEventLoop, way: str, args: tuple[object, ...], context: str
) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nobody's")
    own, seen = contextvars.copy_context(), []
    own.run(variable.set, "its own")
    options = {"none": {}, "None": {"context": None}, "own": {"context": own}}[context]
    getattr(loop, way)(*leading(way), lambda *given: seen.append((given, variable.get())), *args, **options)
    run(loop)
    assert seen == [(args, "its own" if context == "own" else "nobody's")]


@pytest.mark.parametrize("way", WAYS)
def test_arguments_go_by_name_too(loop: asyncio.AbstractEventLoop, way: str) -> None:
    seen: list[int] = []
    named: dict[str, Any] = {"callback": lambda: seen.append(1), "context": HERE}
    if leading(way):
        named["when" if way == "call_at" else "delay"] = 0
    method = getattr(loop, way)
    method(**named)
    method(**{"".join(list(name)): value for name, value in named.items()})  # strings of their own
    run(loop)
    assert seen == [1, 1]


@pytest.mark.parametrize("way", WAYS)
def test_wrong_arguments_are_a_type_error_and_store_nothing(loop: asyncio.AbstractEventLoop, way: str) -> None:
    method = getattr(loop, way)
    for args, named in (
        ((), {}),
        ((), {"context": HERE}),
        ((*leading(way), print), {"contexts": HERE}),
        ((*leading(way), print), {"callback": print}),
        ((*leading(way), print), {"context": HERE, "more": 1}),
    ):
        with pytest.raises(TypeError):
            method(*args, **named)
    assert not loop._ready  # type: ignore[attr-defined]
    assert not loop._scheduled  # type: ignore[attr-defined]


@pytest.mark.parametrize("way", WAYS)
def test_the_signature_is_asyncios(way: str) -> None:
    ours, theirs = (inspect.signature(getattr(loop, way)).parameters.values() for loop in reversed(BOTH))
    assert list(ours)[1:] == list(theirs)[1:]
    assert getattr(asyncguest.EventLoop, way).__doc__


def test_a_loop_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError):
        asyncguest.EventLoop.call_soon(object(), print)  # type: ignore[arg-type]


# ---- whose `time` and `call_at` a timer is made by


def by_subclass(base: type[asyncio.SelectorEventLoop], name: str, function: Callable[..., Any], _: Any) -> Any:
    return type("Loop", (base,), {name: function})()


def by_attribute(base: type[asyncio.SelectorEventLoop], name: str, function: Callable[..., Any], _: Any) -> Any:
    loop = base()
    setattr(loop, name, function.__get__(loop))
    return loop


def by_patch_of_asyncio(base: type[asyncio.SelectorEventLoop], name: str, function: Any, patch: Any) -> Any:
    patch.setattr(asyncio.BaseEventLoop, name, function)
    return base()


def by_patch_of_asyncios_class(base: type[asyncio.SelectorEventLoop], name: str, function: Any, patch: Any) -> Any:
    patch.setattr(asyncio.SelectorEventLoop, name, function)
    return base()


def by_getattribute(base: type[asyncio.SelectorEventLoop], name: str, function: Any, _: Any) -> Any:
    def get(self: Any, wanted: str) -> Any:
        return function.__get__(self) if wanted == name else base.__getattribute__(self, wanted)

    return type("Loop", (base,), {"__getattribute__": get})()


@pytest.mark.parametrize("base", BOTH)
@pytest.mark.parametrize(
    "make", (by_subclass, by_attribute, by_patch_of_asyncio, by_patch_of_asyncios_class, by_getattribute)
)
def test_the_clock_is_that_which_the_loop_has(make: Any, base: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = make(base, "time", lambda self: 1000.0, monkeypatch)
    assert loop.time() == 1000.0
    assert loop.call_later(2.0, print).when() == 1002.0
    loop.close()


@pytest.mark.parametrize("base", BOTH)
@pytest.mark.parametrize("make", (by_subclass, by_attribute, by_getattribute))
def test_a_delay_goes_by_call_at(make: Any, base: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def call_at(self: object, when: float, *args: object, **options: object) -> SimpleNamespace:
        return SimpleNamespace(given=(args, options), _source_traceback=None)

    loop = make(base, "call_at", call_at, monkeypatch)
    assert loop.call_later(2.0, print, 1, context=HERE).given == ((print, 1), {"context": HERE})
    loop.close()


@pytest.mark.parametrize("base", BOTH)
def test_the_clock_of_the_module_is_patched(base: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = base()
    before = time.monotonic()
    assert before <= loop.time() <= time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)
    assert loop.time() == 5.0
    assert loop.call_later(2.0, print).when() == 7.0
    monkeypatch.undo()
    loop.close()
