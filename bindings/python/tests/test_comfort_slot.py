"""`slot` and `Scope`: the promises that are the same for each toolkit. Those of the toolkits: hosts/scenarios_scope.py."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import traceback
import weakref
from typing import Any

import asyncguest
import pytest
from asyncguest import Scope, SourceGone, slot
from helpers import run_guest


class Work:
    """An async function that notes what it does, and ends when it is told."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.gates: dict[Any, asyncio.Event] = {}

    async def __call__(self, name: Any) -> None:
        self.log.append(f"{name} begins")
        self.gates[name] = asyncio.Event()
        try:
            await self.gates[name].wait()
            self.log.append(f"{name} ends")
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.log.append(f"{name} was cancelled")
            raise

    async def end(self, *names: Any) -> None:
        for name in names:
            self.gates[name].set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)


def begins(*names: str) -> list[str]:
    return [f"{name} begins" for name in names]


# ---- what a call does while one runs


def test_calls_overlap():
    async def main():
        work = Work()
        click = slot(work)
        for name in "ab":
            click(name)
        assert work.log == begins("a", "b")  # inside of the call
        await work.end("b", "a")
        return work.log

    assert run_guest(main) == [*begins("a", "b"), "b ends", "a ends"]


def test_drop():
    async def main():
        work = Work()
        click = slot(work, busy="drop")
        for name in "abc":
            click(name)
        await work.end("a")
        click("d")
        await work.end("d")
        return work.log

    assert run_guest(main) == ["a begins", "a ends", "d begins", "d ends"]


def test_queue():
    async def main():
        work = Work()
        click = slot(work, busy="queue")
        for name in "abc":
            click(name)
        for name in "abc":
            await work.end(name)
        return work.log

    assert run_guest(main) == ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]


def test_restart_lets_the_old_one_clean_up_first():
    async def main():
        work = Work()
        click = slot(work, busy="restart")
        for name in "abc":
            click(name)
        while "c" not in work.gates:
            await asyncio.sleep(0)
        await work.end("c")
        return work.log

    assert run_guest(main) == ["a begins", "a was cancelled", "c begins", "c ends"]


def test_called_again_by_its_own_first_step():
    async def main():
        for busy, wanted in (("drop", [1]), ("queue", [1, 2]), ("restart", [1, 2])):
            seen = []

            async def work(seen=seen):
                seen.append(len(seen) + 1)
                if len(seen) == 1:
                    click()
                await asyncio.sleep(0)

            click = slot(functools.partial(work), busy=busy)
            click()
            for _ in range(5):
                await asyncio.sleep(0)
            assert seen == wanted, busy

    run_guest(main)


def test_what_waits_for_its_turn_does_not_start_when_the_run_ends():
    async def main():
        work = Work()
        for busy in ("queue", "restart"):
            click = slot(work, busy=busy)
            click("a")
            click("b")
        works.append(work)

    works: list[Work] = []
    run_guest(main)
    assert works[0].log.count("b begins") == 0


def test_what_waits_for_its_turn_is_not_for_the_run_after_this_one():
    """It was made outside of both, and each end took one call out alone: the others began in the next run."""
    work = Work()
    click = slot(work, busy="queue")

    async def first():
        for name in "abcd":
            click(name)

    async def second():
        click("e")
        await work.end("e")

    run_guest(first)
    run_guest(second)
    assert work.log == ["a begins", "a was cancelled", "e begins", "e ends"]


# ---- arguments, objects


def test_surplus_arguments_are_dropped():
    seen = []

    async def none():
        seen.append(())

    async def two(a, b="b"):
        seen.append((a, b))

    async def all_of_them(*args):
        seen.append(args)

    async def main():
        slot(none)(1, 2, 3)
        slot(two)(1)
        slot(two)(1, 2, 3)
        slot(two, "bound")(1, 2, 3)
        slot(two, "bound", "too")(1)
        slot(all_of_them)(1, 2, 3)
        slot(functools.partial(two, "partial"))(1, 2)

    run_guest(main)
    assert seen == [(), (1, "b"), (1, 2), ("bound", 1), ("bound", "too"), (1, 2, 3), ("partial", 1)]


def test_a_bound_method_is_held_weakly_and_a_function_is_not():
    seen = []

    class Page:
        async def click(self):
            seen.append(self)

    async def main():
        page = Page()
        alive = weakref.ref(page)
        click = slot(page.click)
        gc.collect()
        click()
        seen.clear()
        await asyncio.sleep(0)
        del page
        gc.collect()
        assert alive() is None
        click()
        assert not seen
        kept = slot(lambda: asyncio.sleep(0, seen.append(1)))
        gc.collect()
        kept()
        assert seen == [1]

    run_guest(main)


def test_a_method_whose_object_has_no_weak_references():
    class Page:
        __slots__ = ("seen",)

        async def click(self):
            self.seen = True

    async def main():
        page = Page()
        slot(page.click)()
        assert page.seen

    run_guest(main)


def test_a_task_keeps_its_object_while_it_runs():
    seen = []

    class Page:
        async def click(self):
            await asyncio.sleep(0.01)
            seen.append(self)

    async def main():
        page = Page()
        slot(page.click)()
        del page
        while not seen:
            gc.collect()
            await asyncio.sleep(0.001)

    run_guest(main)


# ---- errors


@contextlib.contextmanager
def reported(loop: asyncio.AbstractEventLoop) -> Any:
    found: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, context: found.append(context))
    yield found
    loop.set_exception_handler(None)


@pytest.mark.parametrize("waits", [0, 1])
@pytest.mark.parametrize("scoped", [False, True])
def test_an_error_is_reported_once_and_at_once(waits, scoped):
    async def fails():
        for _ in range(waits):
            await asyncio.sleep(0)
        raise ZeroDivisionError("of the slot")

    async def main():
        with reported(asyncio.get_running_loop()) as found:
            slot(fails, scope=Scope() if scoped else None)()
            for _ in range(3):
                await asyncio.sleep(0)
            (context,) = found
            assert isinstance(context["exception"], ZeroDivisionError)
            assert "unhandled exception in the task" in context["message"]
            found.clear()
            del context
            gc.collect()
            assert not found

    run_guest(main)


def test_cancellation_is_no_error():
    async def main():
        with reported(asyncio.get_running_loop()) as found:
            scope = Scope()
            slot(asyncio.sleep, 3600, scope=scope)()
            before = asyncio.all_tasks()
            slot(asyncio.sleep, 3600)()
            (task,) = asyncio.all_tasks() - before
            task.cancel()
            scope.cancel()
            while not scope.empty:
                await asyncio.sleep(0)
            assert task.cancelled() and not found

    run_guest(main)


def test_what_cannot_be_called_is_reported_and_not_raised_into_the_toolkit():
    async def needs_two(a, b):
        raise AssertionError("not with one")

    async def main():
        with reported(asyncio.get_running_loop()) as found:
            slot(needs_two, busy="drop")(1)
            slot(print)()
            assert [type(context["exception"]) for context in found] == [TypeError, TypeError]
            assert all("a slot could not call" in context["message"] for context in found)
            found.clear()

    run_guest(main)


def test_sys_exit_in_a_slot_ends_the_run_and_is_reported_once():
    async def leaves():
        raise SystemExit(3)

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: found.append(context))
        slot(leaves)()
        await asyncio.sleep(3600)

    found: list[Any] = []
    with pytest.raises(asyncio.CancelledError):
        run_guest(main)
    assert len(found) == 1 and "ends the run" in found[0]["message"]


# ---- scopes without an owner


def test_a_scope_by_hand():
    async def main():
        scope = Scope()
        assert scope.empty
        tasks = [scope.start_soon(asyncio.sleep, 3600, name=f"task {number}") for number in range(3)]
        assert not scope.empty and tasks[0].get_name() == "task 0"
        scope.cancel()
        await asyncio.wait(tasks)
        assert scope.empty and all(task.cancelled() for task in tasks)
        assert await scope.start_soon(asyncio.sleep, 0, "again") == "again"

    run_guest(main)


def test_its_tasks_keep_a_scope_and_nobody_else_does():
    async def main():
        scope = Scope()
        alive = weakref.ref(scope)
        task = scope.start_soon(asyncio.sleep, 0.001)
        del scope
        gc.collect()
        assert alive() is not None
        await task
        await asyncio.sleep(0)
        gc.collect()
        assert alive() is None

    run_guest(main)


# ---- bad input


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: slot(asyncio.sleep(0)), TypeError, r"slot\(work, 1\) and not slot\(work\(1\)\)"),
        (lambda: slot(None), TypeError, "an async function was expected"),
        (lambda: slot(asyncio.sleep, busy="wait"), ValueError, '"overlap", "drop", "restart" or "queue"'),
        (lambda: slot(asyncio.sleep, scope=object()), TypeError, "scope must be an asyncguest.Scope"),
        (lambda: Scope(object()), TypeError, r"nobody tells of the end of .*Scope\(\), it ends by its cancel"),
        (lambda: Scope(deadline=-1), ValueError, "deadline is in seconds"),
        (lambda: Scope(deadline=float("nan")), ValueError, "deadline is in seconds"),
        (lambda: Scope(closes=True), TypeError, r"Scope\(window, closes=True\)"),
    ],
)
def test_bad_input_is_told_at_the_callers_line(call, error, says):
    async def main():
        with pytest.raises(error, match=says) as found:
            call()
        assert traceback.extract_tb(found.tb)[1].name == "<lambda>"

    run_guest(main)


def test_a_scope_outside_of_a_guest_says_so():
    with pytest.raises(asyncguest.GuestError, match="no guest runs here"):
        Scope()


def test_source_gone_is_a_guest_error():
    assert issubclass(SourceGone, asyncguest.GuestError) and issubclass(SourceGone, RuntimeError)
