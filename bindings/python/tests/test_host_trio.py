"""Trio programs as hosts (USERS rows 16 and 25, contract 8)."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import sys

import asyncguest
import asynciohelp
import pytest

trio = pytest.importorskip("trio", reason="trio has no wheel for this interpreter")

import trio.testing  # noqa: E402, F811
from asyncguest.hosts.trio import TrioHost  # noqa: E402
from asynciohelp import inner  # noqa: E402

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture(scope="module", autouse=True)
def warm():
    """Trio's entry queue opens nothing for good, but its first run imports the rest of it."""
    trio.run(trio.sleep, 0)


def test_run_returns_the_result(drive):
    async def program():
        return await TrioHost(drive).run(inner, "world", name="inner")

    assert trio.run(program) == "hello world"


def test_run_raises_what_the_guest_raises(drive):
    async def fails():
        await asyncio.sleep(0)
        raise ZeroDivisionError("in the guest")

    async def program():
        with pytest.raises(ZeroDivisionError, match="in the guest"):
            await TrioHost(drive).run(fails)
        return "went on"

    assert trio.run(program) == "went on"


def test_only_runs_of_this_host_are_waited_for(drive):
    async def program():
        return await asynciohelp.only_its_own_runs_are_waited_for(TrioHost(drive), TrioHost(drive))

    assert trio.run(program) == "hello world"


def test_both_loops_progress(drive):
    """asyncio's streams talk to Trio's."""

    async def client(port):
        for number in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"%d" % number)
            writer.write_eof()
            assert await reader.read() == b"%d" % number
            writer.close()
            await writer.wait_closed()
        return "all"

    async def echo(stream):
        async for chunk in stream:
            await stream.send_all(chunk)
        await stream.aclose()

    async def program():
        async with trio.open_nursery() as nursery:
            (listener, *_) = await nursery.start(trio.serve_tcp, echo, 0)
            result = await TrioHost(drive).run(client, listener.socket.getsockname()[1])
            nursery.cancel_scope.cancel()
        return result

    assert trio.run(program) == "all"


def test_the_hosts_state_is_unchanged_between_deliveries(drive):
    """Running loop, current task, context, sniffio's name and async generator hooks."""
    sniffio = pytest.importorskip("sniffio")

    def host_state():
        return (
            asyncio._get_running_loop(),
            trio.lowlevel.current_task(),
            variable.get(),
            sniffio.current_async_library(),
            sys.get_asyncgen_hooks(),
        )

    def guest_state():
        return (
            asyncio.get_running_loop(),
            asyncio.current_task(),
            variable.get(),
            sniffio.current_async_library(),
            sys.get_asyncgen_hooks(),
        )

    async def guest_main():
        variable.set("guest's")
        mine = guest_state()
        for _ in range(50):
            await asyncio.sleep(0.0005)
            assert guest_state() == mine
        return mine

    async def program():
        variable.set("host's")
        mine = host_state()
        assert mine[0] is None and mine[3] == "trio"
        guest = asyncguest.Guest(TrioHost(drive))
        guest.start(guest_main)
        assert host_state() == mine
        while guest.state != "ended":
            await trio.sleep(0.0002)
            assert host_state() == mine
        theirs = guest.task.result()
        assert theirs[2:4] == ("guest's", "asyncio") and theirs[4] != mine[4]

    trio.run(program)


def test_async_generators_die_where_they_were_born(drive):
    died = []

    async def generator(name):
        try:
            yield 1
            yield 2
        finally:
            died.append((name, asyncio._get_running_loop() is not None))

    held = []

    async def guest_main():
        mine = generator("guest's")
        await mine.__anext__()
        held.append(mine)
        del mine
        held.clear()
        gc.collect()
        await asyncio.sleep(0.02)

    async def program():
        mine = generator("host's")
        await mine.__anext__()
        held.append(mine)
        del mine
        with pytest.warns(ResourceWarning, match="generator"):  # Trio's opinion of one that is not closed
            await TrioHost(drive).run(guest_main)
            await trio.sleep(0.01)

    trio.run(program)
    assert sorted(died) == [("guest's", True), ("host's", False)]


def test_a_task_of_trio_may_call_the_guests_loop(drive):
    """Contract 10: the guest sleeps, and is woken."""

    async def guest_main():
        event.append(asyncio.Event())
        await event[0].wait()
        return "woken"

    event = []

    async def program():
        guest = asyncguest.Guest(TrioHost(drive))
        guest.start(guest_main)
        await trio.sleep(0.02)
        guest.loop.call_soon(event[0].set)
        await guest.host.wait(guest)
        return guest.task.result()

    assert trio.run(program) == "woken"


class RecordingHost(TrioHost):
    """Wakes a task at the beginning of each delivery; notes how often it had not come at the beginning of the next
    one."""

    def __init__(self, drive):
        super().__init__(drive)
        self.wake = trio.Event()
        self.overtaken = []

    def watch(self, fd, ready):
        super().watch(fd, functools.partial(self._note, ready))

    def post(self, job):
        super().post(functools.partial(self._note, job))

    def _note(self, delivery):
        self.overtaken.append(self.wake.is_set())
        self.wake.set()
        return delivery()

    async def wake_up(self):
        while True:
            await self.wake.wait()
            self.wake = trio.Event()


def test_trios_tasks_come_between_two_deliveries_of_a_guest_that_is_never_done(drive):
    async def guest_main(host):
        while len(host.overtaken) < 50:
            await asyncio.sleep(0)

    async def program():
        host = RecordingHost(drive)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(host.wake_up)
            await trio.testing.wait_all_tasks_blocked()
            await host.run(guest_main, host, batch_budget=0.001)
            nursery.cancel_scope.cancel()
        assert not any(host.overtaken), host.overtaken

    trio.run(program)


def test_many_guests_in_one_program(drive):
    results = []

    async def program():
        host = TrioHost(drive)

        async def one(number):
            results.append(await host.run(inner, str(number)))

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(one, number)

    trio.run(program)
    assert sorted(results) == sorted(f"hello {number}" for number in range(20))


def test_bad_arguments_say_what_to_do():
    with pytest.raises(RuntimeError, match="inside trio.run"):
        TrioHost()

    async def program():
        with pytest.raises(ValueError, match='"fd", "thread" or None'):
            TrioHost("poll")

    trio.run(program)
