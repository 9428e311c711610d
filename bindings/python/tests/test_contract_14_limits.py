"""Contract 14: the limit of nested host loops and that of a delivery, the strict mode that refuses them, and what is raised inside them."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from fractions import Fraction

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Dialog, Run, run_guest


class Reports:
    """Collects what the loop's exception handler is told."""

    def __init__(self, loop):
        self.contexts = []
        loop.set_exception_handler(lambda _, context: self.contexts.append(context))

    def of(self, kind):
        return [context for context in self.contexts if isinstance(context.get("exception"), kind)]


def nest(run, depth, seen, at_the_bottom):
    """`depth` dialogs, each opened by a callback inside the one before; `at_the_bottom` is called in the last."""

    def open_one(level):
        dialog = Dialog(run.host)
        seen.append(("open", level))
        if level + 1 < depth:
            run.guest.loop.call_soon(lambda: (open_one(level + 1), dialog.close()))
        else:
            at_the_bottom(dialog)
        dialog.show()
        seen.append(("closed", level))

    return open_one


def test_the_limit_is_reported_once_and_the_guest_goes_on_afterwards(drive):
    # Three are followed. In the fourth, which the third's callback opens, the guest stands still.
    run, seen, ticks = Run(drive, max_nesting=3), [], []

    async def main():
        loop = asyncio.get_running_loop()
        reports = Reports(loop)

        def at_the_bottom(dialog):
            loop.call_soon(ticks.append, "inside the fourth")
            deliveries = run.guest.stats().batches

            # The host's own timer: the guest's do not run here.
            def close():
                seen.append(("refused, deliveries meanwhile", run.guest.stats().batches - deliveries))
                ticks.append("before the fourth returned")
                dialog.close()

            after_report(run.host, reports, 1, close)

        done = loop.create_future()
        loop.call_soon(lambda: (nest(run, 4, seen, at_the_bottom)(0), done.set_result(None)))
        await done
        assert len(reports.of(asyncguest.NestingLimit)) == 1
        assert "max_nesting" in str(reports.contexts[0]["exception"])
        await asyncio.sleep(0.001)
        return "went on"

    run.start(main)
    assert run.finish() == "went on"
    assert [entry for entry in seen if entry[0] == "closed"] == [("closed", level) for level in (3, 2, 1, 0)]
    # It stood still, and nobody span meanwhile.
    assert ticks == ["before the fourth returned", "inside the fourth"]
    assert next(entry[1] for entry in seen if entry[0].startswith("refused")) < 10


def later(host, seconds, fn):
    """The host's own timer: a thread that posts."""
    timer = threading.Timer(seconds, host.post, [fn])
    timer.daemon = True
    timer.start()


def after_report(host, reports, count, fn):
    """Calls `fn` some time after so many dialogs have been reported."""
    reported = len(reports.of(asyncguest.NestingLimit)) >= count
    later(host, 0.05, fn if reported else lambda: after_report(host, reports, count, fn))


def test_the_third_gets_its_deliveries_again_when_the_fourth_has_returned(drive):
    # It says "until one of them returns": not only when all have.
    run, seen = Run(drive, max_nesting=1), []

    async def main():
        loop = asyncio.get_running_loop()
        Reports(loop)
        outer, inner = Dialog(run.host), Dialog(run.host)

        def open_inner():
            later(run.host, 0.05, inner.close)
            inner.show()
            seen.append("inner closed")
            # A timer of the guest closes the outer one: it needs deliveries inside the outer one's loop.
            loop.call_later(0.001, outer.close)

        loop.call_soon(open_inner)
        outer.show()
        seen.append("outer closed")

    run.start(main)
    run.finish()
    assert seen == ["inner closed", "outer closed"]


def test_strict_mode_refuses_every_nested_loop(drive):
    run, ticks = Run(drive, max_nesting=0), []

    async def ticker():
        while True:
            await asyncio.sleep(0.001)
            ticks.append(True)

    async def main():
        loop = asyncio.get_running_loop()
        reports = Reports(loop)
        ticking = loop.create_task(ticker())
        await asyncio.sleep(0.01)
        before = len(ticks)
        dialog = Dialog(run.host)
        after_report(run.host, reports, 1, dialog.close)
        dialog.show()
        assert len(ticks) == before
        assert len(reports.of(asyncguest.NestingLimit)) == 1
        assert "max_nesting=0" in str(reports.contexts[0]["exception"])
        while len(ticks) < before + 3:
            await asyncio.sleep(0.001)
        ticking.cancel()
        return "went on"

    run.start(main)
    assert run.finish() == "went on"


def test_each_refused_dialog_is_reported(drive):
    run = Run(drive, max_nesting=0)

    async def main():
        reports = Reports(asyncio.get_running_loop())
        for count in (1, 2):
            dialog = Dialog(run.host)
            after_report(run.host, reports, count, dialog.close)
            dialog.show()
            assert len(reports.of(asyncguest.NestingLimit)) == count
            await asyncio.sleep(0.001)

    run.start(main)
    run.finish()


def test_an_exception_inside_a_dialog_reaches_its_own_task(drive):
    run = Run(drive)

    async def fails():
        raise LookupError("inside")

    async def main():
        dialog = Dialog(run.host)
        task = asyncio.get_running_loop().create_task(fails())
        task.add_done_callback(lambda _: dialog.close())
        dialog.show()
        with pytest.raises(LookupError, match="inside"):
            await task
        return "fine"

    run.start(main)
    assert run.finish() == "fine"


def test_an_exception_out_of_the_dialog_reaches_the_one_that_opened_it(drive):
    run = Run(drive)

    async def main():
        def boom():
            raise LookupError("the host's own job")

        run.host.post(boom)
        with pytest.raises(LookupError):
            Dialog(run.host).show()
        await asyncio.sleep(0.001)
        return asyncio.current_task() is run.guest.task

    run.start(main)
    assert run.finish() is True


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=["SystemExit", "KeyboardInterrupt"])
def test_system_exit_inside_a_dialog_cancels_the_run_and_spares_the_dialogs_frames(drive, error):
    run = Run(drive)

    async def main():
        loop = asyncio.get_running_loop()
        reports = Reports(loop)
        dialog = Dialog(run.host)

        def boom():
            dialog.close()
            raise error

        loop.call_soon(boom)
        dialog.show()  # returns by itself, nothing passes through it
        assert len(reports.of(type(error))) == 1
        await asyncio.sleep(60)

    run.start(main)
    with pytest.raises(asyncio.CancelledError):
        run.finish()


def test_dialogs_of_two_guests_stand_in_each_other(drive):
    # A opens a dialog, in which B's delivery opens one, in which A's delivery opens a third: each finds its own state
    # again.
    host = QueueHost(drive)
    seen, ended = [], []

    def done(task):
        ended.append(task)
        if len(ended) == 2:
            host.stop()

    async def open_one(name, then):
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        await asyncio.sleep(0.001)
        dialog = Dialog(host)
        if then is None:
            later(host, 0.01, dialog.close)
        else:
            guest, rest = then
            inner = guest.loop.create_task(open_one(*rest))
            inner.add_done_callback(lambda _: dialog.close())
        dialog.show()
        assert asyncio.get_running_loop() is loop and asyncio.current_task() is task
        assert asyncguest.current_guest() is loop.guest
        seen.append(name)
        await asyncio.sleep(0)

    async def idle():
        await asyncio.Event().wait()

    a, b = (asyncguest.Guest(host, done_callback=done) for _ in range(2))
    b.start(idle)
    a.start(open_one, "first of a", (b, ("first of b", (a, ("second of a", None)))))
    a.task.add_done_callback(lambda _: b.cancel())
    host.run()
    host.close()
    assert seen == ["second of a", "first of b", "first of a"]
    a.task.result()


@pytest.mark.parametrize(
    "budget", [10**400, Decimal("0.005"), Fraction(1, 200), float("inf")], ids=["large", "Decimal", "Fraction", "inf"]
)
def test_any_number_is_a_budget(budget, drive):
    assert run_guest(asyncio.sleep, 0.001, "slept", drive=drive, batch_budget=budget, stall_after=budget) == "slept"
