"""The C part of the native module (src/asyncguest/_native.c), below everything that is asyncio."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from asyncguest import _native
from asyncguest._native import ffi, lib
from asyncguest._reactor import check


def functions(turn: Any) -> list[Callable[[int], Any]]:
    made: list[Callable[[int], Any]] = []
    lib.asyncguest_py_functions(turn, ffi.cast("void *", id(made)))
    return made


class Pull:
    """A guest of the pull form in drive RUN, with a batch open."""

    def __enter__(self) -> Pull:
        options = ffi.new("guest_options_t *")
        options.struct_size = ffi.sizeof("guest_options_t")
        options.drive, options.flags = lib.GUEST_DRIVE_RUN, lib.GUEST_FLAG_PULL
        options.batch_budget = lib.GUEST_FOREVER
        out = ffi.new("guest_t **")
        assert lib.guest_start(ffi.NULL, options, out) == lib.GUEST_OK
        self.g = out[0]
        self.turn = ffi.new("asyncguest_py_turn_t *", {"g": self.g})
        self.begin, self.look = functions(self.turn)
        assert lib.guest_batch_begin(self.g, 0) == lib.GUEST_OK
        return self

    def __exit__(self, *_: object) -> None:
        lib.guest_batch_end(self.g)
        lib.guest_free(self.g)

    def watch(self, fd: int) -> None:
        added = lib.guest_fd_add(self.g, fd, lib.GUEST_READABLE, ffi.NULL, ffi.cast("void *", fd), ffi.NULL, ffi.NULL)
        assert added == lib.GUEST_OK

    def poll(self, timeout: int = 0) -> list[tuple[int, int]]:
        flat = self.look(timeout)
        return list(zip(flat[::2], flat[1::2], strict=True))


def test_poll_tells_fds_and_signals() -> None:
    reader, writer = os.pipe()
    with Pull() as pull:
        assert pull.poll() == []
        pull.watch(reader)
        os.write(writer, b"x")
        assert pull.poll(lib.GUEST_FOREVER) == [(reader, lib.GUEST_READABLE)]
        os.close(writer)
        assert pull.poll() == [(reader, lib.GUEST_READABLE | lib.GUEST_HANGUP)]
        os.read(reader, 1)
    os.close(reader)
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with Pull() as pull:
            added = lib.guest_signal_add(pull.g, signal.SIGUSR1, ffi.NULL, ffi.NULL, ffi.NULL, ffi.NULL)
            assert added == lib.GUEST_OK
            signal.raise_signal(signal.SIGUSR1)
            assert pull.poll(lib.GUEST_FOREVER) == [(-signal.SIGUSR1, 1)]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_poll_is_silent_about_timers_and_posts() -> None:
    with Pull() as pull:
        assert lib.guest_timer_add(pull.g, 1_000_000, 0, ffi.NULL, ffi.NULL, ffi.NULL, ffi.NULL) == lib.GUEST_OK
        begin = lib.guest_now()
        assert pull.poll(lib.GUEST_FOREVER) == []
        assert lib.guest_now() - begin >= 1_000_000
        assert lib.guest_post(pull.g, ffi.NULL, ffi.NULL, ffi.NULL) == lib.GUEST_OK
        assert pull.poll(lib.GUEST_FOREVER) == []


def test_poll_leaves_what_does_not_fit_for_the_next_one() -> None:
    room = 256  # ASYNCGUEST_PY_EVENTS
    pipes = [os.pipe() for _ in range(room + 1)]
    with Pull() as pull:
        for reader, writer in pipes:
            pull.watch(reader)
            os.write(writer, b"x")
        first, second = pull.poll(), pull.poll()
        assert len(first) == room
        assert {fd for fd, _ in first + second} == {reader for reader, _ in pipes}
    for fd in [fd for pipe in pipes for fd in pipe]:
        os.close(fd)


def test_poll_refuses_what_it_must() -> None:
    with Pull() as pull:
        nothing = ffi.new("asyncguest_py_turn_t *")
        for function in functions(nothing):
            assert function(0) == lib.GUEST_ENULL
            for number, error in ((-1, OverflowError), (1 << 64, OverflowError), ("1", TypeError)):
                with pytest.raises(error):
                    function(number)  # type: ignore[arg-type]
        assert lib.guest_batch_end(pull.g) == lib.GUEST_OK
        assert pull.look(0) == lib.GUEST_EORDER
        assert pull.begin(0) == []


def test_lack_of_memory_is_a_memory_error() -> None:
    with pytest.raises(MemoryError):
        check(lib.GUEST_ENOMEM)


# The exit guard closes for good, so each of these is for a process of its own; and for a module without its package, whose
# hooks would close it or tell it of the fork before the test does.
GUARD = """
import importlib.util, os, sys, threading
spec = importlib.util.spec_from_file_location("asyncguest._native", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
ffi, lib = module.ffi, module.lib
inside, leave, calls = threading.Event(), threading.Event(), []

def post(job):
    calls.append(job)
    inside.set()
    leave.wait()

def post_local(job):
    calls.append((job, lib.asyncguest_py_finalize()))

def on_stall(kind, seconds):
    calls.append((kind, seconds))

def failed(in_a_row, error):
    calls.append((in_a_row, repr(error)))
    return in_a_row == 3

def pointer(part):
    # As the reactor gives it to the library, which keeps none of it alive.
    return ffi.cast("void *", id(part))

def job(token):
    return "job", token

parts = {"post": post, "post_local": post_local, "job": job, "failed": failed, "on_stall": on_stall}
host = ffi.new("asyncguest_py_host_t *", {name: pointer(part) for name, part in parts.items()})
ffi.def_extern(name="asyncguest_py_meet")(lambda: None)
answers = []
thread = threading.Thread(target=lambda: answers.append(lib.asyncguest_c_post(host, 7)))
"""


def guarded(script: str, printed: str = "") -> None:
    command = [sys.executable, "-c", GUARD + script, _native.__file__]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stderr, result.stdout) == (0, "", printed)


def test_the_exit_guard_shuts_out_and_counts_who_is_inside() -> None:
    guarded("""
lib.asyncguest_c_stall(host, 2, 11 * 10**9)
thread.start()
inside.wait()
assert lib.asyncguest_py_finalize() == 1
leave.set()
thread.join()
assert lib.asyncguest_py_finalize() == 0
assert lib.asyncguest_c_post(host, 8) == lib.GUEST_HOST_GONE
assert lib.asyncguest_c_post_local(host, 9) == lib.GUEST_HOST_GONE
lib.asyncguest_c_stall(host, 2, 12 * 10**9)
assert answers == [0] and calls == [(2, 11.0), ("job", 7)], (answers, calls)
""")


def test_the_exit_guard_does_not_count_the_one_who_closes_it() -> None:
    guarded("""
assert lib.asyncguest_c_post_local(host, 3) == 0
assert calls == [(("job", 3), 0)]
""")


def test_a_host_that_refuses_is_told_of_and_given_up_when_the_package_says_so() -> None:
    guarded("""
def refuse(job):
    raise KeyboardInterrupt(*job)

host.post = pointer(refuse)
assert [lib.asyncguest_c_post(host, token) for token in (4, 5)] == [-1, -1]
assert calls == [(1, "KeyboardInterrupt('job', 4)"), (2, "KeyboardInterrupt('job', 5)")], calls
take = calls.append
host.post = pointer(take)
assert lib.asyncguest_c_post(host, 6) == 0
host.post = pointer(refuse)
assert [lib.asyncguest_c_post(host, token) for token in (7, 8, 9, 10)] == [-1, -1, -1, 0]
assert [call[0] for call in calls[3:]] == [1, 2, 3] and host.job == ffi.NULL, calls
""")


def test_a_forked_child_does_not_wait_for_the_threads_of_its_parent() -> None:
    guarded("""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads: that is what this is about
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    before = lib.asyncguest_py_finalize()
    lib.asyncguest_py_note_fork()
    os._exit(before * 10 + lib.asyncguest_py_finalize())
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 10
leave.set()
thread.join()
""")


def test_an_interpreter_may_end_while_the_io_thread_posts() -> None:
    """Without the exit guard CPython ends the thread in the middle of Rust: "FATAL: exception not rethrown"."""
    guarded(
        """
import atexit, time

def refuse(job):
    inside.set()
    raise OSError  # and so it is asked again and again

host.post = pointer(refuse)
host.failed = pointer(bool)

class Last:
    # Python code that still runs when other threads may no longer have the lock.
    def __del__(self, sleep=time.sleep, now=lib.guest_now, end=lib.guest_now() + 5 * 10**9):
        while modify(g, timer[0], 0, 50_000) == 0 and now() < end:
            sleep(0.001)
        os.write(1, b"the host has gone" if now() < end else b"nobody has noticed")

size = ffi.sizeof("guest_host_t")
c_host = ffi.new("guest_host_t *", {"struct_size": size, "data": host, "post": lib.asyncguest_c_post})
options = ffi.new("guest_options_t *", {"struct_size": ffi.sizeof("guest_options_t"), "flags": lib.GUEST_FLAG_PULL})
out = ffi.new("guest_t **")
assert lib.guest_start(c_host, options, out) == lib.GUEST_OK
g, timer, modify = out[0], ffi.new("uint64_t *"), lib.guest_timer_modify
assert lib.guest_timer_add(g, 0, 50_000, ffi.NULL, ffi.NULL, ffi.NULL, timer) == lib.GUEST_OK
inside.wait()
atexit.register(lib.asyncguest_py_finalize)
sys.modules["asyncguest_last"] = Last()
""",
        "the host has gone",
    )
