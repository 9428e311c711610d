"""What another thread does while a run ends, and a run whose own thread has ended."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time

import asyncguest
import pytest
from asyncguest._native import Reactor
from asyncguest.hosts.queue import QueueHost
from helpers import DRIVES, Run
from scripts import run_script


def in_thread(function, *args):
    """Runs it on another thread; returns the thread and where its outcome will be."""
    outcome = []

    def work():
        try:
            outcome.append(function(*args))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, outcome


def test_what_other_threads_may_call_is_not_interrupted():
    """What frees the guest has to wait for it: each call has the interpreter lock from its beginning to its end."""
    over, ran = [], 0

    def compute():
        nonlocal ran
        while not over:
            ran += 1
            time.sleep(0)  # offers the lock, and asks for it again

    before = sys.getswitchinterval()
    sys.setswitchinterval(60)  # nobody takes it
    reactor = Reactor()
    try:
        thread, _ = in_thread(compute)
        while not ran:
            time.sleep(0)
        began = ran
        for _ in range(300):
            reactor.stats()
            reactor.wake()
        during = ran - began
    finally:
        over.append(True)
        sys.setswitchinterval(before)
        reactor.close()
    thread.join()
    assert during == 0


@pytest.mark.parametrize("on", [True, False])
def test_a_post_from_the_librarys_thread_collects_no_garbage(on):
    """It would end the host's objects there, and Tk the process ("async handler deleted by the wrong thread")."""
    posts, collections = [], []

    class Wasteful(QueueHost):
        def post(self, job):
            posts.append(threading.get_ident())
            kept = [[] for _ in range(5000)]  # more than the first generation takes
            super().post(job)
            del kept

    def collected(phase, _):
        if phase == "start":
            collections.append(threading.get_ident())

    async def main():
        for _ in range(5):
            await asyncio.sleep(0.005)  # from which the I/O thread wakes the host

    before = gc.isenabled()
    gc.callbacks.append(collected)
    (gc.enable if on else gc.disable)()
    try:
        run = Run(host=Wasteful("thread"))
        run.start(main)
        run.finish()
        after = gc.isenabled()
    finally:
        (gc.enable if before else gc.disable)()
        gc.callbacks.remove(collected)
    elsewhere = set(posts) - {threading.get_ident()}
    assert elsewhere, "nothing was posted from the I/O thread"
    assert not elsewhere & set(collections)
    assert after is on


def test_the_child_of_a_fork_during_a_post_collects_garbage():
    inside, goes_on = threading.Event(), threading.Event()

    class Slow(QueueHost):
        def post(self, job):
            if threading.current_thread() is not threading.main_thread():
                inside.set()
                assert goes_on.wait(10)
            super().post(job)

    run = Run(host=Slow("thread"))
    run.start(asyncio.sleep, 0.005)
    assert inside.wait(10)
    is_off = not gc.isenabled()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if gc.isenabled() else 1)
    goes_on.set()
    _, status = os.waitpid(pid, 0)
    run.finish()
    assert is_off and status == 0
    assert gc.isenabled()


def test_a_turn_keeps_the_interpreter_lock(drive):
    """Each time it let go of it, a thread that computes had it for 5 ms: between the look and the first callback, too."""
    over, inside = [], []
    ran = 0

    async def main():
        while not over:
            inside.append(ran)
            await asyncio.sleep(0)

    def compute():
        nonlocal ran
        while not over:
            ran += 1
            time.sleep(0)  # offers the lock, and asks for it again

    before = sys.getswitchinterval()
    sys.setswitchinterval(60)  # nobody takes it
    try:
        run = Run(drive, batch_budget=1e-9, debug=False)  # debug mode reads source files, without the lock
        run.start(main)
        thread, _ = in_thread(compute)
        during = 0
        for turn in range(300):
            while ran <= turn:
                time.sleep(0)
            began = ran
            run.guest.deliver()
            during += inside.pop() - began  # after the delivery it may be the others' turn
    finally:
        over.append(True)
        sys.setswitchinterval(before)
    thread.join()
    run.finish()
    assert during == 0


def test_the_stats_of_a_closed_loop_are_refused():
    loop = asyncguest.EventLoop()
    loop.close()
    with pytest.raises(asyncguest.GuestClosed, match="closed"):
        loop.reactor.stats()


def test_cancel_of_another_thread_that_comes_too_late_says_so(drive):
    """Between its look and its call the run has ended: that is False, no RuntimeError of a closed loop."""
    calls, closed = threading.Event(), threading.Event()

    class Loop(asyncguest.EventLoop):
        def call_soon_threadsafe(self, *args, **options):
            if threading.current_thread() is not threading.main_thread():
                calls.set()
                assert closed.wait(5)
            return super().call_soon_threadsafe(*args, **options)

    async def main():
        await asyncio.sleep(0)
        return "fine"

    run = Run(drive, loop_factory=Loop)
    run.start(main)
    thread, outcome = in_thread(run.guest.cancel)
    assert calls.wait(5)
    assert run.finish() == "fine"
    closed.set()
    thread.join()
    assert outcome == [False]


def abandoned_run(drive):
    """A run whose host thread has returned without ending it."""
    log, guests = [], []

    async def main():
        try:
            await asyncio.sleep(1000)
        finally:
            assert asyncio.get_running_loop() is guests[0].loop
            await asyncio.sleep(0)
            log.append("saved")

    def program():
        host = QueueHost(drive)
        guest = asyncguest.Guest(host, done_callback=lambda task: (log.append("done"), host.close()))
        guests.append(guest)
        guest.start(main)
        while not guest.loop.idle:
            host.run_once(1)

    thread, outcome = in_thread(program)
    thread.join()
    assert outcome == [None]
    return guests[0], log


@pytest.mark.parametrize("where", ("main thread", "later thread"))
def test_a_run_whose_thread_has_ended_can_be_shut_down(drive, where):
    """On any thread; a later one usually has the same identifier, and must not be mistaken for the run's own."""
    guest, log = abandoned_run(drive)

    def shut_down():
        before = asyncio._get_running_loop()
        finished = guest.shutdown(5)
        return finished, asyncio._get_running_loop() is before

    if where == "main thread":
        outcome = [shut_down()]
    else:
        thread, outcome = in_thread(shut_down)
        thread.join()
    assert outcome == [(True, True)]
    assert log == ["saved", "done"]
    assert guest.state == "ended"


def test_a_run_whose_thread_lives_is_still_that_threads(drive):
    """The remedy for dead threads must not open the door to the living."""

    async def main():
        await asyncio.sleep(1000)

    run = Run(drive)
    run.start(main)
    thread, outcome = in_thread(run.guest.shutdown, 1)
    thread.join()
    assert isinstance(outcome[0], asyncguest.WrongThread)
    assert run.guest.shutdown(5)
    run.host.close()


@pytest.mark.parametrize("drive", DRIVES)
def test_a_run_whose_thread_has_ended_is_cleaned_up_at_exit(drive):
    ended = run_script(
        f"""
        async def main():
            try:
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(0)
                say("saved")

        def program():
            host = QueueHost({drive!r})
            guest = asyncguest.Guest(host, done_callback=lambda task: say("done", task.cancelled()))
            guest.start(main)
            while not guest.loop.idle:
                host.run_once(1)

        thread = threading.Thread(target=program)
        thread.start()
        thread.join()
        """
    ).check()
    assert ended.lines == ["saved", "done True"]


def test_a_loop_with_signal_handlers_that_is_closed_on_another_thread_says_what_it_leaves():
    """Only the main thread can give a signal back. asyncio's own loop raises here; to be silent would be the worst."""
    before = signal.getsignal(signal.SIGUSR1)
    loop = asyncguest.EventLoop()
    loop.add_signal_handler(signal.SIGUSR1, int)
    with pytest.warns(ResourceWarning, match="signal"):
        thread, outcome = in_thread(loop.close)
        thread.join()
    assert outcome == [None]
    # The next loop on the main thread that listens puts it right.
    loop = asyncguest.EventLoop()
    loop.add_signal_handler(signal.SIGUSR1, int)
    loop.close()
    assert signal.getsignal(signal.SIGUSR1) is before
