"""QueueHost: posts made on its own thread while it waits."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from asyncguest.hosts.queue import QueueHost


def test_a_post_of_a_signal_handler_is_seen_while_the_host_waits(drive):
    """The handler runs inside the poll, which goes on afterwards (PEP 475): only the wake-up fd ends it."""
    host = QueueHost(drive)
    ran = []

    def handler(signum, frame):
        host.post(lambda: ran.append("job"))

    before = signal.signal(signal.SIGUSR1, handler)
    hit = threading.Timer(0.02, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1))
    hit.start()
    try:
        began = time.monotonic()
        host.run_once(20)
        took = time.monotonic() - began
    finally:
        hit.join()
        signal.signal(signal.SIGUSR1, before)
    host.run_once(0)
    host.close()
    assert ran == ["job"]
    assert took < 10, "the job waited for another event"


def test_jobs_posted_by_jobs_run_without_a_wait(drive):
    """As ever: the host's own posts are no reason to wait, and the order stays."""
    host = QueueHost(drive)
    ran = []

    def job(n):
        ran.append(n)
        if n == 3:
            host.stop()
        else:
            host.post(lambda: job(n + 1))

    host.post(lambda: job(0))
    host.run()
    host.close()
    assert ran == [0, 1, 2, 3]


def test_a_closed_host_takes_no_posts_on_its_own_thread_either(drive):
    host = QueueHost(drive)
    host.close()
    with pytest.raises((OSError, ValueError, RuntimeError)):
        host.post(lambda: None)
