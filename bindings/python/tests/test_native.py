"""The native module (native/src), below everything that is asyncio."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
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


# Destructors run, and may meet a loop of another thread, when nothing can be imported any more.
LATE = """
import importlib, importlib.util, sys, threading, types
package = importlib.util.find_spec("asyncguest")
if sys.argv[1] != "asyncguest":  # that module comes before all others of the package
    stub = sys.modules["asyncguest"] = types.ModuleType("asyncguest")
    stub.__path__ = package.submodule_search_locations
    importlib.import_module(sys.argv[1])
    del sys.modules["asyncguest"]
import asyncguest
from asyncguest._native import Reactor, Receiver
from asyncguest.hosts.queue import QueueHost

classes = [asyncguest.WrongThread, asyncguest.GuestError, asyncguest.GuestClosed, asyncguest.SourceGone, OSError]
told = []

def tell(function, *args):
    try:
        function(*args)
    except BaseException as error:
        told.append(type(error))

async def main():
    sys.modules["asyncguest._errors"] = sys.modules["os"] = None
    reactor, receiver = Reactor(), Receiver(None)
    receiver.gone()
    other = threading.Thread(target=tell, args=(reactor.begin, 0))
    other.start()
    other.join()
    tell(reactor.end, None, False)
    with reactor.delivery():
        tell(reactor.watch, 9999, 1)
    reactor.close()
    tell(reactor.begin, 0)
    tell(receiver.take)

host = QueueHost()
asyncguest.Guest(host, done_callback=host.stop).start(main)
host.run()
host.close()
assert set(told) == set(classes) and len(told) == 5, told
"""


GUARDED = """
import asyncio, socket, sys

class Guarded(socket.socket):
    def __new__(cls, *args, **options):
        raise RuntimeError("no sockets in tests")

real, socket.socket = socket.socket, Guarded if sys.argv[1] == "class" else lambda *args: Guarded()
import asyncguest
socket.socket = real
print(asyncguest.run(asyncio.sleep(0, "ran")))
"""


@pytest.mark.parametrize("guard", ["class", "function"])
def test_it_can_be_imported_while_tests_are_kept_from_opening_sockets(guard: str) -> None:
    ended = subprocess.run([sys.executable, "-c", GUARDED, guard], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ran\n", "")


@pytest.mark.parametrize("first", ["asyncguest", "asyncguest._native"])
def test_exceptions_are_there_when_nothing_can_be_imported_any_more(first: str) -> None:
    """They are looked up while the module is imported, whichever of the package's comes first."""
    ended = subprocess.run([sys.executable, "-c", LATE, first], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_no_python_code_runs_below_a_function_of_the_module() -> None:
    """When the interpreter goes, CPython unwinds the stacks of daemon threads that are in Python code; Rust's cannot be."""
    called = []
    sys.setprofile(lambda frame, event, _: called.append(frame.f_code.co_name) if event == "call" else None)
    try:
        reactor = Reactor()
        with reactor.delivery():
            reactor.poll(1)
        reactor.begin(0)
        reactor.end(monotonic() + 1, False)
        open_reactors()
        reactor.close()
    finally:
        sys.setprofile(None)
    assert not called


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


# The exit guard closes for good, so each of these is for a process of its own; and for a module without its package, whose
# hooks would close it or tell it of the fork before the test does.
GUARD = """
import os, sys, threading, types
sys.modules["asyncguest"] = package = types.ModuleType("asyncguest")
package.__path__ = [os.path.dirname(sys.argv[1])]
from asyncguest import _native as module
inside, leave, calls = threading.Event(), threading.Event(), []

class Host:
    post_local = None

    def post(self, job):
        calls.append(job)
        inside.set()
        leave.wait()

def on_stall(kind, seconds):
    calls.append((kind, seconds))

def start(host, **options):
    return module.Reactor(posts_to=host, deliver=print, post_failed=failed, **options)

def failed(in_a_row, error):
    calls.append((in_a_row, repr(error)))
    return in_a_row == 3
"""


def guarded(script: str, printed: str = "") -> None:
    command = [sys.executable, "-c", GUARD + script, _native.__file__]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stderr, result.stdout) == (0, "", printed)


def test_the_exit_guard_shuts_out_and_counts_who_is_inside() -> None:
    guarded("""
reactor = start(Host(), repost_after=0.001)
reactor.wake()
inside.wait()
assert module.close_exit_guard() == 1
leave.set()
reactor.close()  # joins the thread
assert module.close_exit_guard() == 0
late = start(Host(), on_stall=on_stall, stall_after=0.001)
while not late.stats()["io_wakeups"]:
    late.wake()
while late.begin(0) is not None:  # until it has noticed that the host has gone
    late.end(None, False)
late.close()
assert len(calls) == 1, calls
""")


def test_the_exit_guard_does_not_count_the_one_who_closes_it() -> None:
    guarded("""
import time

class Local(Host):
    def post(self, job):
        pass

    def post_local(self, job):
        while module.close_exit_guard() > 0:  # the library's thread may be inside, too, and leaves
            time.sleep(0.001)
        calls.append(job)

reactor = start(Local())
assert reactor.begin(0) == []
reactor.end(None, True)
assert calls
reactor.close()
""")


def test_a_reactor_that_nobody_has_any_more_is_not_open() -> None:
    guarded("""
reactor = module.Reactor()
assert module.open_reactors() == [reactor]
del reactor
assert module.open_reactors() == []
""")


def test_a_host_that_refuses_is_told_of_and_given_up_when_the_package_says_so() -> None:
    guarded("""
class Refusing(Host):
    def post(self, job):
        raise KeyboardInterrupt(job.func is print)

reactor = start(Refusing(), repost_after=0.001)
reactor.wake()
while len(calls) < 3:
    pass
posts = reactor.stats()["reposts"]
while reactor.stats()["reposts"] < posts + 2:
    pass  # taken, and not handed on
reactor.close()
assert calls == [(number, "KeyboardInterrupt(True)") for number in (1, 2, 3)], calls
""")


def test_a_stall_is_told_with_its_kind_and_seconds() -> None:
    guarded("""
def on_stall(kind, seconds):
    calls.append((kind, seconds))
    inside.set()
    raise LookupError  # nobody else hears of it

leave.set()
reactor = start(Host(), on_stall=on_stall, stall_after=0.01)
assert reactor.begin(0) == []
inside.wait()
reactor.end(None, False)
reactor.close()
kind, seconds = calls[0]
assert kind == module.STALL_DELIVERING and seconds >= 0.01
""")


def test_a_forked_child_does_not_wait_for_the_threads_of_its_parent() -> None:
    guarded("""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads: that is what this is about
reactor = start(Host())
reactor.wake()
inside.wait()
child = os.fork()
if child == 0:
    before = module.close_exit_guard()
    module.note_fork()
    os._exit(before * 10 + module.close_exit_guard())
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 10
leave.set()
reactor.close()
""")


def test_an_interpreter_may_end_while_the_io_thread_posts() -> None:
    """Without the exit guard CPython ends the thread in the middle of Rust: "FATAL: exception not rethrown"."""
    guarded(
        """
import atexit, time

class Refusing(Host):
    def post(self, job):
        inside.set()
        raise OSError  # and so it is asked again and again

failed = lambda in_a_row, error: False

class Last:
    # Python code that still runs when other threads may no longer have the lock.
    def __del__(self, sleep=time.sleep, now=time.monotonic, end=time.monotonic() + 10):
        while reactor.stats()["io_wakeups"] == before and now() < end:
            reactor.wake()
            sleep(0.001)
        while reactor.begin(0) is not None and now() < end:
            reactor.end(None, False)
        os.write(1, b"the host has gone" if now() < end else b"nobody has noticed")

reactor = start(Refusing(), repost_after=0.001)
reactor.wake()
inside.wait()
before = reactor.stats()["io_wakeups"]


@atexit.register
def close():
    while module.close_exit_guard() > 0:  # whoever is inside waits for the lock
        time.sleep(0.001)


sys.modules["asyncguest_last"] = Last()
""",
        "the host has gone",
    )


@pytest.mark.once
def test_a_sub_interpreter_is_refused_in_words() -> None:
    interpreters = pytest.importorskip("_interpreters", reason="CPython 3.13 is the first that has this module")
    script = """
import importlib.util
spec = importlib.util.spec_from_file_location("asyncguest._native", PATH)
try:
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    raise SystemExit("it was let in")
except ImportError as error:
    assert "works in the main interpreter alone" in str(error), error
"""
    inner = interpreters.create("legacy")
    try:
        assert interpreters.exec(inner, f"PATH = {_native.__file__!r}" + script) is None
    finally:
        interpreters.destroy(inner)
