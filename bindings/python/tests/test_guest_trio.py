"""Trio as a guest: what it can do, and what its host may do to it. Toolkits play the same on their stages (tests/hosts).

Its end is in test_guest_trio_end.py, its waits for widgets in test_guest_trio_events.py.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import signal
import sys
import threading

import asyncguest
import pytest
from asyncguest.hosts.asyncio import AsyncioHost
from asyncguest.hosts.chaos import ChaosHost
from asyncguest.hosts.queue import QueueHost
from good_hosts import FdOnly
from triohelp import GuestCancelled, Run, hello, sleep_and_clean_up, sniffio, start, trio

# ---- it runs


def test_the_result(drive):
    assert Run(drive, hello, "world").finish() == "hello world"


def test_an_exception_is_the_outcome(drive):
    async def fails():
        await trio.sleep(0.001)
        raise ZeroDivisionError("in the guest")

    with pytest.raises(ZeroDivisionError, match="in the guest"):
        Run(drive, fails).finish()


def test_one_run_after_another(drive):
    for number in range(3):
        assert Run(drive, hello, number).finish() == f"hello {number}"


def test_a_plain_function_is_a_host():
    queue = QueueHost("thread")
    done = []
    start(hello, "you", host=queue.post, done_callback=lambda outcome: (done.append(outcome), queue.stop()))
    queue.run()
    queue.close()
    assert done[0].unwrap() == "hello you"


def test_a_host_that_can_only_watch_fds():
    run = Run(FdOnly(), hello, "fd")
    assert run.finish() == "hello fd"


def test_a_host_thread_that_is_not_the_main_one(drive):
    results = []
    thread = threading.Thread(target=lambda: results.append(Run(drive, hello, "thread").finish()))
    thread.start()
    thread.join()
    assert results == ["hello thread"]


def test_each_thread_has_a_run_of_its_own(drive):
    here = Run(drive, hello, "here")
    results = []
    thread = threading.Thread(target=lambda: results.append(Run(drive, hello, "there").finish()))
    thread.start()
    results.append(here.finish())
    thread.join()
    assert sorted(results) == ["hello here", "hello there"]


def test_tasks_threads_and_sockets(drive):
    async def main():
        async def echo(stream):
            async for chunk in stream:
                await stream.send_all(chunk.upper())

        async with trio.open_nursery() as nursery:
            (listener, *_) = await nursery.start(trio.serve_tcp, echo, 0)
            stream = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
            await stream.send_all(b"hello")
            answer = await stream.receive_some()
            await stream.aclose()
            nursery.cancel_scope.cancel()
        return answer, await trio.to_thread.run_sync(lambda: "thread")

    assert Run(drive, main).finish() == (b"HELLO", "thread")


def test_trios_functions_work_in_the_hosts_code(drive):
    """Contract of guest mode: on the line after the start, and while the host is idle."""
    event = trio.Event()

    async def main():
        await event.wait()
        return "woken"

    run = Run(drive, main)
    assert trio.current_time() > 0
    run.until(lambda: event.statistics().tasks_waiting)
    run.queue.post(event.set)
    assert run.finish() == "woken"


def test_a_busy_guest_leaves_its_host_a_turn(drive):
    turns = []

    async def main():
        while len(turns) < 20:
            await trio.sleep(0)

    run = Run(drive, main)

    def turn() -> None:
        turns.append(1)
        run.queue.post(turn)

    run.queue.post(turn)
    run.finish()


def test_context_variables_are_those_of_the_start(drive):
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    variable.set("the caller's")

    async def main():
        await trio.sleep(0)
        seen = variable.get()
        variable.set("the guest's")
        return seen

    assert Run(drive, main).finish() == "the caller's"
    assert variable.get() == "the caller's"


def test_the_hosts_state_is_unchanged_between_deliveries(drive):
    """Async generator hooks, sniffio's name; and a generator that is born in the guest is closed by Trio."""

    def state():
        return sys.get_asyncgen_hooks(), sniffio.thread_local.name

    async def generator():
        try:
            yield 1
        finally:
            closed.append(state())

    async def main():
        generators.append(generator())
        await generators[0].__anext__()
        for _ in range(3):
            mine.append(state())
            await trio.sleep(0.001)

    outside, closed, mine, seen, generators = state(), [], [], [], []
    run = Run(drive, main)

    def look():
        seen.append(state())
        if not run.done:
            run.queue.post(look)

    run.queue.post(look)
    run.finish()
    assert set(seen) == {outside} and len(seen) > 3
    assert set(mine) == set(closed) == {mine[0]} and mine[0] != outside and mine[0][1] == "trio"


def test_trios_options_are_passed_on(drive):
    ticks = []

    class Instrument(trio.abc.Instrument):
        def before_io_wait(self, timeout):
            ticks.append(timeout)

    run = Run(drive, hello, "clock", instruments=[Instrument()], restrict_keyboard_interrupt_to_checkpoints=True)
    assert run.finish() == "hello clock" and ticks


# ---- hosts that lose posts


@pytest.mark.parametrize("seed", range(3))
def test_a_host_that_loses_doubles_delays_and_inlines_costs_nothing(drive, seed):
    logging.getLogger("asyncguest").setLevel(logging.CRITICAL)
    try:
        host = ChaosHost(drive=drive, seed=seed, repost_after=0.005)

        async def main():
            while len(host.faults) < 5 or sum(host.faults.values()) < 50:
                await trio.sleep(0.001)
                await trio.to_thread.run_sync(int)
            return "all"

        assert Run(host, main).finish() == "all"
    finally:
        logging.getLogger("asyncguest").setLevel(logging.NOTSET)


def test_every_second_post_is_lost():
    class Loses(QueueHost):
        repost_after = 0.001
        lost = 0
        loses = False

        def post(self, job):
            self.loses = not self.loses
            if self.loses:
                self.lost += 1
            else:
                super().post(job)

    host = Loses("thread")
    assert Run(host, hello, "lost").finish() == "hello lost"
    assert host.lost > 1


def test_a_host_that_runs_the_jobs_on_another_thread_is_told(caplog):
    class Elsewhere(QueueHost):
        repost_after = 0.001

        def __init__(self):
            super().__init__("thread")
            self.wrong = 0

        def post(self, job):
            if self.wrong < 3:
                self.wrong += 1
                threading.Thread(target=job).start()
            else:
                super().post(job)

    assert Run(Elsewhere(), hello, "right").finish() == "hello right"
    assert [record.message for record in caplog.records if "post() has to queue the job" in record.message]


# ---- beside other guests


def test_a_guest_of_asyncio_lives_beside_it(drive):
    """Each finds its own library, and the other one's host."""
    host = QueueHost(drive)
    ended: list[str] = []

    async def of_asyncio():
        for _ in range(5):
            await asyncio.sleep(0.001)
        with pytest.raises(RuntimeError, match="async context"):
            trio.lowlevel.current_task()
        over("asyncio")

    async def of_trio():
        second = asyncguest.start(of_asyncio)
        assert second.host is host
        for _ in range(5):
            await trio.sleep(0.001)
        over("trio")

    def over(name):
        ended.append(name)
        if len(ended) == 3:
            host.stop()

    guests = [asyncguest.Guest(host)]
    guests[0].start(of_asyncio)
    guests.append(start(of_trio))  # it finds the host of the other one
    assert guests[1].host is host
    host.run()
    while asyncguest.stats().guests:
        host.run_once(10)
    host.close()
    assert sorted(ended) == ["asyncio", "asyncio", "trio"]


def test_a_guest_in_a_program_of_asyncio_is_awaited(drive):
    async def program():
        host = AsyncioHost(drive=drive)
        guest = start(hello, "asyncio", host=host)
        await host.wait(guest)
        return guest.outcome.unwrap()

    assert asyncio.run(program()) == "hello asyncio"


def test_a_program_of_asyncio_that_ends_first(drive):
    order: list[str] = []
    done = []

    async def program():
        start(sleep_and_clean_up, order, host=AsyncioHost(drive=drive), done_callback=done.append)
        while not order:
            await asyncio.sleep(0)

    asyncio.run(program())
    assert order == ["begun", "cleaned up"] and len(done) == 1 and isinstance(done[0].error, GuestCancelled)


# ---- bad input


def test_twice_on_one_thread(drive):
    run = Run(drive, hello, "first")
    with pytest.raises(asyncguest.GuestError, match="once for each thread: start the function in a nursery"):
        start(hello, "second", host=run.host)
    assert run.finish() == "hello first"


def test_inside_trio(drive):
    async def main():
        with pytest.raises(asyncguest.GuestError, match=r"this is Trio's: await the function, or .*start_soon\(\)"):
            start(hello, "inner", host=queue)

    queue = QueueHost(drive)
    Run(queue, main).finish()
    trio.run(main)


def test_without_a_host_it_says_what_is_right():
    with pytest.raises(asyncguest.GuestError, match=r"no main loop was found on this thread.*trio\.run\(\.\.\.\) is"):
        start(hello, "nobody")


def test_bad_arguments_say_what_to_do(drive):
    queue = QueueHost(drive)
    for wrong, error, message in (
        (functools.partial(start, hello("you")), TypeError, "pass the async function and its arguments instead"),
        (functools.partial(start, 3), TypeError, "an async function was expected, not 3"),
        (functools.partial(start, print), TypeError, "is not an async function: it returned None"),
        (functools.partial(start, hello), TypeError, "missing 1 required positional argument"),
        (functools.partial(start, hello, "you", done_callback=3), TypeError, "done_callback must be callable, not 3"),
        (functools.partial(start, hello, "you", clocks=3), TypeError, "clocks"),
    ):
        with pytest.raises(error, match=message):
            wrong(host=queue)
    with pytest.raises(TypeError, match="host is the class QueueHost: make an instance"):
        start(hello, "you", host=QueueHost)
    with pytest.raises(TypeError, match="must be a function that takes a function, not 3"):
        start(hello, "you", host=3)
    queue.close()


def test_a_host_that_refuses_leaves_nothing_behind(drive):
    class Refuses(QueueHost):
        def attached(self, guest):
            raise asyncguest.GuestError("not here")

    host = Refuses(drive)
    with pytest.raises(asyncguest.GuestError, match="not here"):
        start(hello, "you", host=host)
    host.close()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert Run(drive, hello, "again").finish() == "hello again"


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_run_that_is_cancelled_before_it_has_begun(drive, elsewhere):
    class EndsAtOnce(QueueHost):
        def attached(self, guest):
            super().attached(guest)
            with pytest.raises(asyncguest.GuestError, match="about to begin"):
                guest.shutdown()
            if elsewhere:
                thread = threading.Thread(target=lambda: answers.append(guest.cancel()))
                thread.start()
                thread.join()
            else:
                answers.append(guest.cancel())

    order: list[str] = []
    answers: list[bool] = []
    run = Run(EndsAtOnce(drive), sleep_and_clean_up, order)
    assert answers == [True] and run.guest.is_cancelling
    with pytest.raises(GuestCancelled):
        run.finish()
    assert order == ["begun", "cleaned up"]


def test_an_outcome_that_there_is_not_yet(drive):
    run = Run(drive, hello, "you")
    with pytest.raises(asyncguest.GuestError, match="it is running"):
        run.guest.outcome  # noqa: B018
    assert run.finish() == "hello you"
    assert repr(run.guest).startswith("<asyncguest.guests.trio.TrioGuest 'hello' ended in ")
