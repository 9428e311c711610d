"""What main leaves behind in its last step ends as `asyncio.run` of the same version ends it, with the same log."""

from __future__ import annotations

import asyncio

import asyncguest
import pytest
from helpers import run_guest


class Log(list):
    def line(self, *words):
        self.append(" ".join(map(str, words)))


async def steps(log, name):
    log.line(name, "begins")
    try:
        await asyncio.sleep(0)
        log.line(name, "goes on")
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        log.line(name, "cancelled")
        raise
    finally:
        await asyncio.sleep(0.002)
        log.line(name, "cleaned up")


async def rows(log):
    try:
        for number in range(10):
            yield number
    finally:
        log.line("closing")
        await asyncio.sleep(0.002)
        log.line("closed")


async def a_generator_that_was_left(log):
    async for _ in rows(log):
        break


async def a_generator_that_is_held(log):
    log.held = rows(log)
    async for _ in log.held:
        break


async def a_task_made_in_the_last_step(log):
    log.task = asyncio.ensure_future(steps(log, "late"))


async def tasks_made_in_each_step(log):
    log.tasks = [asyncio.ensure_future(steps(log, "early"))]
    await asyncio.sleep(0)
    log.tasks.append(asyncio.ensure_future(steps(log, "later")))
    await asyncio.sleep(0)
    log.tasks.append(asyncio.ensure_future(steps(log, "last")))


async def a_shield(log):
    log.task = asyncio.ensure_future(asyncio.shield(asyncio.ensure_future(steps(log, "shielded"))))
    await asyncio.sleep(0)


async def a_job_of_the_executor(log):
    loop = asyncio.get_running_loop()
    log.job = loop.run_in_executor(None, log.line, "job")


async def callbacks_of_the_last_step(log):
    loop = asyncio.get_running_loop()

    def first():
        log.line("first")
        loop.call_soon(log.line, "second, in the iteration after")

    loop.call_soon(first)
    asyncio.current_task().add_done_callback(lambda _: (log.line("done callback"), loop.call_soon(log.line, "its own")))


async def a_callback_that_makes_a_task(log):
    def late(_):
        log.task = asyncio.ensure_future(steps(log, "of a done callback"))

    asyncio.current_task().add_done_callback(late)


async def a_task_that_fails_while_it_ends(log):
    async def fails():
        try:
            await asyncio.sleep(3600)
        finally:
            raise ZeroDivisionError

    asyncio.get_running_loop().set_exception_handler(lambda _, context: log.line(repr(context["exception"])))
    log.task = asyncio.ensure_future(fails())
    await asyncio.sleep(0)


async def main_that_fails(log):
    log.task = asyncio.ensure_future(steps(log, "late"))
    raise ValueError


PROGRAMS = [
    a_generator_that_was_left,
    a_generator_that_is_held,
    a_task_made_in_the_last_step,
    tasks_made_in_each_step,
    a_shield,
    a_job_of_the_executor,
    callbacks_of_the_last_step,
    a_callback_that_makes_a_task,
    a_task_that_fails_while_it_ends,
    main_that_fails,
]
WAYS = {
    "alone": lambda main, **options: asyncguest.run(main()),
    "fd": lambda main, **options: run_guest(main, drive="fd", **options),
    "thread": lambda main, **options: run_guest(main, drive="thread", **options),
}


def played(program, run):
    log = Log()

    async def main():
        await asyncio.sleep(0)
        await program(log)

    try:
        run(main)
    except ValueError as error:
        log.line(repr(error))
    # asyncio cancels a set of tasks, in whatever order.
    return sorted(log) if program is tasks_made_in_each_step else list(log)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_as_asyncio_run(program, way):
    assert played(program, WAYS[way]) == played(program, lambda main: asyncio.run(main()))


@pytest.mark.parametrize("drive", ("fd", "thread"))
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_also_where_each_delivery_is_cut(program, drive):
    """A budget that one callback spends: an iteration then takes several deliveries."""
    cut = played(program, lambda main: run_guest(main, drive=drive, batch_budget=1e-9))
    assert cut == played(program, lambda main: asyncio.run(main()))
