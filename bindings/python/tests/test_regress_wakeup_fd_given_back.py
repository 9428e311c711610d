"""Whoever saves the wake-up fd during a run and gives it back after it gives back an open fd, which is still ours."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import contextmanager

import asyncguest
import pytest
from helpers import Run, host_until, run_guest, settle
from scripts import run_script


@contextmanager
def somebody_elses():
    """As toolkits do around their loops: sets a wake-up fd, and gives back what was there."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        before = signal.set_wakeup_fd(theirs.fileno())
        try:
            yield theirs.fileno()
        finally:
            signal.set_wakeup_fd(before)


@pytest.fixture(autouse=True)
def as_before():
    before = signal.set_wakeup_fd(-1)
    yield
    signal.set_wakeup_fd(-1)
    if before != -1:
        signal.set_wakeup_fd(before)


async def waits(gate):
    await gate.wait()


def started(drive):
    """A run, and what lets it end."""
    run, gate = Run(drive), asyncio.Event()
    run.start(waits, gate)
    return run, gate


def end(started):
    run, gate = started
    run.guest.loop.call_soon(gate.set)
    run.finish()


def in_place():
    return signal.set_wakeup_fd(-1)


def test_the_run_ends_inside_the_hosts_loop(drive):
    it = started(drive)
    with somebody_elses():
        end(it)
    number = in_place()
    assert number != -1
    os.fstat(number)


def test_the_run_begins_inside_the_hosts_loop(drive):
    with somebody_elses() as theirs:
        it = started(drive)
        assert signal.set_wakeup_fd(theirs) == theirs
    end(it)
    assert in_place() == -1


def test_it_is_the_same_pipe_after_many_files(drive):
    it = started(drive)
    with somebody_elses():
        end(it)
        files = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
    number = in_place()
    assert number not in files
    for fd in files:
        os.close(fd)
    again = started(drive)
    assert in_place() == number
    signal.set_wakeup_fd(number)
    end(again)


@pytest.mark.parametrize("order", ((0, 1), (1, 0)))
def test_two_runs_that_end_in_either_order(drive, order):
    runs = [started(drive)]
    with somebody_elses():
        runs.append(started(drive))
        end(runs[order[0]])
    assert (number := in_place()) != -1
    signal.set_wakeup_fd(number)
    end(runs[order[1]])
    assert in_place() == -1


def test_nested_hosts_that_give_back_in_the_wrong_order(drive):
    it = started(drive)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        first = signal.set_wakeup_fd(theirs.fileno())
        second = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(first)
        end(it)
        signal.set_wakeup_fd(second)
        signal.set_wakeup_fd(first)
        signal.set_wakeup_fd(-1)


def test_a_run_is_woken_by_the_fd_that_was_given_back_to_it(drive):
    """It began while somebody's was in place; what they give back is that of a run before."""
    before = started(drive)
    with somebody_elses():
        end(before)
        it = started(drive)
    heard = []
    old = signal.signal(signal.SIGUSR1, lambda *_: heard.append(it[0].guest.loop.call_soon(int)))
    try:
        settle(it[0])
        os.kill(os.getpid(), signal.SIGUSR1)
        host_until(it[0], lambda: heard)
    finally:
        signal.signal(signal.SIGUSR1, old)
    end(it)


def test_alone_and_asyncio_inside_and_around():
    async def inner():
        return "inner"

    async def main():
        with somebody_elses():
            return await asyncio.to_thread(asyncio.run, inner())

    assert asyncguest.run(main()) == "inner"
    assert in_place() == -1


def test_a_fork_has_a_pipe_of_its_own_under_the_same_number(drive):
    async def main():
        number = in_place()
        signal.set_wakeup_fd(number)
        mine = os.fstat(number).st_ino
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.write(writing, b"%d" % os.fstat(number).st_ino)
            os._exit(0)
        os.close(writing)
        with open(reading, "rb") as child:
            assert int(child.read()) != mine
        os.wait()
        assert os.fstat(number).st_ino == mine

    run_guest(main, drive=drive)


@pytest.mark.parametrize("taken", (False, True), ids=("closed", "reused"))
@pytest.mark.parametrize("way", ("fd", "thread", "alone"))
def test_a_program_that_closes_all_fds_between_two_runs(way, taken):
    """As daemons do. The numbers of the pipe may be those of other files then, also in the child of a fork."""
    ended = run_script(
        f"""
        import socket

        async def main():
            came = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, came.set)
            signal.signal(signal.SIGUSR2, lambda *_: os.kill(os.getpid(), signal.SIGUSR1))
            os.kill(os.getpid(), signal.SIGUSR2)
            await came.wait()

        def run():
            if {way!r} == "alone":
                return asyncguest.run(main())
            host = QueueHost({way!r})
            asyncguest.Guest(host, done_callback=host.stop).start(main)
            host.run()
            host.close()

        run()
        os.closerange(3, 256)
        pairs = [socket.socketpair() for _ in range(10)] if {taken} else []
        for ours, theirs in pairs:
            theirs.send(b"theirs")
        pid = os.fork()
        run()
        for ours, theirs in pairs:
            assert ours.recv(10, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b"theirs"
            ours.close()
            theirs.close()
        if pid:
            say("child", os.waitpid(pid, 0)[1])
        """
    ).check()
    assert ended.lines == ["child 0"], ended.stderr
