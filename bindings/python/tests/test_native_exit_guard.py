"""The exit guard of the native module (native/src): no thread of the library enters an interpreter that ends."""

from __future__ import annotations

import subprocess
import sys

from asyncguest import _native

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
