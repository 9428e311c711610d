"""Who asks the native core of the loop: subclasses, other threads, and in debug mode who should not."""

from __future__ import annotations

import asyncio
import logging
import threading

import asyncguest
import loophelp
import pytest
from loophelp import function, on_both, turn
from scripts import run_script

loop = loophelp.loop


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


def test_callbacks_of_c_alone_leave_other_threads_their_turn() -> None:
    """Nor does one that is always due."""
    run_script(
        """
        import functools

        for again in ("call_soon", "call_later"):
            loop, first = asyncguest.EventLoop(), threading.Event()
            loop.set_debug(False)
            callback, do = functools.partial(int), getattr(loop, again)
            callback.__setstate__((do, (callback,) if again == "call_soon" else (0, callback), {}, {}))
            loop.call_soon(first.set)
            loop.call_soon(callback)
            thread = threading.Thread(target=lambda: (first.wait(), loop.call_soon_threadsafe(loop.stop)))
            thread.start()
            loop.run_forever()
            thread.join()
            loop.close()
        """
    ).check()
