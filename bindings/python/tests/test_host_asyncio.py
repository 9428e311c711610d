"""asyncio programs as hosts, on CPython's loop and on uvloop's (USERS rows 16 and 25, contract 8)."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import sys
import threading

import asyncguest
import pytest
from asyncguest.hosts.asyncio import AsyncioHost

try:
    import uvloop
except ImportError:
    uvloop = None

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture(scope="module", autouse=True)
def warm():
    """libuv's own pipe for signals stays open from the first use on."""
    if uvloop is not None:
        loop = uvloop.new_event_loop()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


@pytest.fixture(params=["asyncio", "uvloop", "asyncguest"])
def host_loops(request):
    """Makes the host's loop."""
    if request.param == "uvloop":
        if uvloop is None:
            pytest.skip("uvloop has no wheel for this interpreter")
        return uvloop.new_event_loop
    return asyncguest.EventLoop if request.param == "asyncguest" else asyncio.new_event_loop


@pytest.fixture
def run_host(host_loops):
    """Runs a coroutine as the host program, and ends as `asyncio.run` does."""

    def run(program):
        loop = host_loops()
        try:
            return loop.run_until_complete(program)
        finally:
            try:
                cancel_all(loop)
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.run_until_complete(loop.shutdown_default_executor())
            finally:
                loop.close()

    return run


def cancel_all(loop):
    """What asyncio.run does at its end."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


async def inner(name):
    await asyncio.sleep(0.01)
    return f"hello {name}"


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


def test_the_hosts_state_is_unchanged_between_turns(run_host, drive):
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
        theirs.clear()  # the host's is finalised inside the guest's turn: it belongs to the host nevertheless
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
    """Asks for a timer at the beginning of each turn; notes how many had not come at the beginning of the next one."""

    def __init__(self, drive):
        super().__init__(drive=drive)
        self.due = []
        self.overtaken = []

    def watch(self, fd, ready):
        super().watch(fd, functools.partial(self._note, ready))

    def post(self, job):
        super().post(functools.partial(self._note, job))

    def _note(self, turn):
        self.overtaken.append(len(self.due))
        timer = self._loop.call_at(self._loop.time() - 1, lambda: self.due.remove(timer))
        self.due.append(timer)
        return turn()


def test_the_hosts_timers_come_between_two_turns_of_a_guest_that_is_never_done(run_host, drive):
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


# ---- the end


def test_cancelling_the_waiter_cancels_the_guest_and_waits(run_host, drive):
    order = []

    async def guest_main():
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.02)
            order.append("cleaned up")

    async def program():
        waiter = asyncio.ensure_future(AsyncioHost(drive=drive).run(guest_main))
        await asyncio.sleep(0.02)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        order.append("told")

    run_host(program())
    assert order == ["cleaned up", "told"]


def test_the_program_ends_first(run_host, drive):
    """USERS row 3: `finally` runs with a living host, `done_callback` comes once."""
    done, order = [], []

    async def guest_main():
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.02)
            order.append("cleaned up")

    async def program():
        asyncguest.Guest(AsyncioHost(drive=drive), done_callback=done.append).start(guest_main)
        await asyncio.sleep(0.01)

    run_host(program())
    assert order == ["cleaned up"]
    assert len(done) == 1 and done[0].cancelled()


def test_the_program_ends_at_once(run_host, drive):
    """No task that the host has made has had a step of its own."""
    order = []

    async def guest_main():
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.02)
            order.append("cleaned up")

    async def program():
        asyncguest.Guest(AsyncioHost(drive=drive)).start(guest_main)

    run_host(program())
    assert order == ["cleaned up"]


def test_a_clean_up_that_has_begun_is_not_cut_off(run_host, drive):
    """The waiter is cancelled twice, then the program ends: the guest is cancelled once."""
    order = []

    async def guest_main():
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.05)
            order.append("cleaned up")

    async def program():
        waiter = asyncio.ensure_future(AsyncioHost(drive=drive).run(guest_main))
        await asyncio.sleep(0.01)
        for _ in range(2):
            waiter.cancel()
            await asyncio.sleep(0)

    run_host(program())
    assert order == ["cleaned up"]


def test_a_guest_that_was_cancelled_and_went_on_is_asked_again_at_the_end(run_host, drive, monkeypatch):
    monkeypatch.setattr("asyncguest.hosts.asyncio._PATIENCE", 0.01)
    done = []

    async def guest_main():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
        await asyncio.sleep(3600)

    async def program():
        guest = asyncguest.Guest(AsyncioHost(drive=drive), done_callback=done.append)
        guest.start(guest_main)
        guest.cancel()
        await asyncio.sleep(0.01)
        assert not done

    run_host(program())
    assert len(done) == 1 and done[0].cancelled()


def test_a_loop_that_is_closed_without_a_word(drive):
    """Nobody cancelled its tasks: what is left is shutdown, which the interpreter's exit would call."""
    loop = asyncio.new_event_loop()
    guest = asyncguest.Guest(AsyncioHost(loop, drive), done_callback=lambda task: done.append(task))
    done, order = [], []

    async def guest_main():
        try:
            await asyncio.sleep(3600)
        finally:
            order.append("cleaned up")

    async def program():
        guest.start(guest_main)
        await asyncio.sleep(0)

    loop.set_exception_handler(lambda loop, context: order.append(context["message"]))
    loop.run_until_complete(program())
    loop.close()
    assert guest.shutdown(5)
    assert order == ["cleaned up"]
    assert len(done) == 1
    gc.collect()  # the host's keeper: a task that its own loop has left behind


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_done_callback_that_raises_is_reported_by_the_host_once(run_host, drive):
    reports = []

    async def program():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context["exception"]))
        host = AsyncioHost(drive=drive)
        guest = asyncguest.Guest(host, done_callback=lambda task: 1 // 0)
        guest.start(inner, "x")
        await host.wait(guest)
        await asyncio.sleep(0.01)

    run_host(program())
    assert [type(error) for error in reports] == [ZeroDivisionError]


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
