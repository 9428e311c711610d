"""Contract 13: loop signal handlers, the wake-up fd of the process, and Ctrl-C in a run.

The handlers of a loop on any drive are told by the library, whoever owns the wake-up fd. Ctrl-C here comes from
`os.kill` or, to leave the main thread asleep in its host's poll, from `pthread_kill` of another thread.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, run_guest


def current_wakeup_fd():
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    return fd


def in_thread(fn, *args):
    thread = threading.Thread(target=fn, args=args)
    thread.start()
    thread.join()


@pytest.fixture
def own_wakeup_fd():
    """The host's wake-up fd, and its reading end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno())
    yield theirs.fileno(), ours
    assert signal.set_wakeup_fd(-1) == theirs.fileno()
    ours.close()
    theirs.close()


@pytest.mark.parametrize("sig", [signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGRTMIN + 3])
def test_a_handler_hears_of_its_signal(drive, sig):
    async def main():
        loop = asyncio.get_running_loop()
        heard = asyncio.Event()
        loop.add_signal_handler(sig, lambda value: (got.append(value), heard.set()), 7)
        got = []
        os.kill(os.getpid(), sig)
        await heard.wait()
        assert loop.remove_signal_handler(sig) is True
        assert loop.remove_signal_handler(sig) is False
        return got

    before = signal.getsignal(sig)
    assert run_guest(main, drive=drive) == [7]
    assert signal.getsignal(sig) == before


def test_a_handler_wakes_a_host_that_is_asleep_in_poll(drive):
    # The signal is taken by another thread, so that no EINTR gets the host's thread out of its poll.
    async def main():
        heard = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, heard.set)
        asleep = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGUSR1))
        asyncio.get_running_loop().call_later(0.01, asleep.start)
        await heard.wait()
        asleep.join()

    run_guest(main, drive=drive)


def test_the_default_is_back_after_the_run(drive):
    async def main():
        for sig in (signal.SIGUSR1, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(sig, lambda: None)
        await asyncio.sleep(0)

    run_guest(main, drive=drive)
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_two_runs_hear_of_the_same_signal(drive):
    host = QueueHost(drive)
    heard = []

    async def main(name):
        got = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, got.set)
        await got.wait()
        heard.append(name)

    def done(task):
        ended.append(task)
        if len(ended) == 2:
            host.stop()

    ended = []
    for name in "ab":
        asyncguest.Guest(host, done_callback=done).start(main, name)
    host.post(lambda: os.kill(os.getpid(), signal.SIGUSR1))
    host.run()
    host.close()
    assert sorted(heard) == ["a", "b"]
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_adding_is_refused_off_the_main_thread(drive):
    caught = []

    async def main():
        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: None)
        except RuntimeError as error:
            caught.append(str(error))

    in_thread(lambda: run_guest(main, drive=drive))
    assert len(caught) == 1 and "main thread" in caught[0]


@pytest.mark.parametrize("bad, error", [(signal.SIGKILL, RuntimeError), (9999, ValueError), ("2", TypeError)])
def test_a_signal_that_cannot_be_caught(drive, bad, error):
    async def main():
        with pytest.raises(error):
            asyncio.get_running_loop().add_signal_handler(bad, lambda: None)

    run_guest(main, drive=drive)


def test_a_coroutine_function_is_no_handler(drive):
    async def main():
        with pytest.raises(TypeError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, main)
        with pytest.raises(TypeError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, coroutine)

    coroutine = asyncio.sleep(0)
    run_guest(main, drive=drive)
    coroutine.close()


# ---- the wake-up fd


def test_the_wakeup_fd_is_installed_for_the_run_and_restored(drive):
    async def main():
        assert current_wakeup_fd() != -1

    assert current_wakeup_fd() == -1
    run_guest(main, drive=drive)
    assert current_wakeup_fd() == -1


def test_a_python_handler_runs_while_the_host_is_asleep(drive):
    # signal.signal needs some bytecode to run: the wake-up fd is what makes the guest run some.
    heard = threading.Event()
    before = signal.signal(signal.SIGUSR2, lambda *_: heard.set())
    try:

        async def main():
            killer = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGUSR2))
            asyncio.get_running_loop().call_later(0.01, killer.start)
            await asyncio.get_running_loop().run_in_executor(None, heard.wait)
            killer.join()

        run_guest(main, drive=drive)
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_the_wakeup_fd_stays_until_the_last_run_ends(drive):
    host = QueueHost(drive)

    async def main():
        await asyncio.Event().wait()

    guests = [asyncguest.Guest(host) for _ in range(3)]
    for guest in guests:
        guest.start(main)
    ours = current_wakeup_fd()
    for i in (1, 0, 2):
        assert current_wakeup_fd() == ours != -1
        guests[i].shutdown()
    assert current_wakeup_fd() == -1
    host.close()


def test_a_fd_that_the_host_set_meanwhile_is_left_alone(drive):
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    run = Run(drive)

    async def main():
        signal.set_wakeup_fd(theirs.fileno())
        await asyncio.sleep(0.001)

    run.start(main)
    run.finish()
    assert signal.set_wakeup_fd(-1) == theirs.fileno()
    ours.close()
    theirs.close()


def test_a_host_that_says_so_has_the_fd_left_alone(drive):
    async def main():
        assert current_wakeup_fd() == -1
        await asyncio.sleep(0)

    run_guest(main, drive=drive, host_uses_signal_set_wakeup_fd=True)
    host = QueueHost(drive)
    host.uses_wakeup_fd = True  # or the host does
    run_guest(main, host=host)


def test_the_hosts_fd_stays_the_hosts(drive, own_wakeup_fd):
    number, reading_end = own_wakeup_fd

    async def main():
        heard = asyncio.Event()
        assert current_wakeup_fd() == number
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, heard.set)
        assert current_wakeup_fd() == number
        os.kill(os.getpid(), signal.SIGUSR1)
        await heard.wait()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)
        assert current_wakeup_fd() == number

    run_guest(main, drive=drive)
    assert current_wakeup_fd() == number
    assert bytes([signal.SIGUSR1]) in reading_end.recv(100)


@pytest.mark.parametrize("moment", (1, 2, 3))
def test_a_handler_that_runs_just_before_the_guest_falls_asleep(drive, moment):
    # A Python handler or a destructor runs wherever code of Python's does, also after the last look at the ready queue, where
    # no wake-up fd of the guest's tells of it. The loop of this test has one run at each such moment: when its clock is read.
    called = []

    class Loop(asyncguest.EventLoop):
        left = 0

        def time(self):
            if self.left:
                self.left -= 1
                if not self.left:
                    self.call_soon(heard)
            return super().time()

    def heard(how="at once"):
        called.append(how)
        main.gate.set()

    async def main():
        loop, main.gate = asyncio.get_running_loop(), asyncio.Event()
        late = loop.call_later(5, heard, "late")  # for its sake the clock is read, until the delivery ends three times
        loop.left = moment
        await main.gate.wait()
        late.cancel()

    run_guest(main, drive=drive, loop_factory=Loop)
    assert called == ["at once"]
