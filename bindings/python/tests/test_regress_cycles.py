"""What a program drops is freed at once, as with the standard loop: a traceback of the guest's leads to no task.

Each program makes objects that only its failed, cancelled or finished work holds. Without the garbage collector, those
that are alive afterwards are compared with those that `asyncio.run` leaves.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import traceback
import weakref

import asyncguest
import pytest
from helpers import Dialog, Run, run_guest


class Thing:
    """A socket, a buffer, a window."""


class Things:
    """The objects of one program, and who is left of them."""

    def __init__(self):
        self._made = []
        self.reported = []

    def make(self, name):
        thing = Thing()
        self._made.append((name, weakref.ref(thing)))
        return thing

    def left(self):
        return [name for name, thing in self._made if thing() is not None]


@pytest.fixture(autouse=True)
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def fails(things, name, error=ValueError):
    thing = things.make(name)  # noqa: F841
    await asyncio.sleep(0)
    raise error(name)


async def fails_at_once(things, name):
    thing = things.make(name)  # noqa: F841
    raise ValueError(name)


async def failed_tasks(things):
    for step in (fails, fails_at_once):
        task = asyncio.ensure_future(step(things, step.__name__))
        try:
            await task
        except ValueError:
            pass
        del task


async def gathered(things):
    await asyncio.gather(fails(things, "one"), fails_at_once(things, "two"), return_exceptions=True)


async def cancelled_tasks(things):
    async def waits():
        thing = things.make("cancelled")  # noqa: F841
        await asyncio.sleep(3600)

    task = asyncio.ensure_future(waits())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    del task


async def finished_tasks(things):
    async def returns():
        return things.make("result")

    await asyncio.ensure_future(returns())


async def callbacks(things):
    loop = asyncio.get_running_loop()

    def callback(thing):
        loop.call_soon(int)

    def fails(thing):
        raise ValueError

    loop.call_soon(callback, things.make("callback"))
    loop.call_later(0.001, callback, things.make("timer"))
    loop.call_soon(fails, things.make("callback that fails"))
    await asyncio.sleep(0.005)


async def nobody_waits(things):
    """The exception that nobody fetches is reported when its task is freed: at once."""
    asyncio.ensure_future(fails(things, "not fetched"))
    await asyncio.sleep(0.005)
    things.seen = list(things.reported)


async def eager_tasks(things):
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    task = asyncio.Task(fails(things, "lazy"), loop=loop)
    try:
        await task
    except ValueError:
        pass
    del task
    for step in (fails, fails_at_once):
        try:
            await asyncio.create_task(step(things, "eager " + step.__name__))
        except ValueError:
            pass


PROGRAMS = [failed_tasks, gathered, cancelled_tasks, finished_tasks, callbacks, nobody_waits]
if sys.version_info >= (3, 12):
    PROGRAMS.append(eager_tasks)


def played(program, run, debug):
    """What is left of the program's things: while main still runs, and after the run."""
    things = Things()

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: things.reported.append(context["message"]))
        await program(things)
        await asyncio.sleep(0)
        return things.left()

    inside = run(main, debug)
    return inside, things.left(), things.__dict__.get("seen")


def by_asyncio(main, debug):
    return asyncio.run(main(), debug=debug)


def by_run(main, debug):
    return asyncguest.run(main(), debug=debug)


WAYS = {
    "alone": by_run,
    "fd": lambda main, debug: run_guest(main, drive="fd", debug=debug),
    "thread": lambda main, debug: run_guest(main, drive="thread", debug=debug),
}


@pytest.mark.parametrize("debug", (False, True), ids=("plain", "debug"))
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_nothing_is_left_that_the_standard_loop_frees(program, way, debug):
    ours, theirs = played(program, WAYS[way], debug), played(program, by_asyncio, debug)
    # asyncio's own Handle._run leaves a cycle behind when its callback fails.
    assert set(ours[0]) <= set(theirs[0]) and set(ours[1]) <= set(theirs[1]) and ours[2] == theirs[2]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", (KeyboardInterrupt, SystemExit, ValueError))
def test_the_main_task_may_raise_anything(way, error):
    things = Things()

    async def side():
        await fails(things, "side")

    async def main():
        task = asyncio.ensure_future(side())
        await asyncio.wait([task])
        task.exception()  # else it is reported, and kept by the log of the tests
        del task
        raise error

    with pytest.raises(error):
        WAYS[way](main, False)
    # The exception of main itself is where the caller has it; its side task's is nowhere.
    assert things.left() == []


@pytest.mark.parametrize("eager", (True, False))
@pytest.mark.parametrize("step", (fails, fails_at_once))
def test_tasks_that_host_code_starts(drive, step, eager):
    things = Things()
    run = Run(drive)

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: things.reported.append(context["message"]))
        await gate.wait()

    gate = asyncio.Event()
    run.start(main)
    run.guest.start_soon(step, things, "slot", eager=eager)
    run.host.post(lambda: run.guest.loop.call_later(0.005, gate.set))
    run.finish()
    assert things.left() == []
    assert len(things.reported) == 1


@pytest.mark.parametrize("scoped", (True, False))
@pytest.mark.parametrize("step", (fails, fails_at_once))
def test_tasks_of_a_slot_and_of_a_scope(drive, step, scoped):
    """The frames of the slot's call, and of the scope's start_soon, held the task that had failed inside of them."""
    things = Things()
    run = Run(drive)

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: things.reported.append(context["message"]))
        scope = asyncguest.Scope() if scoped else None
        asyncguest.slot(step, things, "slot", scope=scope)()
        await asyncio.sleep(0.005)

    run.start(main)
    run.finish()
    assert things.left() == []
    assert len(things.reported) == 1


@pytest.mark.parametrize("end", ("sender", "block"))
def test_the_end_of_a_stream_holds_nothing(end):
    """It was one exception, raised again each time: its traceback led to the stream, and grew."""
    things = Things()

    class Signal:
        def __init__(self):
            self.slots = []
            self.connect, self.disconnect = self.slots.append, self.slots.remove

    async def waits(stream):
        thing = things.make("frame")  # noqa: F841
        depths = []
        for _ in range(2):
            try:
                await stream.next()
            except asyncguest.GuestError as error:
                depths.append(len(traceback.extract_tb(error.__traceback__)))
        return depths

    async def main():
        signal = Signal()
        with asyncguest.events(signal) as stream:
            if end == "sender":
                signal.slots.clear()
                first, second = await waits(stream)
        if end == "block":
            first, second = await waits(stream)
        assert first == second
        assert things.left() == []

    run_guest(main)


def test_tasks_of_a_nested_loop(drive):
    things = Things()
    run = Run(drive)

    async def inner(dialog):
        try:
            await fails(things, "inner")
        finally:
            dialog.close()

    async def outer():
        thing = things.make("outer")  # noqa: F841
        dialog = Dialog(run.host)
        task = asyncio.ensure_future(inner(dialog))
        dialog.show()
        try:
            await task  # the one exception goes through both
        finally:
            del task

    async def main():
        task = asyncio.ensure_future(outer())
        await asyncio.wait([task])
        task.exception()  # else it is reported, and kept by the log of the tests
        del task
        await asyncio.sleep(0)
        return things.left()

    run.start(main)
    assert run.finish() == []


def test_a_run_and_its_loop_are_freed_with_their_last_reference(drive):
    def play():
        run = Run(drive, loop_factory=asyncguest.EventLoop)

        async def main():
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda *_: None)
            return Thing()

        run.start(main)
        result = weakref.ref(run.finish())
        return weakref.ref(run.guest), weakref.ref(run.guest.loop), result

    assert [ref() for ref in play()] == [None, None, None]


def test_a_loop_alone_is_freed_with_its_last_reference():
    def play(run):
        loops = []

        async def main():
            loops.append(weakref.ref(asyncio.get_running_loop()))

        run(main())
        return loops[0]()

    assert play(asyncio.run) is None
    assert play(asyncguest.run) is None


def test_a_task_that_was_abandoned(drive):
    things = Things()
    run = Run(drive, name="stubborn")

    async def main():
        thing = things.make("main")  # noqa: F841
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass

    run.start(main)
    with pytest.warns(RuntimeWarning, match="abandoned"):
        assert not run.guest.shutdown(0.0)
    with pytest.raises(asyncguest.GuestError):
        run.finish()
    assert things.left() == []
