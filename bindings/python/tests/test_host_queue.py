"""The queue host: no post is lost, from wherever it comes: signal handlers and destructors run on its own thread."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time

import pytest
from asyncguest.hosts.queue import QueueHost

# A post that is not seen waits for the end of this.
LONG = 20.0


@pytest.fixture
def host():
    host = QueueHost()
    yield host
    host.close()


@pytest.fixture
def alarm():
    """Calls a function in a signal handler, soon."""

    def soon(function):
        signal.signal(signal.SIGALRM, lambda *_: function())
        signal.setitimer(signal.ITIMER_REAL, 0.02)

    before = signal.getsignal(signal.SIGALRM)
    yield soon
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def waited(host):
    """How long the host waits for its next job."""
    began = time.monotonic()
    host.run_once(LONG)
    return time.monotonic() - began


def test_a_post_of_a_signal_handler_wakes_the_host(host, alarm):
    ran = []
    alarm(lambda: host.post(lambda: ran.append(1)))
    assert waited(host) < LONG / 2
    assert ran == [1]


def test_a_nested_loop_in_a_signal_handler_leaves_the_waiting_host_awake_to_posts(host, alarm):
    ran = []
    thread = threading.Thread(target=host.post, args=(lambda: ran.append(1),))

    def handler():
        host.run_once(0)
        thread.start()

    alarm(handler)
    assert waited(host) < LONG / 2
    thread.join()
    assert ran == [1]


class Poll:
    """A host's poll that tells whether it would have waited, and does not."""

    def __init__(self, poll):
        self._poll = poll
        self.closed = False
        self.close = poll.close
        self.waits = 0

    def poll(self, timeout, count):
        events = self._poll.poll(0, count)
        if not events and timeout != 0:
            self.waits += 1
        return events


@pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="3.12.1 gives this trace function no opcode events")
def test_a_post_at_any_step_of_run_once_is_seen():
    """Between each two bytecodes, where a signal handler or a destructor may run, or another thread."""
    step = steps = 0
    while step <= steps:  # the last one was reached
        step, steps = step + 1, 0
        host, ran = QueueHost(), []
        poll = host._poll = Poll(host._poll)
        waits = None

        def trace(frame, event, argument):
            nonlocal steps, waits
            if frame.f_code is not QueueHost.run_once.__code__:
                return None
            frame.f_trace_opcodes = True
            if event == "opcode":
                steps += 1
                if steps == step:
                    host.post(lambda: ran.append(1))
                    waits = poll.waits
            return trace

        former = sys.gettrace()
        sys.settrace(trace)
        try:
            host.run_once(LONG)
        finally:
            sys.settrace(former)
        if waits is not None:
            if not ran:
                host.run_once(LONG)
            assert ran == [1]
            assert poll.waits == waits, f"a post at step {step} would not have been seen"
        host.close()
    assert step > 30


def test_posts_of_many_threads_all_arrive(host):
    """Each thread posts while the host is about to wait, or waits, or works."""
    ran = []

    def poster(number):
        for count in range(500):
            host.post(lambda: ran.append((number, count)))

    threads = [threading.Thread(target=poster, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while len(ran) < 2000:
        assert waited(host) < LONG / 2
    for thread in threads:
        thread.join()


def test_a_nested_loop_takes_what_the_outer_one_has_polled(host):
    ran = []
    fd = os.eventfd(1)

    def ready():
        os.eventfd_read(fd)
        host.run_once(0)

    host.watch(fd, ready)
    host._waiting = True  # as when the poll has just come back
    host.post(lambda: ran.append(1))
    host._waiting = False
    assert host._poll.poll(0) == [(fd, select.EPOLLIN), (host._wake_fd, select.EPOLLIN)]
    host.run_once(0)
    assert ran == [1]
    host.unwatch(fd)
    os.close(fd)


def test_a_closed_host_takes_no_posts():
    host = QueueHost()
    host.close()
    with pytest.raises(ValueError):
        host.post(lambda: None)
