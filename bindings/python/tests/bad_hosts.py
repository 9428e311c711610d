"""Hosts with one fault each, for test_hostcheck.py, whose child processes import them from here."""

from __future__ import annotations

import ctypes
import os
import select
import threading

from asyncguest.hosts.queue import QueueHost
from good_hosts import Full

# ---- post


class Inlines(QueueHost):
    def post(self, job):
        job()


class OwnThread(QueueHost):
    def post(self, job):
        threading.Thread(target=job, name="my-worker").start()


class DropsAll(QueueHost):
    def post(self, job):
        pass


class DropsEarly(QueueHost):
    runs = False

    def post(self, job):
        if self.runs:
            super().post(job)

    def run(self):
        self.runs = True
        super().run()


class DoesNotWake(QueueHost):
    def post(self, job):
        self._jobs.append(job)


class Twice(QueueHost):
    def post(self, job):
        super().post(job)
        super().post(job)


class Blocks(QueueHost):
    def __init__(self, drive="thread"):
        super().__init__(drive)
        self._thread = threading.get_ident()

    def post(self, job):
        ran = threading.Event()

        def run():
            ran.set()
            job()

        super().post(run)
        if threading.get_ident() != self._thread:
            ran.wait()


class Raises(QueueHost):
    def post(self, job):
        raise OSError("the queue is full")


class Lifo(QueueHost):
    def post(self, job):
        self._jobs.appendleft(job)
        if self._waiting:
            os.eventfd_write(self._wake_fd, 1)


# ---- the loop


class NeverStarts(QueueHost):
    def run(self):
        threading.Event().wait()


class ReturnsAtOnce(QueueHost):
    def run(self):
        pass


class NeverStops(QueueHost):
    def stop(self, *_):
        pass


class Swallows(QueueHost):
    def run_once(self, timeout=None):
        try:
            super().run_once(timeout)
        except Exception:
            pass


class DiesOfAnException(QueueHost):
    dead = False

    def run_once(self, timeout=None):
        if self.dead:
            threading.Event().wait()
        try:
            super().run_once(timeout)
        except Exception:
            self.dead = True
            raise


class Crashes(QueueHost):
    def post(self, job):
        os.abort()


class Greedy(Full):
    """Looks after its timers only at every hundredth turn."""

    turns = 0

    def run_once(self, timeout=None):
        self.turns += 1
        if self.turns % 100:
            QueueHost.run_once(self, 0.01)
        else:
            super().run_once(0)


def greedy(drive):
    return Greedy(drive).harness()


class NotReentrant(Full):
    """A nested loop serves nothing of the guest's."""

    inside = False

    def nested(self, seconds):
        threading.Event().wait(seconds)


def not_reentrant(drive):
    return NotReentrant(drive).harness()


class DiesBadly(Full):
    def detached(self, guest):
        if self._poll.closed:
            raise RuntimeError("wrapped object has been deleted")

    def unwatch(self, fd):
        self.detached(None)
        super().unwatch(fd)


def dies_badly(drive):
    return DiesBadly(drive).harness()


class Lingers(QueueHost):
    """Its thread keeps the interpreter from ending."""

    def __init__(self, drive):
        super().__init__(drive)
        threading.Thread(target=threading.Event().wait).start()


class HoldsTheLock(QueueHost):
    """Sleeps for ever without letting any other thread of the interpreter run, as a bad extension may."""

    def post(self, job):
        ctypes.PyDLL(None).pause()


def never_made():
    threading.Event().wait()


# ---- watch


class KeepsWatching(QueueHost):
    def unwatch(self, fd):
        pass


class EdgeTriggered(QueueHost):
    def watch(self, fd, ready):
        self._ready[fd] = ready
        self._poll.register(fd, select.EPOLLIN | select.EPOLLET)


class OneShot(QueueHost):
    def watch(self, fd, ready):
        def once():
            del self._ready[fd]
            self._poll.unregister(fd)
            return ready()

        super().watch(fd, once)

    def unwatch(self, fd):
        if fd in self._ready:
            super().unwatch(fd)


class Polls(QueueHost):
    """Reports every fd every millisecond, ready or not."""

    def run_once(self, timeout=None):
        super().run_once(0.001)
        for ready in list(self._ready.values()):
            ready()


class ReportsOnAThread(QueueHost):
    def watch(self, fd, ready):
        def elsewhere():
            thread = threading.Thread(target=ready)
            thread.start()
            thread.join()
            return False

        super().watch(fd, elsewhere)


class NeverReports(QueueHost):
    def watch(self, fd, ready):
        pass

    def unwatch(self, fd):
        pass


class Neither(QueueHost):
    """Says that it watches, and forgot to."""

    def watch(self, fd, ready):
        raise NotImplementedError
