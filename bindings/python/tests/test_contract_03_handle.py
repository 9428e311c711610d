"""Contract point 3: the handle, the task, and cancel straight from a button handler."""

from __future__ import annotations

import asyncio

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, run_guest, settle


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


def test_the_loop_leads_to_the_guest(drive: str) -> None:
    async def main() -> bool:
        guest = asyncguest.current_guest()
        return isinstance(guest, asyncguest.Guest) and guest.loop is asyncio.get_running_loop()

    run = Run(drive)
    task = run.start(main)
    assert task.get_loop().guest is run.guest  # type: ignore[attr-defined]
    assert asyncguest.current_guest() is run.guest, "between deliveries, in a thread without a loop of its own"
    assert run.finish() is True


def test_start_guest_run_makes_such_a_guest() -> None:
    host = QueueHost("thread")
    task = asyncguest.start_guest_run(
        forever, run_sync_soon_threadsafe=host.post, done_callback=host.stop, name="a name"
    )
    guest = task.get_loop().guest  # type: ignore[attr-defined]
    assert isinstance(guest, asyncguest.Guest) and guest.task is task and guest.name == "a name"
    assert task.get_name() == "a name"
    assert guest.cancel()
    host.run()
    host.close()
    assert task.cancelled()


def test_the_returned_task_is_an_asyncio_task(drive: str) -> None:
    async def main(*args: int) -> tuple[int, ...]:
        return args

    run = Run(drive)
    task = run.start(main, 1, 2)
    assert isinstance(task, asyncio.Task) and task is run.guest.task
    assert task.get_coro().__name__ == "main"  # type: ignore[union-attr]
    assert run.finish() == (1, 2)


def test_cancel_straight_from_a_handler(drive: str) -> None:
    """No call_soon_threadsafe, no help: the guest sleeps and must notice."""
    run = Run(drive)
    task = run.start(forever)
    settle(run)
    run.host.post(lambda: task.cancel("clicked"))
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    assert task.cancelled()


def test_states_in_order(drive: str) -> None:
    run = Run(drive)
    assert run.guest.state == "new"
    for what in ("loop", "task"):
        with pytest.raises(asyncguest.GuestClosed, match="start"):
            getattr(run.guest, what)
    seen = []

    async def side() -> None:
        try:
            await forever()
        finally:
            seen.append(asyncguest.current_guest().state)

    async def main() -> None:
        seen.append(asyncguest.current_guest().state)
        task = asyncio.create_task(side())
        await asyncio.sleep(0)
        del task

    run.start(main)
    run.finish()
    assert seen == ["running", "ending"]
    assert run.guest.state == "ended"
    assert run.guest.loop.is_closed() and run.guest.loop.guest is None
    assert run.guest.task.done()


def test_without_a_guest_there_is_no_current_one() -> None:
    with pytest.raises(asyncguest.GuestError, match="no guest"):
        asyncguest.current_guest()

    async def alone() -> None:
        with pytest.raises(asyncguest.GuestError, match="no guest"):
            asyncguest.current_guest()

    asyncguest.run(alone())


def test_cancel_of_the_handle_works_from_any_thread(drive: str) -> None:
    import threading

    run = Run(drive)
    assert run.guest.cancel() is False, "nothing to cancel before the start"
    run.start(forever)
    settle(run)
    thread = threading.Thread(target=run.guest.cancel)
    thread.start()
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    thread.join()
    assert run.guest.cancel() is False, "nothing to cancel after the end"


def test_a_repr_says_what_it_is(drive: str) -> None:
    guest = asyncguest.Guest(QueueHost(drive), name="downloads")
    assert "downloads" in repr(guest) and "new" in repr(guest) and "QueueHost" in repr(guest)
    guest.host.close()  # type: ignore[attr-defined]


def test_one_after_the_other(drive: str) -> None:
    async def main(number: int) -> int:
        await asyncio.sleep(0)
        return number

    assert [run_guest(main, number, drive=drive) for number in range(20)] == list(range(20))
