"""PyGObject's own awaitables in a guest of GLib: `await file.load_contents_async()`, and what cancels the operation."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any

import asyncguest
import pytest

pytest.importorskip("gi", reason="PyGObject is not installed here")
if not hasattr(sys.modules["gi._gi"], "Async"):
    pytest.skip("this PyGObject has no awaitables: 3.50 or newer has", allow_module_level=True)

from asyncguest.hosts.glib import GLibHost
from gi.repository import Gio, GLib


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """What Gio opens once and for the life of the process."""
    loop = GLib.MainLoop()
    Gio.File.new_for_path("/").query_info_async("*", 0, 0, None, lambda *_: loop.quit())
    loop.run()


def run(main: Callable[..., Any], drive: str, **options: Any) -> Any:
    loop = GLib.MainLoop()
    host = GLibHost(drive=drive)
    guest = asyncguest.Guest(host, done_callback=lambda task: loop.quit(), **options)
    guest.start(main)
    host.run(loop)
    return guest.task.result()


@pytest.fixture
def accept(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], Any]]:
    """Makes operations that do not end by themselves. Once cancelled they end unnoticed, also after the run's end."""
    listeners = []

    def make() -> Any:
        listener = Gio.SocketListener()
        listener.add_any_inet_port(None)
        listeners.append(listener)
        return listener.accept_async()

    yield make
    while GLib.MainContext.default().iteration(False):
        pass
    for listener in listeners:
        listener.close()
    gc.collect()
    assert capfd.readouterr().err == caplog.text == ""


def test_results_and_errors(drive: str, tmp_path: Any) -> None:
    (tmp_path / "there").write_text("hello")

    async def main() -> bytes:
        with pytest.raises(GLib.Error, match="No such file"):
            await Gio.File.new_for_path(str(tmp_path / "missing")).load_contents_async()
        contents = await Gio.File.new_for_path(str(tmp_path / "there")).load_contents_async()
        return bytes(contents[1])

    assert run(main, drive) == b"hello"


def test_in_a_nested_main_loop(drive: str, tmp_path: Any) -> None:
    """PyGObject asks the running loop for what it does around a main loop."""
    nested = GLib.MainLoop()

    async def inside() -> None:
        await Gio.File.new_for_path(str(tmp_path)).query_info_async("*", 0, 0)
        nested.quit()

    async def main() -> str:
        task = asyncio.create_task(inside())
        nested.run()
        while GLib.MainContext.default().iteration(False):
            pass
        await task
        return "done"

    assert run(main, drive) == "done"


def test_a_cancelled_await_cancels_the_operation(drive: str, accept: Callable[[], Any]) -> None:
    word = contextvars.ContextVar("word", default="nobody's")

    async def main() -> list[Any]:
        operation = accept()
        seen: list[Any] = []

        async def wait() -> None:
            word.set("the task's")
            try:
                await operation
            except asyncio.CancelledError as error:
                seen.extend([error.args, word.get(), asyncio.current_task() is task])
                raise

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        assert task.cancel("enough") and task.cancelling() == 1
        await asyncio.wait([task])
        seen.append(task.cancelled())
        while not operation.done():
            await asyncio.sleep(0)
        return [*seen, operation.cancellable.is_cancelled()]

    assert run(main, drive) == [("enough",), "the task's", True, True, True]


def test_timeouts_and_groups(drive: str, accept: Callable[[], Any]) -> None:
    async def main() -> list[str]:
        async def wait() -> None:
            await accept()

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await wait()
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(wait())
                await asyncio.sleep(0)
                raise ValueError
        task = asyncio.current_task()
        assert task is not None and task.cancelling() == 0
        return ["as ever"]

    assert run(main, drive) == ["as ever"]


def test_a_cancel_between_the_end_of_the_operation_and_its_task(drive: str, tmp_path: Any) -> None:
    async def main() -> list[Any]:
        seen: list[Any] = []

        async def wait() -> None:
            operation = Gio.File.new_for_path(str(tmp_path)).query_info_async("*", 0, 0)
            operation.add_done_callback(lambda operation: seen.append(task.cancel()))
            await operation
            seen.append("result")
            await asyncio.sleep(60)

        task = asyncio.create_task(wait())
        await asyncio.wait([task])
        return [*seen, task.cancelled(), task.cancelling()]

    assert run(main, drive) == [True, "result", True, 1]


@pytest.mark.parametrize("end", ["cancel", "shutdown"])
def test_the_run_is_ended_while_its_main_task_awaits_one(drive: str, accept: Callable[[], Any], end: str) -> None:
    """Also by `shutdown`, where nobody runs GLib's loop any more."""
    loop = GLib.MainLoop()
    host = GLibHost(drive=drive)
    guest = asyncguest.Guest(host, done_callback=lambda task: loop.quit())
    seen: list[str] = []

    async def main() -> None:
        try:
            await accept()
        finally:
            seen.append("cleaned up")

    guest.start(main)
    if end == "cancel":
        GLib.idle_add(lambda: guest.cancel() and False)
        host.run(loop)
    else:
        assert guest.shutdown(60)
    assert guest.task.cancelled() and seen == ["cleaned up"]


def test_what_fails_and_is_not_awaited_is_reported(drive: str, caplog: pytest.LogCaptureFixture) -> None:
    """As for any future; and by the loop's own handler."""
    seen: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: seen.append(context["message"]))
        operation = Gio.File.new_for_path("/nonexistent").load_contents_async()
        while not operation.done():
            await asyncio.sleep(0)
        del operation

    run(main, drive)
    gc.collect()
    assert seen == ["gi._gi.Async exception was never retrieved"]


def test_a_task_factory_of_the_users_stays(drive: str, tmp_path: Any) -> None:
    made: list[Any] = []

    def factory(loop: Any, coroutine: Any, **options: Any) -> Any:
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    def make() -> asyncguest.EventLoop:
        loop = asyncguest.EventLoop()
        loop.set_task_factory(factory)
        return loop

    async def main() -> str:
        await Gio.File.new_for_path(str(tmp_path)).query_info_async("*", 0, 0)
        return "done"

    assert run(main, drive, loop_factory=make) == "done" and len(made) == 1
