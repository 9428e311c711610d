"""Another asyncio loop on the same host: its code finds the guest's loop behind a guest's dialog, and is told so."""

from __future__ import annotations

import asyncio
import gc

import pytest
from helpers import Dialog, Run


@pytest.fixture
def other():
    """The loop of other code on this thread, as qasync's: it is the running one while no guest has its delivery."""
    loop = asyncio.new_event_loop()
    asyncio._set_running_loop(loop)
    try:
        yield loop
    finally:
        asyncio._set_running_loop(None)
        loop.close()


def fail_in_a_dialog(drive, other, handler=None):
    """The other code's handler makes a task while a dialog of the guest's is open. Returns what loops it has found."""
    run = Run(drive)
    dialog = Dialog(run.host)
    found = []

    async def others_work(future):
        await future

    def others_handler():
        found.append(asyncio.get_running_loop())
        task = asyncio.create_task(others_work(other.create_future()))
        task.add_done_callback(lambda task: dialog.close())

    async def main():
        asyncio.get_running_loop().set_exception_handler(handler)
        run.host.post(others_handler)
        dialog.show()

    run.host.post(lambda: found.append(asyncio.get_running_loop()))
    run.start(main)
    run.finish()
    assert found[-1] is run.guest.loop
    gc.collect()


def test_the_report_names_the_cause(drive, other, caplog):
    fail_in_a_dialog(drive, other)
    assert "attached to a different loop" in caplog.text
    assert 'hint: "two event loops live on this thread.' in caplog.text


def test_a_handler_of_ones_own_gets_it_too(drive, other):
    contexts = []
    fail_in_a_dialog(drive, other, lambda loop, context: contexts.append(context))
    (context,) = contexts
    assert "give it its loop by name" in context["hint"] and isinstance(context["exception"], RuntimeError)


def test_outside_of_the_guests_deliveries_the_other_loop_is_found(drive, other):
    run = Run(drive)
    found = []

    async def main():
        await asyncio.sleep(0)
        run.host.post(lambda: (found.append(asyncio.get_running_loop()), woken.set()))
        await woken.wait()

    woken = asyncio.Event()
    run.start(main)
    run.finish()
    assert found == [other]


@pytest.mark.parametrize(
    "error", [ValueError("attached to a different loop"), RuntimeError("another one"), RuntimeError(7), None]
)
def test_nothing_is_said_about_others(drive, error):
    contexts = []
    run = Run(drive)

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: contexts.append(context))
        loop.call_exception_handler({"message": "a message"} if error is None else {"message": "m", "exception": error})

    run.start(main)
    run.finish()
    assert [sorted(context) for context in contexts] == [["message"] if error is None else ["exception", "message"]]
