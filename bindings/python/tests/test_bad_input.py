"""Bad input raises at once, says what to do, and leaks nothing: no coroutine that was never awaited, no fd, no run.

Run as tests here (the suite's own fixture looks for what is left), and once more as a program under `-X dev -W error`,
where whatever the interpreter has to say must come to nothing.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, unix_only

Case = Callable[[], object]
# name -> (what is called, the error, what its message must contain)
CASES: dict[str, tuple[Case, type[BaseException], str]] = {}


def refused(error: type[BaseException], message: str) -> Callable[[Case], Case]:
    def add(function: Case) -> Case:
        CASES[function.__name__] = (function, error, message)
        return function

    return add


async def main(*args: object) -> None:
    await asyncio.sleep(0)


async def generator() -> AsyncIterator[int]:
    yield 1


def old_style() -> Iterator[None]:
    yield


def start(async_fn: Any, *args: Any, drive: str = "fd", context: Any = None, **options: Any) -> None:
    """Both ways in: a Guest, and start_guest_run."""
    host = QueueHost(drive)
    try:
        asyncguest.Guest(host, **options).start(async_fn, *args, context=context)
    finally:
        host.close()


def start_run(async_fn: Any = main, *args: Any, **options: Any) -> None:
    host = QueueHost("thread")
    options = {"run_sync_soon_threadsafe": host.post, "done_callback": host.stop, **options}
    try:
        asyncguest.start_guest_run(async_fn, *args, **options)
    finally:
        host.close()


for number, (what, error, text) in enumerate(
    [
        (lambda: main(1), TypeError, "pass the async function and its arguments instead"),
        (lambda: None, TypeError, "an async function was expected"),
        (lambda: 7, TypeError, "an async function was expected"),
        (lambda: int, TypeError, "is not an async function"),
        (lambda: generator, TypeError, "is not an async function"),
        (lambda: generator(), TypeError, "an async function was expected"),
        (lambda: old_style, TypeError, "is not an async function"),
        (lambda: functools.partial(main, x=1), TypeError, "unexpected keyword argument"),
    ]
):
    CASES[f"start_of_something_else_{number}"] = (lambda what=what: start(what()), error, text)
    CASES[f"start_guest_run_of_something_else_{number}"] = (lambda what=what: start_run(what()), error, text)


@refused(TypeError, "must be a function that takes a function")
def a_host_function_that_is_none() -> None:
    start_run(run_sync_soon_threadsafe=None)


@refused(TypeError, "must be a function that takes a function")
def a_host_function_that_cannot_be_called() -> None:
    start_run(run_sync_soon_threadsafe="soon")


@refused(TypeError, "must be a function that takes a function")
def a_second_host_function_that_cannot_be_called() -> None:
    start_run(run_sync_soon_not_threadsafe=7)


@refused(TypeError, "done_callback")
def no_done_callback() -> None:
    start_run(done_callback=None)


@refused(TypeError, "done_callback must be callable")
def a_done_callback_that_cannot_be_called() -> None:
    start_run(done_callback="done")


@refused(TypeError, "make an instance")
def the_class_of_a_host() -> None:
    asyncguest.Guest(QueueHost)  # type: ignore[arg-type]


@refused(NotImplementedError, "override")
def a_host_that_overrides_nothing() -> None:
    asyncguest.Host().post(print)


@refused(ValueError, "batch_budget")
def a_budget_of_nothing() -> None:
    start(main, batch_budget=0)


@refused(ValueError, "batch_budget")
def a_budget_that_is_no_number() -> None:
    start(main, batch_budget=float("nan"))


@refused(ValueError, "max_nesting")
def a_negative_depth() -> None:
    start(main, max_nesting=-1)


@refused(ValueError, "stall_after")
def a_stall_after_nothing() -> None:
    start(main, stall_after=0)


@refused(TypeError, "on_stall must be callable")
def an_on_stall_that_cannot_be_called() -> None:
    start(main, stall_after=1.0, on_stall="report")


@refused(TypeError, "contextvars.Context")
def a_context_that_is_none_of_it() -> None:
    start(main, context={"a": 1})


@refused(TypeError, "needs an asyncguest.EventLoop")
def the_loop_of_another_library() -> None:
    start(main, loop_factory=asyncio.SelectorEventLoop)


@refused(TypeError, "needs an asyncguest.EventLoop")
def the_loop_of_another_library_in_drive_thread() -> None:
    start_run(loop_factory=asyncio.SelectorEventLoop)


@refused(TypeError, "needs an asyncguest.EventLoop")
def a_factory_that_makes_no_loop() -> None:
    start(main, loop_factory=lambda: None)


@refused(TypeError, "loop_factory must be callable")
def a_loop_instead_of_a_factory() -> None:
    start(main, loop_factory="asyncio")


@refused(LookupError, "from the factory")
def a_factory_that_raises() -> None:
    def fails() -> asyncguest.EventLoop:
        raise LookupError("from the factory")

    start(main, loop_factory=fails)


@refused(asyncguest.GuestError, "in use or closed")
def a_closed_loop() -> None:
    def factory() -> asyncguest.EventLoop:
        loop = asyncguest.EventLoop()
        loop.close()
        return loop

    start(main, loop_factory=factory)


@refused(asyncguest.GuestError, "make it inside")
def a_loop_that_was_made_before_for_another_drive() -> None:
    loop = asyncguest.EventLoop()
    start(main, drive="thread", loop_factory=lambda: loop)


def other_thread(call: Callable[[], object]) -> None:
    """Raises here what the call raises there."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        try:
            raise raised[0]
        finally:
            raised.clear()


def with_a_run(call: Callable[[asyncguest.Guest], object]) -> None:
    """The call, while a run sleeps; the run must not be the worse for it."""
    run = Run()
    end = asyncio.Event()
    run.start(end.wait)
    try:
        call(run.guest)
    finally:
        assert run.guest.state == "running"
        end.set()
        run.finish()


def after_a_run(call: Callable[[asyncguest.Guest], object]) -> None:
    run = Run()
    run.start(main)
    run.finish()
    call(run.guest)


@refused(asyncguest.GuestError, "one Guest is one run")
def a_second_start_while_it_runs() -> None:
    with_a_run(lambda guest: guest.start(main))


@refused(asyncguest.GuestError, "one Guest is one run")
def a_second_start_after_the_end() -> None:
    after_a_run(lambda guest: guest.start(main))


@refused(asyncguest.GuestError, "in use")
def the_loop_of_a_run_for_a_second_one() -> None:
    def both(guest: asyncguest.Guest) -> None:
        start(main, loop_factory=lambda: guest.loop)

    with_a_run(both)


@refused(asyncguest.WrongThread, "call_soon_threadsafe")
def start_soon_on_another_thread() -> None:
    with_a_run(lambda guest: other_thread(lambda: guest.start_soon(main)))


@refused(asyncguest.WrongThread, "host thread")
def shutdown_on_another_thread() -> None:
    with_a_run(lambda guest: other_thread(guest.shutdown))


@refused(asyncguest.GuestError, "make it inside")
def a_loop_that_was_made_on_another_thread() -> None:
    made: list[asyncguest.EventLoop] = []
    thread = threading.Thread(target=lambda: made.append(asyncguest.EventLoop()))
    thread.start()
    thread.join()
    start(main, loop_factory=made.pop)


@refused(TypeError, "pass the async function")
def start_soon_of_a_coroutine() -> None:
    with_a_run(lambda guest: guest.start_soon(main(1)))  # type: ignore[arg-type]


@refused(TypeError, "is not an async function")
def start_soon_of_a_plain_function() -> None:
    with_a_run(lambda guest: guest.start_soon(int))  # type: ignore[arg-type]


@refused(TypeError, "contextvars.Context")
def start_soon_in_no_context() -> None:
    with_a_run(lambda guest: guest.start_soon(main, context="x"))  # type: ignore[arg-type]


@refused(asyncguest.GuestError, "use cancel")
def shutdown_from_guest_code() -> None:
    run = Run()

    async def shuts_down() -> None:
        await asyncio.sleep(0)
        run.guest.shutdown()

    run.start(shuts_down)
    run.finish()


@refused(asyncguest.GuestClosed, "start")
def start_soon_before_the_start() -> None:
    host = QueueHost()
    try:
        asyncguest.Guest(host).start_soon(main)
    finally:
        host.close()


@refused(asyncguest.GuestClosed, "ended")
def start_soon_after_the_end() -> None:
    after_a_run(lambda guest: guest.start_soon(main))


AFTER_CLOSE: dict[str, Callable[[asyncguest.EventLoop], object]] = {
    "call_soon": lambda loop: loop.call_soon(print),
    "call_soon_threadsafe": lambda loop: loop.call_soon_threadsafe(print),
    "call_later": lambda loop: loop.call_later(1, print),
    "call_at": lambda loop: loop.call_at(1, print),
    "add_reader": lambda loop: loop.add_reader(0, print),
    "add_writer": lambda loop: loop.add_writer(1, print),
    "run_in_executor": lambda loop: loop.run_in_executor(None, print),
    "add_signal_handler": lambda loop: loop.add_signal_handler(10, print),
    "run_forever": lambda loop: loop.run_forever(),
    "poll_events": lambda loop: loop.poll_events(0),
}
for name, call in AFTER_CLOSE.items():
    CASES[f"{name}_after_the_end"] = (
        lambda call=call: after_a_run(lambda guest: call(guest.loop)),
        RuntimeError,
        "closed",
    )


@refused(ValueError, "a coroutine was expected")
def run_of_a_function() -> None:
    asyncguest.run(main)


@refused(RuntimeError, "cannot be called from a running event loop")
def run_inside_a_loop() -> None:
    async def outer() -> None:
        asyncguest.run(main())

    asyncio.run(outer())


@refused(ValueError, '"fd" or "thread"')
def a_drive_that_there_is_not() -> None:
    QueueHost("both")


@pytest.mark.parametrize("name", CASES)
def test_it_raises_and_leaks_nothing(name: str) -> None:
    call, error, message = CASES[name]
    with pytest.raises(error, match=message):
        call()
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_what_is_harmless_after_the_end() -> None:
    def all_of_it(guest: asyncguest.Guest) -> None:
        assert guest.cancel() is False
        assert guest.shutdown() is True
        assert guest.deliver() is False
        assert guest.loop.remove_reader(0) is False and guest.loop.remove_writer(0) is False
        assert guest.stats().batches > 0
        guest.loop.close()

    after_a_run(all_of_it)


@unix_only("each of them is a test there, and under wine a program of them takes a minute")
def test_all_of_them_in_a_program_of_their_own() -> None:
    found = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", __file__], capture_output=True, text=True, timeout=60
    )
    assert (found.returncode, found.stderr) == (0, ""), found.stderr[-2000:]
    assert found.stdout.splitlines() == [f"{name} raises" for name in CASES]


if __name__ == "__main__":
    from helpers import nothing_left_behind

    def raises(case: Case, kind: type[BaseException]) -> bool:
        try:
            case()
        except kind:
            return True
        return False

    gc.collect()
    gc.freeze()
    for name, (call, error, _) in CASES.items():
        with nothing_left_behind():
            assert raises(call, error), name
        print(f"{name} raises")
