"""Contract point 7: EventLoop without a host, by run, by Runner, by hand and on another thread; and its end."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import warnings

import asyncguest
import pytest
from helpers import Run, open_fds, run_anywhere, unix_only


async def main() -> str:
    await asyncio.sleep(0.001)
    return "result"


def test_run() -> None:
    assert asyncguest.run(main()) == "result"

    async def debug() -> bool:
        return asyncio.get_running_loop().get_debug()

    assert asyncguest.run(debug(), debug=True) is True
    assert asyncguest.run(debug(), debug=False) is False


@pytest.mark.parametrize("error", [LookupError, SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_run_raises_what_the_main_task_raises(error: type[BaseException]) -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(error):
        asyncguest.run(fails())


def test_runner() -> None:
    with asyncio.Runner(loop_factory=asyncguest.EventLoop) as runner:
        assert runner.run(main()) == "result"
        assert runner.run(main()) == "result"
        assert isinstance(runner.get_loop(), asyncguest.EventLoop)
        assert not runner.get_loop().is_running()
    if sys.version_info >= (3, 12):
        assert asyncio.run(main(), loop_factory=asyncguest.EventLoop) == "result"


def test_run_until_complete_again_and_again() -> None:
    loop = asyncguest.EventLoop()
    for _ in range(50):
        assert loop.run_until_complete(main()) == "result"
    assert loop.run_until_complete(asyncio.sleep(0, "x")) == "x"
    loop.close()
    loop.close()
    coro = main()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_until_complete(coro)
    coro.close()


def test_under_a_policy() -> None:
    """`asyncio.set_event_loop` and friends see an ordinary loop."""
    loop = asyncguest.EventLoop()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop(loop)
        try:
            assert asyncio.get_event_loop_policy().get_event_loop() is loop
            assert loop.run_until_complete(main()) == "result"
        finally:
            asyncio.set_event_loop(None)
    loop.close()


def test_made_here_and_run_on_another_thread() -> None:
    """The pattern of every program that keeps a loop in a thread of its own."""
    loop = asyncguest.EventLoop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        assert asyncio.run_coroutine_threadsafe(main(), loop).result(10) == "result"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_run_there_and_closed_here() -> None:
    made: list[asyncguest.EventLoop] = []

    def there() -> None:
        made.append(asyncguest.EventLoop())
        made[0].run_until_complete(main())

    thread = threading.Thread(target=there)
    thread.start()
    thread.join()
    assert made[0].run_until_complete(main()) == "result"
    made[0].close()


@unix_only("nobody lists the fds of a process there")
def test_close_gives_every_fd_back() -> None:
    """At close, as plain asyncio does, and not when the loop object is forgotten."""
    before = open_fds()
    loop = asyncguest.EventLoop()
    assert open_fds() != before
    loop.run_until_complete(main())
    loop.close()
    assert open_fds() == before
    assert loop.is_closed()


def test_a_run_that_is_over_holds_no_fds(drive: str) -> None:
    """A program that keeps its finished tasks keeps their loops; it must not run out of fds by that."""
    before = open_fds()
    tasks = []
    for _ in range(5):
        run = Run(drive)
        tasks.append(run.start(main))
        run.finish()
        del run
    assert open_fds() == before
    assert all(task.get_loop().is_closed() for task in tasks)


def test_a_loop_that_nobody_closed_says_so() -> None:
    loop = asyncguest.EventLoop()
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        del loop
        gc.collect()
    assert asyncguest.stats().loops == 0


def test_cancelled_timers_do_not_pile_up_while_it_is_busy(where: str) -> None:
    """wait_for with a long timeout in a loop that never rests: CPython throws the cancelled ones out as it goes."""

    async def busy() -> int:
        loop = asyncio.get_running_loop()
        loop.set_debug(False)  # which would note a traceback for each
        for _ in range(3_000):
            loop.call_later(60, print).cancel()
            await asyncio.sleep(0)
        gc.collect()
        return sum(isinstance(thing, asyncio.TimerHandle) for thing in gc.get_objects())

    assert run_anywhere(where, busy) < 1_000


def test_timers_keep_their_order(where: str) -> None:
    async def ordered() -> list[int]:
        loop = asyncio.get_running_loop()
        order: list[int] = []
        when = loop.time() + 0.002
        for number in range(100):
            loop.call_at(when + (99 - number) * 1e-6, order.append, 99 - number)
        await asyncio.sleep(0.005)
        return order

    assert run_anywhere(where, ordered) == list(range(100))
