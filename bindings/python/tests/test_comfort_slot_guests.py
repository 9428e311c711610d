"""`slot`: in which guest it starts its task, on which thread, inside of which of the host's loops."""

from __future__ import annotations

import asyncio
import threading

import asyncguest
import pytest
from asyncguest import slot
from helpers import Dialog, Run, host_until, run_guest, settle


def test_a_slot_belongs_to_the_guest_that_has_made_it(drive):
    first, second = Run(drive), Run(drive)
    clicks, seen = [], []
    over = threading.Event()

    async def note():
        seen.append(asyncguest.current_guest())

    async def main():
        clicks.append(slot(note))
        while not over.is_set():
            await asyncio.sleep(0.001)

    for run in (first, second):
        run.start(main)
    for click in reversed(clicks):
        click()
    assert seen == [second.guest, first.guest]
    over.set()
    for run in (second, first):
        host_until(run, lambda run=run: run.done)
        run.finish()
    with pytest.raises(asyncguest.GuestError, match="no guest runs here"):
        clicks[0]()


def test_made_before_the_start_it_finds_the_guest_that_is_there():
    seen = []

    async def note():
        seen.append(asyncguest.current_guest())

    click = slot(note)
    with pytest.raises(asyncguest.GuestError, match="no guest runs here"):
        click()
    run = Run()
    run.start(asyncio.sleep, 3600)
    click()
    assert seen == [run.guest]
    run.guest.cancel()
    with pytest.raises(asyncio.CancelledError):
        run.finish()


@pytest.mark.parametrize("busy", ["overlap", "drop", "restart", "queue"])
@pytest.mark.parametrize("runs", [False, True])
def test_on_another_thread_it_says_so(runs, busy):
    errors = []

    def call(click):
        try:
            click()
        except asyncguest.GuestError as error:
            errors.append(error)

    async def main():
        click = slot(asyncio.sleep, 3600, busy=busy)
        if runs:
            click()
        thread = threading.Thread(target=call, args=(click,))
        thread.start()
        await asyncio.to_thread(thread.join)

    run_guest(main)
    (error,) = errors
    assert isinstance(error, asyncguest.WrongThread) and "call_soon_threadsafe(slot)" in str(error)


def test_in_a_nested_loop_of_the_host(drive):
    run, log = Run(drive), []

    async def clicked(dialog):
        await asyncio.sleep(0)
        log.append("clicked")
        dialog.close()

    async def main():
        dialog = Dialog(run.host)
        run.host.post(slot(clicked, dialog))
        dialog.show()
        log.append("closed")

    run.start(main)
    run.finish()
    assert log == ["clicked", "closed"]


def test_settles(drive):
    """A slot's task that has ended leaves the guest idle."""
    run = Run(drive)
    run.start(asyncio.sleep, 3600)
    settle(run)
    slot(asyncio.sleep, 0)()
    settle(run)
    run.guest.cancel()
    with pytest.raises(asyncio.CancelledError):
        run.finish()
