"""Contract 13: Ctrl-C during a run cancels the main task, as `asyncio.run` does; a further one raises in the host."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def interrupt_another_thread():
    """The C handler runs on a thread that is not the main one: no EINTR for the host's poll."""
    thread = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT))
    thread.start()
    thread.join()


async def sleeper(cleaned):
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0)
        cleaned.append(True)


@pytest.mark.parametrize("how", [interrupt, interrupt_another_thread])
def test_ctrl_c_cancels_the_main_task(drive, how):
    run, cleaned = Run(drive), []
    run.start(sleeper, cleaned)
    timer = threading.Timer(0.02, how)  # while the host is asleep in its poll
    timer.start()
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    timer.join()
    assert cleaned == [True]
    assert run.guest.interrupted_count == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_guest_code_cancels_at_the_next_await(drive):
    run, reached = Run(drive), []

    async def main():
        interrupt()
        reached.append("went on")
        await asyncio.sleep(60)

    run.start(main)
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    assert reached == ["went on"]


def test_the_main_task_may_refuse(drive):
    # As in asyncio.run: a task that swallows the cancellation goes on, and its result is its own.
    run = Run(drive)

    async def main():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "saved"

    run.start(main)
    run.host.post(interrupt)
    assert run.finish() == "saved"


def test_a_second_ctrl_c_raises_in_the_host_and_shutdown_still_works(drive):
    run, cleaned = Run(drive), []

    async def stubborn():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            run.host.post(interrupt)
            try:
                await asyncio.Event().wait()
            finally:
                cleaned.append(True)

    run.start(stubborn)
    run.host.post(interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.host.run()
    assert run.guest.state == "running" and not run.done
    # It has swallowed the first cancellation, so towards the deadline it is cancelled once more.
    assert run.guest.shutdown(1) is True
    assert cleaned == [True] and len(run.done) == 1
    run.host.close()


def test_a_handler_that_the_program_set_is_left_alone(drive):
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append(True))
    try:
        run = Run(drive)

        async def main():
            interrupt()
            await asyncio.sleep(0.01)
            return "done"

        run.start(main)
        assert run.finish() == "done"
        assert heard == [True] and run.guest.interrupted_count == 0
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_loop_handler_for_sigint_takes_the_place_of_the_cancellation(drive):
    run = Run(drive)

    async def main():
        heard = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, heard.set)
        loop.call_later(0.01, interrupt_another_thread)
        await heard.wait()
        assert asyncio.current_task().cancelling() == 0 if hasattr(asyncio.Task, "cancelling") else True
        return "heard"

    run.start(main)
    assert run.finish() == "heard"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_ctrl_c_after_one_of_two_runs_has_ended(drive, order):
    host = QueueHost(drive)
    done = []

    def note(task):
        done.append(task)

    guests = [asyncguest.Guest(host, done_callback=note) for _ in range(2)]
    for guest in guests:
        guest.start(sleeper, [])
    first, second = (guests[i] for i in order)
    first.shutdown()
    assert done == [first.task]
    threading.Timer(0.01, interrupt_another_thread).start()
    while len(done) < 2:
        host.run_once()  # a KeyboardInterrupt here would mean that nobody has taken the signal
    assert second.task.cancelled() and second.interrupted_count == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    host.close()


def test_ctrl_c_cancels_every_run_of_the_thread(drive):
    host = QueueHost(drive)
    done = []

    def note(task):
        done.append(task)

    guests = [asyncguest.Guest(host, done_callback=note) for _ in range(3)]
    for guest in guests:
        guest.start(sleeper, [])
    host.post(interrupt)
    while len(done) < 3:
        host.run_once()
    assert all(task.cancelled() for task in done)
    host.close()


def test_ctrl_c_during_shutdown_ends_it_at_once(drive, caplog):
    # The user is impatient: the clean-up that would last is abandoned and named, done_callback still comes.
    run = Run(drive)

    async def main():
        try:
            await asyncio.Event().wait()
        finally:
            asyncio.get_running_loop().call_soon(interrupt)
            await asyncio.sleep(60)

    run.start(main)
    interrupt()
    with pytest.warns(RuntimeWarning, match="abandoned"), pytest.raises(KeyboardInterrupt):
        run.guest.shutdown(30)
    assert len(run.done) == 1
    with pytest.raises(asyncguest.GuestError):
        run.done[0].result()
    run.host.close()
    assert "KeyboardInterrupt in a callback" in caplog.text
    caplog.clear()  # the records hold the traceback, and so the loop


def test_a_run_on_another_thread_leaves_ctrl_c_alone(drive):
    seen = []

    def other():
        run = Run(drive)

        async def main():
            seen.append(signal.getsignal(signal.SIGINT))
            await asyncio.sleep(0.001)

        run.start(main)
        run.finish()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
