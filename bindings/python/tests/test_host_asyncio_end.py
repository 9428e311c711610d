"""The end of an asyncio program, of its guests, and of those who wait for them (USERS row 3, contract 15)."""

from __future__ import annotations

import asyncio
import gc

import asyncguest
import asynciohelp
import pytest
from asyncguest.hosts.asyncio import AsyncioHost
from asynciohelp import inner

warm, host_loops, run_host = asynciohelp.warm, asynciohelp.host_loops, asynciohelp.run_host


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
    monkeypatch.setattr("asyncguest.hosts._awaited._PATIENCE", 0.002)  # of the 5 s
    done = []

    async def guest_main(went_on):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            went_on()
        await asyncio.sleep(3600)

    async def program():
        loop, went_on = asyncio.get_running_loop(), asyncio.Event()
        guest = asyncguest.Guest(AsyncioHost(drive=drive), done_callback=done.append)
        guest.start(guest_main, lambda: loop.call_soon_threadsafe(went_on.set))
        guest.cancel()
        await went_on.wait()
        assert not done

    run_host(program())
    assert len(done) == 1 and done[0].cancelled()


def test_a_guest_that_will_not_end_is_given_up_at_its_deadline(run_host, drive):
    done = []

    async def guest_main():
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass

    async def program():
        guest = asyncguest.Guest(AsyncioHost(drive=drive, deadline=0.05), done_callback=done.append, name="stubborn")
        guest.start(guest_main)
        await asyncio.sleep(0)

    with pytest.warns(RuntimeWarning, match="stubborn"):
        run_host(program())
    assert len(done) == 1


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
