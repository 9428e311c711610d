"""asyncio programs as hosts, on CPython's loop and on uvloop's (USERS rows 16 and 25, contract 8)."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import sys
import threading

import asyncguest
import asynciohelp
import pytest
from asyncguest.hosts.asyncio import AsyncioHost
from asynciohelp import cancel_all, inner

warm, host_loops, run_host = asynciohelp.warm, asynciohelp.host_loops, asynciohelp.run_host

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_run_returns_the_result(run_host, drive):
    async def program():
        return await AsyncioHost(drive=drive).run(inner, "world", name="inner")

    assert run_host(program()) == "hello world"


def test_run_raises_what_the_guest_raises(run_host, drive):
    async def fails():
        await asyncio.sleep(0)
        raise ZeroDivisionError("in the guest")

    async def program():
        with pytest.raises(ZeroDivisionError, match="in the guest"):
            await AsyncioHost(drive=drive).run(fails)
        return "went on"

    assert run_host(program()) == "went on"


def test_only_runs_of_this_host_are_waited_for(run_host, drive):
    async def program():
        return await asynciohelp.only_its_own_runs_are_waited_for(AsyncioHost(drive=drive), AsyncioHost(drive=drive))

    assert run_host(program()) == "hello world"


def test_both_loops_progress(run_host, drive):
    """Streams in the guest, whose server is the host's."""

    async def echo(reader, writer):
        writer.write(await reader.read(100))
        writer.close()

    async def client(port):
        for number in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"%d" % number)
            writer.write_eof()
            assert await reader.read() == b"%d" % number
            writer.close()
            await writer.wait_closed()
        return "all"

    async def program():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        try:
            return await AsyncioHost(drive=drive).run(client, server.sockets[0].getsockname()[1])
        finally:
            server.close()
            await server.wait_closed()

    assert run_host(program()) == "all"


def test_the_hosts_state_is_unchanged_between_deliveries(run_host, drive):
    """Running loop, current task, context, sniffio's name and async generator hooks."""
    sniffio = pytest.importorskip("sniffio")

    def state():
        return (
            asyncio.get_running_loop(),
            asyncio.current_task(),
            variable.get(),
            sniffio.current_async_library(),
            sys.get_asyncgen_hooks(),
        )

    async def guest_main():
        variable.set("guest's")
        mine = state()
        for _ in range(50):
            await asyncio.sleep(0.0005)
            assert state() == mine
        return mine

    async def program():
        variable.set("host's")
        mine = state()
        host = AsyncioHost(drive=drive)
        guest = asyncguest.Guest(host)
        guest.start(guest_main)
        assert state() == mine
        while guest.state != "ended":
            await asyncio.sleep(0)
            assert state() == mine
        theirs = guest.task.result()
        assert theirs[0] is not mine[0] and theirs[1] is not mine[1]
        assert theirs[2:4] == ("guest's", "asyncio") and theirs[4] != mine[4]

    run_host(program())


def test_the_guest_begins_with_the_hosts_context(run_host, drive):
    async def guest_main():
        before = variable.get()
        variable.set("changed")
        await asyncio.sleep(0)
        return before

    async def program():
        variable.set("host's")
        assert await AsyncioHost(drive=drive).run(guest_main) == "host's"
        assert variable.get() == "host's"

    run_host(program())


def test_async_generators_die_where_they_were_born(run_host, drive):
    died = []

    async def generator(name):
        try:
            yield 1
            yield 2
        finally:
            died.append((name, asyncio.get_running_loop()))

    async def guest_main():
        left = generator("guest's")
        await left.__anext__()
        theirs.append(left)
        await asyncio.sleep(0.02)
        theirs.clear()  # the host's is finalised inside the guest's delivery: it belongs to the host nevertheless
        return asyncio.get_running_loop()

    theirs = []

    async def program():
        mine = generator("host's")
        await mine.__anext__()
        theirs.append(mine)
        del mine
        guest_loop = await AsyncioHost(drive=drive).run(guest_main)
        gc.collect()
        await asyncio.sleep(0.01)
        return guest_loop, asyncio.get_running_loop()

    guest_loop, host_loop = run_host(program())
    assert dict(died) == {"guest's": guest_loop, "host's": host_loop}


def test_a_callback_of_the_host_may_call_the_guests_loop(run_host, drive):
    """Contract 10: by name, since the running loop is the host's there."""

    async def guest_main():
        event = asyncio.Event()
        loop = asyncio.get_running_loop()
        host_loop.call_later(0.02, lambda: loop.call_soon(event.set))
        await event.wait()
        event.clear()
        host_loop.call_later(0.02, event.set)  # wakes a guest that sleeps
        await event.wait()
        return "woken"

    async def program():
        nonlocal host_loop
        host_loop = asyncio.get_running_loop()
        return await AsyncioHost(drive=drive).run(guest_main)

    host_loop = None
    assert run_host(program()) == "woken"


class RecordingHost(AsyncioHost):
    """Asks for a timer at the beginning of each delivery; notes how many had not come at the beginning of the next
    one."""

    def __init__(self, drive):
        super().__init__(drive=drive)
        self.due = []
        self.overtaken = []

    def watch(self, fd, ready):
        super().watch(fd, functools.partial(self._note, ready))

    def post(self, job):
        super().post(functools.partial(self._note, job))

    def _note(self, delivery):
        self.overtaken.append(len(self.due))
        timer = self._loop.call_at(self._loop.time() - 1, lambda: self.due.remove(timer))
        self.due.append(timer)
        return delivery()


def test_the_hosts_timers_come_between_two_deliveries_of_a_guest_that_is_never_done(run_host, drive):
    async def guest_main(host):
        while len(host.overtaken) < 50:
            await asyncio.sleep(0)

    async def program():
        host = RecordingHost(drive)
        await host.run(guest_main, host, batch_budget=0.001)
        while host.due:
            await asyncio.sleep(0)
        assert set(host.overtaken) == {0}, host.overtaken

    run_host(program())


# ---- shapes of hosts


def test_many_guests_in_one_program(run_host, drive):
    async def program():
        host = AsyncioHost(drive=drive)
        return await asyncio.gather(*(host.run(inner, str(number)) for number in range(20)))

    assert run_host(program()) == [f"hello {number}" for number in range(20)]


def test_a_guest_in_a_guest(drive):
    """A guest's own loop is a host like any other."""

    async def middle():
        return await AsyncioHost(drive=drive).run(inner, "from the inside")

    async def program():
        return await AsyncioHost(drive=drive).run(middle)

    assert asyncio.run(program()) == "hello from the inside"


def test_a_loop_without_add_reader_gets_a_thread(monkeypatch):
    class Proactor(asyncio.SelectorEventLoop):
        add_reader = asyncio.AbstractEventLoop.add_reader

    loop = Proactor()
    try:
        assert AsyncioHost(loop).watches_fds is False
        with pytest.raises(ValueError, match='drive="thread"'):
            AsyncioHost(loop, "fd")
        assert loop.run_until_complete(AsyncioHost(loop).run(inner, "x")) == "hello x"
        cancel_all(loop)
    finally:
        loop.close()


def test_a_program_on_another_thread(drive):
    results = []

    async def program():
        results.append(await AsyncioHost(drive=drive).run(inner, "thread"))

    thread = threading.Thread(target=lambda: asyncio.run(program()))
    thread.start()
    thread.join()
    assert results == ["hello thread"]


def test_bad_arguments_say_what_to_do():
    with pytest.raises(RuntimeError, match="no running event loop"):
        AsyncioHost()
    with pytest.raises(TypeError, match="must be an asyncio event loop"):
        AsyncioHost("loop")
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(ValueError, match='"fd", "thread" or None'):
            AsyncioHost(loop, "poll")
    finally:
        loop.close()
