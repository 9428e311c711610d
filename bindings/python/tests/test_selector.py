"""What asyncio's transports see of the selector in the cases where the system refuses."""

import asyncio
import os
import socket
import threading

import asyncguest
import pytest


@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, asyncguest.EventLoop], ids=["standard", "ours"])
def test_the_number_of_a_file_that_was_closed_too_early_can_be_registered_anew(make):
    """The first attempt says what is wrong; the stale registration must not stay in the way."""
    loop = make()
    ours, theirs = socket.socketpair()
    again, other = socket.socketpair()
    try:
        fd = ours.fileno()
        loop.add_reader(fd, loop.stop)
        ours.close()  # without remove_reader: the caller's mistake
        os.dup2(again.fileno(), fd)
        with pytest.raises(FileNotFoundError):
            loop.add_writer(fd, loop.stop)
        loop.add_writer(fd, loop.stop)
        loop.run_forever()  # the new file is writable
        loop.remove_writer(fd)
        os.close(fd)
    finally:
        for end in (theirs, again, other):
            end.close()
        loop.close()


@pytest.mark.parametrize("timeout", [float("inf"), 1e300])
def test_a_wait_may_be_longer_than_the_system_can_count(timeout):
    loop = asyncguest.EventLoop()
    waker = threading.Timer(0.01, loop.call_soon_threadsafe, (int,))
    waker.start()
    try:
        assert loop._selector.select(timeout) == []
    finally:
        waker.join()
        loop.close()
