"""Contract 15: the host's loop ends before the run: `shutdown` drives the clean-up, and everything is told once."""

from __future__ import annotations

import asyncio
import logging
import threading
import warnings

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import FULL, Run


async def tidy(log, delay=0.005):
    """Awaits in its finally block: that needs a loop that still runs."""
    try:
        await asyncio.sleep(60)
    finally:
        log.append("finally begins")
        await asyncio.sleep(delay)
        log.append("finally ends")


def test_shutdown_runs_finally_blocks_without_the_host(drive):
    run, log = Run(drive), []
    run.start(tidy, log)
    assert run.guest.shutdown(5) is True
    assert log == ["finally begins", "finally ends"]
    assert len(run.done) == 1 and run.done[0].cancelled()
    assert run.guest.state == "ended"
    # Once more, and a host that lives on after all: nothing comes again.
    assert run.guest.shutdown(5) is True
    run.host.run_once(0)
    run.host.close()
    assert len(run.done) == 1


def test_everything_is_cleaned_up_as_in_asyncio_run(drive):
    run, log = Run(drive), []

    async def generator():
        try:
            yield 1
        finally:
            log.append("generator")

    async def side():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.to_thread(log.append, "side task, in the executor")

    async def main():
        global kept  # must not be finalised by leaving its only reference here
        kept = generator()
        await anext(kept)
        asyncio.get_running_loop().create_task(side())
        await asyncio.sleep(60)

    run.start(main)
    run.host.run_once(0)
    assert run.guest.shutdown(5) is True
    assert sorted(log) == ["generator", "side task, in the executor"]
    run.host.close()


def test_the_main_task_may_turn_the_cancellation_into_a_result(drive):
    run = Run(drive)

    async def main():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.001)
            return "saved"

    run.start(main)
    assert run.guest.shutdown() is True
    assert run.done[0].result() == "saved"
    run.host.close()


def test_what_has_not_finished_by_the_deadline_is_named_in_one_warning(drive):
    run = Run(drive, name="stubborn run")

    async def never(event):
        while True:
            try:
                await event.wait()
            except asyncio.CancelledError:
                pass

    async def main():
        event = asyncio.Event()
        asyncio.get_running_loop().create_task(never(event), name="limpet")
        await never(event)

    run.start(main)
    run.host.run_once(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert run.guest.shutdown(0.05) is False
    told = [str(w.message) for w in caught if issubclass(w.category, RuntimeWarning)]
    assert len(told) == 1, told
    assert "stubborn run" in told[0]
    assert len(run.done) == 1
    with pytest.raises(asyncguest.GuestError, match="abandoned"):
        run.done[0].result()
    assert run.guest.loop.is_closed()
    run.host.close()


def test_a_blocked_executor_job_does_not_hold_the_deadline_up(drive):
    run, release = Run(drive), threading.Event()

    async def main():
        asyncio.get_running_loop().run_in_executor(None, release.wait)
        await asyncio.sleep(60)

    run.start(main)
    with pytest.warns(RuntimeWarning, match="executor"):
        assert run.guest.shutdown(0.5) is False  # or it waits for what comes only now
    release.set()
    assert len(run.done) == 1 and run.done[0].cancelled()
    run.host.close()


def test_shutdown_while_the_clean_up_runs_already(drive):
    run, log = Run(drive), []

    async def side():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.02)
            log.append("side")

    async def main():
        asyncio.get_running_loop().create_task(side())
        await asyncio.sleep(0)
        return "main's result"

    run.start(main)
    while run.guest.state != "ending":
        run.host.run_once(0.1)
    assert run.guest.shutdown(5) is True
    assert log == ["side"]
    assert run.done[0].result() == "main's result"
    run.host.close()


def test_shutdown_of_a_guest_that_never_started():
    guest = asyncguest.Guest(QueueHost.__new__(QueueHost))
    assert guest.shutdown() is True and guest.state == "new"


def test_shutdown_from_guest_code_is_refused(drive):
    run = Run(drive)

    async def main():
        with pytest.raises(asyncguest.GuestError, match=r"cancel\(\)"):
            run.guest.shutdown()
        await asyncio.sleep(0)
        with pytest.raises(asyncguest.GuestError, match=r"cancel\(\)"):
            run.guest.shutdown()
        # Also not by way of a dialog that guest code has opened.
        refused = []

        def by_the_host():
            try:
                run.guest.shutdown()
            except asyncguest.GuestError as error:
                refused.append(error)

        run.host.post(by_the_host)
        while not refused:
            run.host.run_once()
        return "lives"

    run.start(main)
    assert run.finish() == "lives"


def test_shutdown_on_another_thread_is_refused(drive):
    run, errors = Run(drive), []

    async def main():
        await asyncio.sleep(0.01)
        return "lives"

    def elsewhere():
        try:
            run.guest.shutdown()
        except asyncguest.WrongThread as error:
            errors.append(error)

    run.start(main)
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert len(errors) == 1 and run.finish() == "lives"


def test_cancel_from_another_thread_ends_the_run(drive):
    run, log = Run(drive), []
    run.start(tidy, log)
    timer = threading.Timer(0.01, lambda: log.append(run.guest.cancel("from afar")))
    timer.start()
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    timer.join()
    assert sorted(map(str, log)) == ["True", "finally begins", "finally ends"]


def test_cancels_from_many_threads_while_it_ends(drive):
    # Late ones meet a closed loop: they say False, or at least do not raise.
    for _ in range(100 if FULL else 8):
        run, failed, stop = Run(drive), [], threading.Event()

        async def main():
            await asyncio.sleep(60)

        def cancel_again_and_again():
            try:
                while not stop.is_set():
                    run.guest.cancel()
            except BaseException as error:
                failed.append(error)

        run.start(main)
        threads = [threading.Thread(target=cancel_again_and_again) for _ in range(2)]
        for thread in threads:
            thread.start()
        with pytest.raises(asyncio.CancelledError):
            run.finish()
        stop.set()
        for thread in threads:
            thread.join()
        assert not failed


def test_a_host_that_takes_no_posts_is_reported_and_shutdown_still_works(caplog):
    # Contract 4 and 15: a RuntimeWarning and a log record, no silent loss, no hang.
    gone = threading.Event()
    calls = []

    def post(job):
        calls.append(job)
        gone.set()
        raise ReferenceError("the window is gone")

    log = []
    done = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        task = asyncguest.start_guest_run(tidy, log, run_sync_soon_threadsafe=post, done_callback=done.append)
        guest = task.get_loop().guest
        task.get_loop().call_soon_threadsafe(lambda: None)
        for _ in range(500):
            if guest.abandoned:
                break
            threading.Event().wait(0.01)
        assert guest.abandoned
        count = len(calls)
        assert guest.shutdown(5) is True
    assert log == ["finally begins", "finally ends"] and done == [task]
    told = [str(w.message) for w in caught if issubclass(w.category, RuntimeWarning)]
    assert len(told) == 1 and "abandoned" in told[0] and "window is gone" in told[0]
    records = [record for record in caplog.records if record.name == "asyncguest" and record.levelno >= logging.ERROR]
    assert 1 <= len(records) <= 3
    assert len(calls) == count, "an abandoned host is not posted to any more"
    caplog.clear()


def test_a_post_that_fails_for_a_while_loses_nothing(caplog):
    host = QueueHost("thread")
    failures = iter(range(5))

    def post(job):
        if next(failures, None) is not None:
            raise BlockingIOError("queue full")
        host.post(job)

    async def main():
        await asyncio.sleep(0.001)
        return "went on"

    task = asyncguest.start_guest_run(main, run_sync_soon_threadsafe=post, done_callback=host.stop)
    host.run()
    host.close()
    assert task.result() == "went on"
    assert [record.name for record in caplog.records] == ["asyncguest"]
    caplog.clear()
