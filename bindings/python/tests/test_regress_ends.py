"""Ends of runs: a broken task factory, a second cancel, many stubborn runs at exit."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import asyncguest
import pytest
from asyncguest.hosts.asyncio import AsyncioHost
from helpers import Run, host_until, run_guest
from scripts import run_script


def test_a_task_factory_that_fails_does_not_keep_the_run_from_ending(drive):
    """The clean-up is the package's own task, not one of the program's."""
    run, reported = Run(drive), []

    def broken(loop, coroutine, **options):
        coroutine.close()
        raise ValueError("factory")

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: reported.append(context))
        await asyncio.sleep(0)
        loop.set_task_factory(broken)
        return "fine"

    run.start(main)
    try:
        host_until(run, lambda: run.done, 2)
    finally:
        run.guest.shutdown(0.1)
        run.host.close()
    assert run.done[0].result() == "fine"
    assert not reported


def test_a_clean_up_that_is_over_behind_a_dialog_of_a_first_step_does_not_keep_the_run_from_ending(drive):
    """The step was begun by the host while the run was ending already, so that nobody has waited for it."""
    run, released = Run(drive, debug=False), asyncio.Event()

    async def stays():
        try:
            await asyncio.Event().wait()
        finally:
            await released.wait()

    async def main():
        asyncio.create_task(stays())
        await asyncio.sleep(0)

    async def opens_a_dialog():
        released.set()
        host_until(run, lambda: run.guest.record.clean_up_task.done(), 2)
        batches = 0
        while batches != run.guest.stats().batches:  # a wake-up too many comes in here, too
            batches = run.guest.stats().batches
            run.host.run_once(0.1)

    run.start(main)
    host_until(run, lambda: run.guest.state == "ending" and run.guest.loop.idle)
    run.guest.start_soon(opens_a_dialog)
    try:
        host_until(run, lambda: run.done, 2)
    finally:
        run.guest.shutdown(0.1)
        run.host.close()


@pytest.mark.parametrize("error", (SystemExit, KeyboardInterrupt, ValueError))
@pytest.mark.parametrize("way", ("host", "shutdown"))
def test_a_callback_of_the_main_task_that_leaves_does_not_keep_the_run_from_ending(drive, way, error):
    """It runs in the iteration after which the clean-up begins."""
    run, cleaned = Run(drive), []

    async def waits():
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(1)

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        run.side = asyncio.create_task(waits())
        await asyncio.Event().wait()

    def leaves(task):
        raise error

    task = run.start(main)
    host_until(run, lambda: run.guest.loop.idle)
    task.add_done_callback(leaves)
    if way == "host":
        task.cancel()
        host_until(run, lambda: run.done)
    else:
        with pytest.raises(KeyboardInterrupt) if error is KeyboardInterrupt else nullcontext():
            assert run.guest.shutdown()
    assert task.cancelled() and run.done == [task]
    assert cleaned or error is KeyboardInterrupt and way == "shutdown", "that does not wait for the clean-up"
    run.host.close()


def test_a_task_whose_cancel_raises_does_not_keep_the_others_from_ending(drive):
    reported, cleaned = [], []

    class Uncancellable(asyncio.Future):
        def cancel(self, msg=None):
            raise ZeroDivisionError

    async def waits():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(1)

    async def stays(future):
        await future

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: reported.append(context["exception"]))
        future = Uncancellable()
        side = [asyncio.create_task(step) for step in (waits(), stays(future), waits())]
        await asyncio.sleep(0)
        return future, side

    future, side = run_guest(main, drive=drive)
    assert [type(error) for error in reported] == [ZeroDivisionError]
    assert len(cleaned) == 2 and not side[1].done()
    side[1]._log_destroy_pending = False
    side[1].get_coro().close()


class Inner:
    """A guest with a `finally` block that takes some deliveries, and what became of it."""

    def __init__(self):
        self.log = []

    async def main(self):
        try:
            await asyncio.Event().wait()
        finally:
            self.log.append("cleaning")
            await asyncio.sleep(0.01)
            self.log.append("saved")


@pytest.mark.parametrize("how", ("run", "wait"))
def test_asyncio_the_program_ends_while_the_cancelled_guest_cleans_up(drive, how):
    """The one who waited was cancelled; that the keeper is cancelled as well must not cut the clean-up off."""
    inner = Inner()

    async def program():
        host = AsyncioHost(drive=drive)
        if how == "run":
            waiting = asyncio.create_task(host.run(inner.main))
        else:
            guest = asyncguest.Guest(host)
            guest.start(inner.main)
            waiting = asyncio.create_task(host.wait(guest))
        for _ in range(3):
            await asyncio.sleep(0)
        waiting.cancel()
        while not inner.log:
            await asyncio.sleep(0)
        if how == "wait":
            waiting.cancel()  # and a second time by hand, as wait_for or a task group may

    asyncio.run(program())
    assert inner.log == ["cleaning", "saved"]


def test_trio_the_program_ends_while_the_cancelled_guest_cleans_up(drive):
    trio = pytest.importorskip("trio")
    testing = pytest.importorskip("trio.testing")
    from asyncguest.hosts.trio import TrioHost

    inner = Inner()

    async def wait_for_it(host, guest, scope):
        with scope:
            await host.wait(guest)

    async def program():
        host, scope = TrioHost(drive=drive), trio.CancelScope()
        guest = asyncguest.Guest(host)
        guest.start(inner.main)
        trio.lowlevel.spawn_system_task(wait_for_it, host, guest, scope)
        await testing.wait_all_tasks_blocked()
        scope.cancel()
        while not inner.log:
            await trio.lowlevel.checkpoint()

    trio.run(program)
    assert inner.log == ["cleaning", "saved"]


STUBBORN = """
        from asyncguest import _exit
        _exit.DEADLINE = 0.3

        async def stubborn():
            while True:
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    pass
"""


def test_many_stubborn_runs_share_one_deadline_at_exit():
    """The interpreter ends within the deadline, however many there are, and each done_callback comes."""
    ended = run_script(
        STUBBORN
        + """
        import atexit
        host = QueueHost()
        for i in range(30):
            asyncguest.Guest(host, done_callback=lambda task: say("done", type(task.exception()).__name__)).start(stubborn)
        began = time.monotonic()
        atexit.register(lambda: say("in time", time.monotonic() - began < 30 * _exit.DEADLINE / 2))
        """
    ).check()
    assert ended.lines == ["done GuestError"] * 30 + ["in time True"]


def test_a_well_behaved_run_is_cleaned_up_at_exit_although_others_are_stubborn():
    ended = run_script(
        STUBBORN
        + """
        _exit.DEADLINE = 3.0  # a machine may stand still in the good one's third

        async def good():
            try:
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(0)
                say("saved")

        host = QueueHost()
        guests = [asyncguest.Guest(host, name=f"g{i}") for i in range(3)]
        for i, guest in enumerate(guests):
            guest.start(good if i == 1 else stubborn)
        """
    ).check()
    assert ended.lines == ["saved"]


def test_what_is_said_of_a_run_without_a_name():
    """No gap where the name would be."""
    ended = run_script(
        STUBBORN
        + """
        def elsewhere():
            guest = asyncguest.Guest(QueueHost())
            guest.start(stubborn)
            ready.set()
            threading.Event().wait()

        ready = threading.Event()
        threading.Thread(target=elsewhere, daemon=True).start()
        ready.wait()
        asyncguest.Guest(QueueHost()).start(stubborn)
        """
    ).check()
    said = [line for line in ended.stderr.splitlines() if "asyncguest: " in line]
    for what in ("the host ended before", "was abandoned", "of another thread"):
        assert any(what in line for line in said), ended.stderr
    for line in said:
        assert "  " not in line.strip(), line


def test_trio_does_not_say_that_a_stubborn_guest_had_no_time(drive):
    """It had the host's deadline; that the last step, a shutdown, has none is nobody's business."""
    trio = pytest.importorskip("trio")
    from asyncguest.hosts.trio import TrioHost

    async def stubborn():
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                pass

    tasks = []

    async def program():
        asyncguest.Guest(TrioHost(drive=drive, deadline=0.05), done_callback=tasks.append).start(stubborn)
        await trio.lowlevel.checkpoint()

    with pytest.warns(RuntimeWarning, match="abandoned") as told:
        trio.run(program)
    for text in (str(told[0].message), str(tasks[0].exception())):
        assert " 0 s" not in text


def test_asyncio_a_guest_that_survives_a_cancel_can_be_cancelled_again(drive):
    """The guard against a second cancel holds for one that is in progress, not for ever."""
    log = []

    async def main():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("first")
            asyncio.current_task().uncancel()
        await asyncio.Event().wait()

    run = Run(drive)
    run.start(main)
    run.guest.cancel()
    host_until(run, lambda: log)
    assert run.guest.cancel()
    with pytest.raises(asyncio.CancelledError):
        run.finish()
