"""Contract point 1: called on the host thread, before or while its loop runs; what cannot work raises there, leaking nothing."""

from __future__ import annotations

import asyncio
import threading

import asyncguest
import pytest
from asyncguest import Resident
from asyncguest.hosts.queue import QueueHost
from helpers import Run, run_guest, settle


async def main() -> str:
    await asyncio.sleep(0)
    return "result"


def test_before_the_host_loop_runs(drive: str) -> None:
    run = Run(drive)
    run.start(main)
    assert run.finish() == "result"


def test_while_the_host_loop_runs(drive: str) -> None:
    run = Run(drive)
    run.host.post(lambda: run.start(main))
    assert run.finish() == "result"


def test_on_a_thread_that_is_not_the_main_one(drive: str) -> None:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(run_guest(main, drive=drive)))
    thread.start()
    thread.join()
    assert results == ["result"]


def test_start_guest_run_with_all_its_arguments() -> None:
    """The signature of the contract, with a host that is known by two functions."""
    import contextvars

    host = QueueHost("thread")
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    context = contextvars.copy_context()
    context.run(variable.set, "from the context")
    local, safe, done = [], [], []

    async def everything(argument: int) -> tuple[object, ...]:
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        return argument, variable.get(), loop.get_debug(), task.get_name(), type(loop)

    class Loop(asyncguest.EventLoop):
        pass

    def soon(fn: object) -> None:
        safe.append(threading.get_ident())
        host.post(fn)  # type: ignore[arg-type]

    def soon_here(fn: object) -> None:
        local.append(threading.get_ident())
        host.post(fn)  # type: ignore[arg-type]

    task = asyncguest.start_guest_run(
        everything,
        7,
        run_sync_soon_threadsafe=soon,
        done_callback=lambda task: (done.append(task), host.stop()),
        run_sync_soon_not_threadsafe=soon_here,
        host_uses_signal_set_wakeup_fd=False,
        loop_factory=Loop,
        context=context,
        debug=True,
        name="the main task",
        batch_budget=0.001,
    )
    host.run()
    host.close()
    assert done == [task]
    assert task.result() == (7, "from the context", True, "the main task", Loop)
    assert safe, "the host was never posted to"
    assert set(local) <= {threading.get_ident()}, "run_sync_soon_not_threadsafe on another thread"


def test_a_budget_that_is_spent_posts_with_the_cheaper_function() -> None:
    host = QueueHost("thread")
    local = []

    async def busy() -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    def soon_here(fn: object) -> None:
        local.append(threading.get_ident())
        host.post(fn)  # type: ignore[arg-type]

    asyncguest.start_guest_run(
        busy,
        run_sync_soon_threadsafe=host.post,
        done_callback=host.stop,
        run_sync_soon_not_threadsafe=soon_here,
        batch_budget=1e-9,
    )
    host.run()
    host.close()
    assert len(local) >= 40 and set(local) == {threading.get_ident()}


class Refuses(QueueHost):
    """A host whose adapter fails at one place."""

    def __init__(self, where: str) -> None:
        super().__init__("fd")
        self.where = where

    def attached(self, guest: object) -> None:
        if self.where == "attached":
            raise OSError("no place left")

    def watch(self, fd: int, ready: object) -> None:
        if self.where == "watch":
            raise OSError("no place left")
        super().watch(fd, ready)  # type: ignore[arg-type]


@pytest.mark.parametrize("where", ["attached", "watch"])
def test_a_host_that_refuses_is_heard_at_once(where: str) -> None:
    host = Refuses(where)
    guest = asyncguest.Guest(host)
    with pytest.raises(OSError, match="no place left"):
        guest.start(main)
    assert guest.state == "ended"
    host.close()


class EndsAtOnce(QueueHost):
    """A host that hears of its own end while a guest is about to start."""

    def __init__(self, drive: str, elsewhere: bool = False) -> None:
        super().__init__(drive)
        self.elsewhere = elsewhere
        self.answers: list[object] = []

    def attached(self, guest: Resident) -> None:
        super().attached(guest)
        with pytest.raises(asyncguest.GuestError, match="about to begin"):
            guest.shutdown()
        if self.elsewhere:
            thread = threading.Thread(target=lambda: self.answers.append(guest.cancel()))
            thread.start()
            thread.join()
        else:
            self.answers.append(guest.cancel())


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_run_that_is_cancelled_before_it_has_begun(drive: str, elsewhere: bool) -> None:
    steps: list[str] = []

    async def sleeper() -> None:
        steps.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    host = EndsAtOnce(drive, elsewhere)
    run = Run(host=host)
    run.start(sleeper)
    assert host.answers == [True] and run.guest.is_cancelling
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    assert steps == ["begun", "cleaned up"]


def factory_with_a_task_factory_that_fails() -> asyncguest.EventLoop:
    def fails(loop: object, coro: object, **_: object) -> object:
        raise LookupError("no task today")

    loop = asyncguest.EventLoop()
    loop.set_task_factory(fails)  # type: ignore[arg-type]
    return loop


def test_a_task_factory_that_fails_leaves_no_run_behind(drive: str) -> None:
    """The last thing that can go wrong in the call: the run is attached by then."""
    done = []
    host = QueueHost(drive)
    guest = asyncguest.Guest(host, done_callback=done.append, loop_factory=factory_with_a_task_factory_that_fails)
    with pytest.raises(LookupError, match="no task today"):
        guest.start(main)
    assert guest.state == "ended" and not done
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    host.close()


def test_a_failed_start_can_be_followed_by_a_good_one(drive: str) -> None:
    """Nothing of the failed attempt is in the way: not the running loop, not the wake-up fd."""
    host = QueueHost(drive)
    with pytest.raises(TypeError):
        asyncguest.Guest(host, loop_factory=asyncio.SelectorEventLoop).start(main)
    run = Run(host=host)
    run.start(main)
    settle(run) if not run.done else None
    assert run.finish() == "result"
