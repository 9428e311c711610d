"""The end of a Trio program, of its guests, and of those who wait for them (USERS row 3, contract 15)."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading

import asyncguest
import pytest

trio = pytest.importorskip("trio", reason="trio has no wheel for this interpreter")

import trio.testing  # noqa: E402, F811
from asyncguest.hosts.trio import TrioHost  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def warm():
    """Trio's entry queue opens nothing for good, but its first run imports the rest of it."""
    trio.run(trio.sleep, 0)


def test_cancelling_the_waiter_cancels_the_guest_and_waits(drive):
    order = []

    async def guest_main():
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.02)
            order.append("cleaned up")

    async def program():
        with trio.move_on_after(0.02) as scope:
            await TrioHost(drive).run(guest_main)
        assert scope.cancelled_caught
        order.append("told")

    trio.run(program)
    assert order == ["cleaned up", "told"]


def test_the_program_ends_first(drive):
    """USERS row 3: `finally` runs with a living host, `done_callback` comes once."""
    done, order = [], []

    async def guest_main():
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.02)
            order.append("cleaned up")

    async def program():
        asyncguest.Guest(TrioHost(drive), done_callback=done.append).start(guest_main)
        await trio.sleep(0.01)

    trio.run(program)
    assert order == ["cleaned up"]
    assert len(done) == 1 and done[0].cancelled()


def test_a_clean_up_that_has_begun_is_not_cut_off(drive):
    """The run and its waiter are cancelled, then the program ends: the guest is cancelled once."""
    order = []

    async def guest_main():
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.05)
            order.append("cleaned up")

    async def wait(host, guest):
        await host.wait(guest)

    async def program():
        host = TrioHost(drive)
        guest = asyncguest.Guest(host)
        guest.start(guest_main)
        trio.lowlevel.spawn_system_task(wait, host, guest)
        await trio.sleep(0.01)
        guest.cancel()
        await trio.sleep(0.01)

    trio.run(program)
    assert order == ["cleaned up"]


def test_a_guest_that_was_cancelled_and_went_on_is_asked_again_at_the_end(drive):
    done = []

    async def guest_main():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
        await asyncio.sleep(3600)

    async def program():
        guest = asyncguest.Guest(TrioHost(drive), done_callback=done.append)
        guest.start(guest_main)
        guest.cancel()
        await trio.sleep(0.01)
        assert not done

    trio.run(program)
    assert len(done) == 1 and done[0].cancelled()


def test_the_program_ends_with_an_exception(drive):
    done = []

    async def program():
        asyncguest.Guest(TrioHost(drive), done_callback=done.append).start(asyncio.sleep, 3600)
        await trio.sleep(0.01)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trio.run(program)
    assert len(done) == 1 and done[0].cancelled()


def test_a_stubborn_guest_is_abandoned_at_the_deadline(drive):
    done = []

    async def stubborn():
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass

    async def program():
        asyncguest.Guest(TrioHost(drive, deadline=0.05), done_callback=done.append).start(stubborn)
        await trio.sleep(0.01)

    with pytest.warns(RuntimeWarning, match="abandoned"):
        trio.run(program)
    assert len(done) == 1
    assert isinstance(done[0].exception(), asyncguest.GuestError)


def test_a_done_callback_that_raises_is_logged_once(drive, caplog):
    async def program():
        host = TrioHost(drive)
        guest = asyncguest.Guest(host, done_callback=lambda task: 1 // 0)
        guest.start(asyncio.sleep, 0.01)
        await host.wait(guest)
        await trio.sleep(0.01)

    with caplog.at_level(logging.ERROR, "asyncguest"):
        trio.run(program)
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]


# ---- Ctrl-C is Trio's, which took SIGINT


@pytest.mark.parametrize("busy", [False, True])
def test_ctrl_c_goes_to_trio(drive, busy):
    order = []
    killer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))

    async def guest_main():
        try:
            if busy:
                await asyncio.sleep(0.01)  # the first step is still the main task's of Trio
                os.kill(os.getpid(), signal.SIGINT)  # while guest code runs
                for _ in range(1000):
                    pass  # here Python runs the handler
                order.append("guest code is not interrupted")
            else:
                killer.start()
            await asyncio.sleep(3600)
        finally:
            order.append("cleaned up")

    async def program():
        host = TrioHost(drive)
        try:
            await host.run(guest_main)
        except BaseException as error:
            order.append(type(error).__name__)
            raise
        finally:
            if not busy:
                killer.join()

    with pytest.raises(KeyboardInterrupt):
        trio.run(program)
    assert "cleaned up" in order
    if busy:
        assert order[0] == "guest code is not interrupted"


def test_in_the_child_of_a_fork_there_is_nothing_to_wait_for(drive):
    async def program():
        host = TrioHost(drive)
        guest = asyncguest.Guest(host)
        guest.start(asyncio.sleep, 3600)
        child = os.fork()
        if child == 0:
            try:
                await host.wait(guest)
            except asyncguest.GuestClosed:
                os._exit(7)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        guest.cancel()
        with pytest.raises(asyncio.CancelledError):
            await host.wait(guest)
            guest.task.result()

    trio.run(program)


class SlowChild(TrioHost):
    """In the child of a fork nothing of Trio's is touched before the parent lets it."""

    def __init__(self):
        super().__init__("fd")
        self.hold, self.let = os.pipe()

    def forked(self, guest):
        os.read(self.hold, 1)
        super().forked(guest)


def test_the_child_of_a_fork_takes_no_fd_out_of_the_parents_epoll_set():
    """It is Trio's, and both processes have it: the parent's guest would not be woken any more."""

    async def guest_main(children, woken):
        await asyncio.sleep(0)
        children.append(os.fork())
        if not children[0]:
            os._exit(7)
        await woken.wait()

    async def program():
        host, children, woken = SlowChild(), [], asyncio.Event()
        guest = asyncguest.Guest(host)
        guest.start(guest_main, children, woken)
        while not children:
            await trio.sleep(0)
        await trio.testing.wait_all_tasks_blocked()  # by now the parent waits for the guest's fd again
        os.write(host.let, b"x")
        assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 7
        guest.loop.call_soon(woken.set)
        with trio.move_on_after(20):  # in vain, if it is not woken
            while not woken.is_set():
                await trio.sleep(0.001)
        assert woken.is_set()
        await host.wait(guest)
        os.close(host.hold)
        os.close(host.let)

    trio.run(program)
