"""The native module (native/src), below everything that is asyncio: its `Reactor`."""

from __future__ import annotations

import gc
import os
import signal
import threading
import weakref
from collections.abc import Iterator
from time import monotonic
from typing import Any

import asyncguest
import pytest
from asyncguest import _native
from asyncguest._native import NO_TIME, Reactor, open_reactors, seconds

READABLE, WRITABLE, HANGUP = 1, 2, 16


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    """One in drive RUN, with a delivery open."""
    reactor = Reactor()
    with reactor.delivery():
        yield reactor
    reactor.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            pass  # the test has


def test_poll_tells_fds(reactor: Reactor, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    assert reactor.poll() == []
    reactor.watch(reader, READABLE)
    os.write(writer, b"x")
    assert reactor.poll(None) == [reader, READABLE]
    os.close(writer)
    assert reactor.poll() == [reader, READABLE | HANGUP]
    os.read(reader, 1)


def test_poll_tells_signals(reactor: Reactor) -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        arrivals = _native.signal_arrivals(signal.SIGUSR1)
        reactor.watch_signal(signal.SIGUSR1)
        reactor.watch_signal(signal.SIGUSR1)  # once is enough
        signal.raise_signal(signal.SIGUSR1)
        assert reactor.poll(None) == [-signal.SIGUSR1, 1]
        assert _native.signal_arrivals(signal.SIGUSR1) == arrivals + 1
        reactor.unwatch_signal(signal.SIGUSR1)
        reactor.unwatch_signal(signal.SIGUSR1)
        assert signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_poll_is_silent_about_the_alarm_and_wakes(reactor: Reactor) -> None:
    due = monotonic() + 0.001
    reactor.set_alarm(due)
    assert reactor.alarm_at == due
    assert reactor.poll(None) == []
    assert monotonic() >= due
    reactor.wake()
    assert reactor.poll(None) == []


def test_poll_leaves_what_does_not_fit_for_the_next_one(reactor: Reactor) -> None:
    pipes = [os.pipe() for _ in range(257)]
    for reader, writer in pipes:
        reactor.watch(reader, READABLE)
        os.write(writer, b"x")
    first, second = reactor.poll(), reactor.poll()
    assert len(first) == 2 * 256
    assert set((first + second)[::2]) == {reader for reader, _ in pipes}
    for fd in [fd for pipe in pipes for fd in pipe]:
        os.close(fd)


def test_what_is_watched_can_be_changed_and_ended(reactor: Reactor, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.write(writer, b"x")
    watch = reactor.watch(reader, READABLE)
    reactor.rewatch(watch, 0)
    assert reactor.poll() == []
    reactor.rewatch(watch, READABLE)
    assert reactor.poll() == [reader, READABLE]
    reactor.unwatch(watch)
    reactor.unwatch(watch)  # over already: ignored
    assert reactor.poll() == []


def test_what_the_library_refuses_is_the_exception_that_fits(reactor: Reactor, pipe: tuple[int, int]) -> None:
    reader, _ = pipe
    reactor.watch(reader, READABLE)
    with pytest.raises(KeyError, match="registered already"):
        reactor.watch(reader, READABLE)
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        reactor.watch(9999, READABLE)
    assert caught.value.errno == 9
    with pytest.raises(ValueError, match=r"(?i)signal"):
        reactor.watch_signal(signal.SIGKILL)
    with pytest.raises(asyncguest.GuestError):
        reactor.rewatch(0x7FFF, READABLE)
    for wrong in (-1, 2**64, "x", None):
        with pytest.raises((OverflowError, TypeError)):
            reactor.begin(wrong)  # type: ignore[arg-type]


def test_a_delivery_has_an_order() -> None:
    reactor = Reactor()
    with pytest.raises(asyncguest.GuestError, match="begin"):
        reactor.poll()
    assert reactor.begin(0) == []
    reactor.end(None, False)
    with pytest.raises(asyncguest.GuestError, match="begin"):
        reactor.end(None, False)
    assert reactor.begin(12345) is None  # a foreign token
    reactor.close()


def test_a_closed_one_says_so() -> None:
    reactor = Reactor()
    assert reactor in open_reactors() and not reactor.closed
    reactor.close()
    reactor.close()
    assert reactor not in open_reactors() and reactor.closed
    reactor.wake()  # allowed
    for call in (
        lambda: reactor.begin(0),
        reactor.poll,
        lambda: reactor.end(None, True),
        lambda: reactor.watch(0, READABLE),
        lambda: reactor.set_alarm(1.0),
        reactor.stats,
        reactor.take_over,
        reactor.delivery().__enter__,
    ):
        with pytest.raises(asyncguest.GuestClosed, match="make a new loop"):
            call()


def test_another_thread_may_take_over_what_is_at_rest(pipe: tuple[int, int]) -> None:
    reactor, failed = Reactor(), []

    def use() -> None:
        try:
            with reactor.delivery():
                reactor.unwatch(reactor.watch(pipe[0], READABLE))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert not failed and reactor.host_thread == thread.ident
    with reactor.delivery():
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
    assert isinstance(failed[0], asyncguest.GuestError)
    reactor.close()


@pytest.mark.parametrize("value", [1, True, 10**400, -(10**400), float("nan")])
def test_any_number_is_a_time(value: Any) -> None:
    reactor = Reactor()
    with reactor.delivery():
        reactor.set_alarm(value)
        reactor.end(value, False)
        reactor.begin(0)
    assert seconds(value) == (NO_TIME if not value < 2 else 10**9 if value > 0 else 0)
    with pytest.raises(TypeError):
        reactor.set_alarm("soon")  # type: ignore[arg-type]
    reactor.close()
    Reactor(posts_to=Host(), on_stall=print, stall_after=value, repost_after=value).close()  # type: ignore[arg-type]


class Host:
    """What a reactor in drive THREAD posts to."""

    post_local = None

    def __init__(self) -> None:
        self.posted = threading.Event()
        self.jobs: list[Any] = []

    def post(self, job: Any) -> None:
        self.jobs.append(job)
        self.posted.set()


def test_what_is_posted_is_a_delivery_with_its_token() -> None:
    host, delivered = Host(), []
    reactor = Reactor(posts_to=host, deliver=delivered.append)  # type: ignore[arg-type]
    assert reactor.threaded
    with pytest.raises(AssertionError, match="no fd"):
        _ = reactor.fd
    reactor.wake()
    assert host.posted.wait(10)
    host.jobs[0]()
    assert reactor.begin(delivered[0]) == []
    reactor.end(None, False)
    assert reactor.begin(delivered[0]) is None  # it is old now
    reactor.close()


def test_a_thread_of_the_library_is_one_thread_for_python_and_leaves_nothing_behind() -> None:
    """Its thread state, and with that what it has of a threading.local, lives from its first post until it ends."""
    local, seen = threading.local(), []

    class Thing:
        pass

    class Remembering(Host):
        def post(self, job: Any) -> None:
            if not hasattr(local, "thing"):
                local.thing = Thing()
                seen.append(weakref.ref(local.thing))
            super().post(job)

    host = Remembering()
    reactor = Reactor(posts_to=host, deliver=print)  # type: ignore[arg-type]
    for _ in range(3):
        reactor.wake()
        assert host.posted.wait(10)
        host.posted.clear()
        assert reactor.begin(host.jobs[-1].args[0]) == []
        reactor.end(None, False)
    assert len(seen) == 1 and seen[0]() is not None
    reactor.close()
    assert seen[0]() is None


def test_what_a_reactor_was_given_is_freed_with_it_and_cycles_are_found() -> None:
    class Deliver:
        def __call__(self, token: int) -> None: ...

    deliver = Deliver()
    gone = weakref.ref(deliver)
    reactor = Reactor(deliver=deliver)
    assert deliver in gc.get_referents(reactor)
    deliver.reactor = reactor  # type: ignore[attr-defined]
    reactor.close()
    del deliver, reactor
    assert gone() is None  # closing has let go of it
    deliver = Deliver()
    gone = weakref.ref(deliver)
    deliver.reactor = Reactor()  # type: ignore[attr-defined]
    deliver.reactor.close()  # type: ignore[attr-defined]
    deliver.reactor.post_deliveries(deliver)  # type: ignore[attr-defined]
    del deliver
    assert gone() is not None
    gc.collect()
    assert gone() is None
