"""One native guest: fds, one alarm, signals, and the waiting. The only user of the native module.

Owns: the `guest_t` and its poster. Every method is for the host thread except `wake`, which any thread may call.
Deliveries are taken in the pull form: the events of one look arrive as a flat list of ints, and no call goes from the
library into Python except the host's post.
"""

from __future__ import annotations

import math
import os
import select
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import RLock, get_ident
from typing import TYPE_CHECKING, Any

from ._errors import GuestClosed, GuestError, WrongThread
from ._native import ffi, lib

if TYPE_CHECKING:
    from typing import TypeAlias

    from ._host import Host

    OnStall: TypeAlias = Callable[[int, float], None]
    PostFailed: TypeAlias = Callable[[int, BaseException], bool]

#: A duration or deadline that never comes.
NO_TIME: int = lib.GUEST_FOREVER

#: How often the library's handler has run for a signal that some loop watches.
signal_arrivals: Callable[[int], int] = lib.guest_signal_arrivals

# Looked up once: an attribute of `lib` costs more each time than one of a module.
_end = lib.asyncguest_py_end

_AGES = 1e10
#: Refusals of `begin`: the token was old, doubled or delivered inside `post`.
HARMLESS = (lib.GUEST_ESTALE, lib.GUEST_EINLINE, lib.GUEST_ECLOSED)
_REFUSED: dict[int, type[Exception]] = {
    lib.GUEST_ECLOSED: GuestClosed,
    lib.GUEST_ETHREAD: WrongThread,
    lib.GUEST_EEXIST: KeyError,
    lib.GUEST_EINVAL: ValueError,
    lib.GUEST_ENOMEM: MemoryError,
}


def seconds(value: float) -> int:
    """Seconds as the library's nanoseconds, rounded up: nothing may be early."""
    if not value < _AGES:  # NaN too is a time that never comes
        return NO_TIME
    return math.ceil(value * 1e9) if value > 0 else 0


def check(status: int) -> None:
    """Raises what a failed call of the library means."""
    if status < 0:
        raise failure(status)


def failure(status: int) -> Exception:
    """What a failed call of the library means; right after it."""
    if status == lib.GUEST_ENULL:
        return GuestClosed("the loop is closed, or this process is a fork of the one that it runs in: make a new loop")
    text = ffi.new("char[400]")
    os_error = ffi.new("int32_t *")
    lib.guest_last_error(ffi.NULL, os_error, text, 400, ffi.NULL)
    message = ffi.string(text).decode()
    if status == lib.GUEST_EOS:
        return OSError(os_error[0], f"{os.strerror(os_error[0])} ({message})")
    return _REFUSED.get(status, GuestError)(message)


class Reactor:
    """A guest of the library, for one loop.

    `posts_to`: the host whose `post` is how to reach it from any thread (drive THREAD); None for a host that watches `fd`
    or waits here. `deliver(token)`: what is posted. `post_failed(in_a_row, error)`: called where `post` has raised;
    returns whether nothing more is to be posted. `on_stall(kind, seconds)`: called on a
    thread of the library after the host has been stuck for `stall_after` seconds. `repost_after`: seconds after which an
    undelivered token is posted again.
    """

    #: Those that are not closed.
    open: weakref.WeakSet[Reactor] = weakref.WeakSet()

    def __init__(
        self,
        *,
        posts_to: Host | None = None,
        deliver: Callable[[int], object] | None = None,
        post_failed: PostFailed | None = None,
        on_stall: OnStall | None = None,
        stall_after: float | None = None,
        repost_after: float | None = None,
        hosted: bool = False,
    ) -> None:
        #: The thread that the loop lives on; see `adopt`.
        self.host_thread = get_ident()
        #: The host's thread is that of the run, for good.
        self._hosted = hosted
        #: Whether an I/O thread of the library does the waiting and posts tokens.
        self.threaded = posts_to is not None
        self._kept: list[Any] = []
        self._host = ffi.new("asyncguest_py_host_t *")
        self._host.failed, self._host.on_stall = self._lend(post_failed), self._lend(on_stall)
        self.post_deliveries(deliver)
        host = ffi.new("guest_host_t *")
        host.struct_size = ffi.sizeof("guest_host_t")
        host.data = self._host
        options = ffi.new("guest_options_t *")
        options.struct_size = ffi.sizeof("guest_options_t")
        options.flags = lib.GUEST_FLAG_PULL
        options.batch_budget = NO_TIME  # asyncio's queue has a budget of its own
        if posts_to is not None:
            options.drive = lib.GUEST_DRIVE_THREAD
            self._host.post, self._host.post_local = self._lend(posts_to.post), self._lend(posts_to.post_local)
            host.post = lib.asyncguest_c_post
            if posts_to.post_local is not None:
                host.post_local = lib.asyncguest_c_post_local
        else:
            options.drive = lib.GUEST_DRIVE_FD if hosted else lib.GUEST_DRIVE_RUN
        if repost_after is not None:
            options.repost_after = seconds(repost_after)
        if on_stall is not None and stall_after:
            options.stall_after = seconds(stall_after)
            host.on_stall = lib.asyncguest_c_stall
        # For what any thread may use, which the end of the loop takes away. Reentrant, for a signal handler of Python's
        # that comes in between and wakes as well.
        self._lock = RLock()
        out = ffi.new("guest_t **")
        check(lib.guest_start(host, options, out))
        #: The guest, NULL when it is closed.
        self.turn = ffi.new("asyncguest_py_turn_t *", {"g": out[0]})
        functions: list[Callable[[int], Any]] = []
        lib.asyncguest_py_functions(self.turn, ffi.cast("void *", id(functions)))
        #: `begin(token)` opens a delivery and looks: what `poll` returns, or the status of a refusal.
        self.begin, self._look = functions
        self._poster = ffi.NULL
        try:
            poster = ffi.new("guest_poster_t **")
            check(lib.guest_poster_new(self.turn.g, poster))
            self._poster = poster[0]
            self._fd = -1
            if not self.threaded:
                fd = ffi.new("guest_os_fd_t *")
                check(lib.guest_fd(self.turn.g, fd))
                self._fd = fd[0]
        except BaseException:
            lib.asyncguest_py_free(self.turn.g)
            self._free_poster()
            raise
        self._alarm_at: float | None = None
        self._signals: dict[int, int] = {}
        Reactor.open.add(self)

    # ---- the way to the host

    def post_deliveries(self, deliver: Callable[[int], object] | None) -> None:
        """From here on what is posted is `deliver(token)`; None: nothing is any more."""
        self._host.job = self._lend(None if deliver is None else partial(partial, deliver))

    def _lend(self, thing: Any) -> Any:
        """For C code, until the end of the guest."""
        self._kept.append(thing)
        return ffi.NULL if thing is None else ffi.cast("void *", id(thing))

    # ---- threads

    def adopt(self) -> None:
        """Makes the calling thread the loop's, if nothing of it is in progress elsewhere.

        asyncio allows a loop to be made on one thread, run on another and closed on a third, one after the other.
        """
        if get_ident() != self.host_thread and not self._hosted:
            self.take_over()

    def take_over(self) -> None:
        """The same for the loop of a run, whose host thread is no more."""
        check(lib.guest_adopt(self.turn.g))
        self.host_thread = get_ident()

    # ---- what is watched

    def watch(self, fd: int, events: int) -> int:
        """Watches a borrowed fd for EVENT_READ, EVENT_WRITE or both; returns the id of the watch."""
        if get_ident() != self.host_thread:
            self.adopt()
        out = ffi.new("uint64_t *")
        check(lib.guest_fd_add(self.turn.g, fd, events, ffi.NULL, ffi.cast("void *", fd), ffi.NULL, out))
        return int(out[0])

    def rewatch(self, watch: int, events: int) -> None:
        """Watches for something else; 0 pauses."""
        if get_ident() != self.host_thread:
            self.adopt()
        check(lib.guest_fd_modify(self.turn.g, watch, events))

    def unwatch(self, watch: int) -> None:
        """Ends a watch. One that is over already is ignored."""
        if get_ident() != self.host_thread:
            self.adopt()
        lib.guest_close(self.turn.g, watch)

    def watch_signal(self, signum: int) -> None:
        """Looks report `signum` from here on."""
        if signum not in self._signals:
            out = ffi.new("uint64_t *")
            check(lib.guest_signal_add(self.turn.g, signum, ffi.NULL, ffi.NULL, ffi.NULL, out))
            self._signals[signum] = int(out[0])

    def unwatch_signal(self, signum: int) -> None:
        """The opposite; the handler that was there before is put back."""
        watch = self._signals.pop(signum, None)
        if watch is not None:
            lib.guest_close(self.turn.g, watch)

    def set_alarm(self, when: float | None) -> None:
        """Something is due at `when`, in the time of `monotonic()`, or nothing is. Not for a time that has passed."""
        if when == self._alarm_at:
            return
        check(lib.guest_deadline(self.turn.g, NO_TIME if when is None else seconds(when)))
        self._alarm_at = when

    @property
    def alarm_at(self) -> float | None:
        """What the alarm is set to."""
        return self._alarm_at

    # ---- deliveries

    def end(self, when: float | None, more: bool) -> None:
        """Ends the innermost delivery: the alarm is set to `when`, or the next delivery is asked for."""
        if more or when == self._alarm_at:
            status = _end(self.turn, 0, 0, more)
        else:
            self._alarm_at = when
            status = _end(self.turn, 1, NO_TIME if when is None else seconds(when), 0)
        if status < 0:
            check(status)

    @contextmanager
    def delivery(self) -> Iterator[None]:
        """A delivery that nobody announced; nothing is looked at yet."""
        self.adopt()
        check(lib.guest_batch_begin(self.turn.g, 0))
        try:
            yield
        finally:
            if not self.closed:  # by a fork inside, for the child
                check(lib.guest_batch_end(self.turn.g))

    def poll(self, nanoseconds: int | None = 0) -> list[int]:
        """What is ready: fd and readiness, or -signum and how often, by turns. If it is to wait for the first event, it does
        so without the interpreter lock; None waits for ever."""
        pairs: list[int] | int = self._look(NO_TIME if nanoseconds is None else nanoseconds)
        if isinstance(pairs, int):
            raise failure(pairs)
        return pairs

    def wait_readable(self, timeout: float | None) -> bool:
        """Waits until something is due, at most `timeout` seconds. Any thread; takes nothing up."""
        if self.threaded:
            raise GuestError("the library's own thread waits for this loop: it cannot be polled by hand")
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(None if timeout is None or timeout >= _AGES else math.ceil(timeout * 1000)))

    def wake(self) -> None:
        """Asks for a delivery. Any thread, also after the end."""
        with self._lock:
            if self._poster != ffi.NULL:
                lib.guest_poster_wake(self._poster)

    # ---- the rest

    @property
    def fd(self) -> int:
        """Readable whenever anything is due. Not in drive THREAD."""
        assert self._fd >= 0, "a guest in drive THREAD has no fd"
        return self._fd

    def stats(self) -> Any:
        """The library's counters, as the C struct."""
        out = ffi.new("guest_stats_t *")
        out.struct_size = ffi.sizeof("guest_stats_t")
        with self._lock:  # another thread may ask, while the loop is being closed
            check(lib.guest_stats(self.turn.g, out))
        return out

    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
        return not self.turn.g

    def close(self) -> None:
        """Frees the guest and joins its thread; once. In a forked child, frees the child's copy."""
        if self.closed:
            return
        try:
            self.adopt()
        except GuestError:
            pass  # in the child of a fork, or in use on another thread: then the library refuses, and nothing is freed
        with self._lock:
            g, self.turn.g = self.turn.g, ffi.NULL
        Reactor.open.discard(self)
        self._signals.clear()
        while lib.guest_batch_end(g) == 0:
            pass  # one that an exception of a signal handler has left open
        lib.asyncguest_py_free(g)
        self._free_poster()
        self._kept.clear()  # no thread of the library is left to come here

    def forget_in_child(self) -> None:
        """The same in the child of a fork, where the thread that held the lock may not exist.

        A loop that lives on a thread that does not exist here is left as it is: that thread may have been inside it.
        """
        self._lock = RLock()
        if self.host_thread == get_ident():
            self.close()
        else:
            self.turn.g = self._poster = ffi.NULL
            Reactor.open.discard(self)

    def _free_poster(self) -> None:
        # A poster keeps fds open, so it may not last until this object is collected.
        with self._lock:
            poster, self._poster = self._poster, ffi.NULL
            lib.guest_poster_free(poster)


@ffi.def_extern(name="asyncguest_py_meet")
def _meet() -> None:
    """See _native.c."""
