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
from threading import RLock, get_ident
from typing import TYPE_CHECKING, Any

from ._errors import GuestClosed, GuestError, WrongThread
from ._native import ffi, lib

if TYPE_CHECKING:
    from typing import TypeAlias

    Post: TypeAlias = Callable[[int], None]
    OnStall: TypeAlias = Callable[[int, float], None]

__all__ = ["Reactor", "NO_TIME", "seconds", "signal_arrivals"]

#: A duration or deadline that never comes.
NO_TIME: int = lib.GUEST_FOREVER

#: How often the library's handler has run for a signal that some loop watches.
signal_arrivals: Callable[[int], int] = lib.guest_signal_arrivals

# What a delivery calls, looked up once: an attribute of `lib` costs more each time than one of a module.
_begin, _poll, _end = lib.asyncguest_py_begin, lib.asyncguest_py_poll, lib.asyncguest_py_end
_unpack = ffi.unpack

_CAPACITY = 512
_AGES = 1e10
_HARMLESS = (lib.GUEST_ESTALE, lib.GUEST_EINLINE, lib.GUEST_ECLOSED)
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
    if status >= 0:
        return
    if status == lib.GUEST_ENULL:
        raise GuestClosed("the loop is closed, or this process is a fork of the one that it runs in: make a new loop")
    text = ffi.new("char[400]")
    os_error = ffi.new("int32_t *")
    lib.guest_last_error(ffi.NULL, os_error, text, 400, ffi.NULL)
    message = ffi.string(text).decode()
    if status == lib.GUEST_EOS:
        raise OSError(os_error[0], f"{os.strerror(os_error[0])} ({message})")
    raise _REFUSED.get(status, GuestError)(message)


class Reactor:
    """A guest of the library, for one loop.

    `post(token)`: how to reach the host from any thread (drive THREAD); None for a host that watches `fd` or waits
    here. `post_local(token)`: the same on the host thread, if there is a cheaper way. `on_stall(kind, seconds)`,
    called on a thread of the library after the host has been stuck for `stall_after` seconds. `repost_after`: seconds
    after which an undelivered token is posted again.
    """

    #: Those that are not closed.
    open: weakref.WeakSet[Reactor] = weakref.WeakSet()

    def __init__(
        self,
        *,
        post: Post | None = None,
        post_local: Post | None = None,
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
        self.threaded = post is not None
        self.post, self.post_local, self.on_stall = post, post_local, on_stall
        self._handle: Any = ffi.new_handle(self)
        self._pairs = ffi.new("int32_t[]", _CAPACITY)
        host = ffi.new("guest_host_t *")
        host.struct_size = ffi.sizeof("guest_host_t")
        host.data = self._handle
        options = ffi.new("guest_options_t *")
        options.struct_size = ffi.sizeof("guest_options_t")
        options.flags = lib.GUEST_FLAG_PULL
        options.batch_budget = NO_TIME  # asyncio's queue has a budget of its own
        if post is not None:
            options.drive = lib.GUEST_DRIVE_THREAD
            host.post = lib.asyncguest_c_post
            if post_local is not None:
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
        self._g = out[0]
        self._poster = ffi.NULL
        try:
            poster = ffi.new("guest_poster_t **")
            check(lib.guest_poster_new(self._g, poster))
            self._poster = poster[0]
            self._fd = -1
            if not self.threaded:
                fd = ffi.new("guest_os_fd_t *")
                check(lib.guest_fd(self._g, fd))
                self._fd = fd[0]
        except BaseException:
            lib.guest_free(self._g)
            self._free_poster()
            raise
        self._alarm_at: float | None = None
        self._signals: dict[int, int] = {}
        Reactor.open.add(self)

    # ---- threads

    def adopt(self) -> None:
        """Makes the calling thread the loop's, if nothing of it is in progress elsewhere.

        asyncio allows a loop to be made on one thread, run on another and closed on a third, one after the other.
        """
        if get_ident() != self.host_thread and not self._hosted:
            self.take_over()

    def take_over(self) -> None:
        """The same for the loop of a run, whose host thread is no more."""
        check(lib.guest_adopt(self._g))
        self.host_thread = get_ident()

    # ---- what is watched

    def watch(self, fd: int, events: int) -> int:
        """Watches a borrowed fd for EVENT_READ, EVENT_WRITE or both; returns the id of the watch."""
        if get_ident() != self.host_thread:
            self.adopt()
        out = ffi.new("uint64_t *")
        check(lib.guest_fd_add(self._g, fd, events, ffi.NULL, ffi.cast("void *", fd), ffi.NULL, out))
        return int(out[0])

    def rewatch(self, watch: int, events: int) -> None:
        """Watches for something else; 0 pauses."""
        if get_ident() != self.host_thread:
            self.adopt()
        check(lib.guest_fd_modify(self._g, watch, events))

    def unwatch(self, watch: int) -> None:
        """Ends a watch. One that is over already is ignored."""
        if get_ident() != self.host_thread:
            self.adopt()
        lib.guest_close(self._g, watch)

    def watch_signal(self, signum: int) -> None:
        """Looks report `signum` from here on."""
        if signum not in self._signals:
            out = ffi.new("uint64_t *")
            check(lib.guest_signal_add(self._g, signum, ffi.NULL, ffi.NULL, ffi.NULL, out))
            self._signals[signum] = int(out[0])

    def unwatch_signal(self, signum: int) -> None:
        """The opposite; the handler that was there before is put back."""
        watch = self._signals.pop(signum, None)
        if watch is not None:
            lib.guest_close(self._g, watch)

    def set_alarm(self, when: float | None) -> None:
        """Something is due at `when`, in the time of `monotonic()`, or nothing is. Not for a time that has passed."""
        if when == self._alarm_at:
            return
        check(lib.guest_deadline(self._g, NO_TIME if when is None else seconds(when)))
        self._alarm_at = when

    @property
    def alarm_at(self) -> float | None:
        """What the alarm is set to."""
        return self._alarm_at

    # ---- deliveries

    def begin(self, token: int = 0) -> list[int] | None:
        """Opens a delivery and looks. None for a token that is old, doubled or delivered inside `post`: harmless."""
        count = _begin(self._g, token, self._pairs, _CAPACITY)
        if count > 0:
            return _unpack(self._pairs, count)
        if count == 0:
            return _NOTHING
        if count not in _HARMLESS:
            check(count)
        return None

    def end(self, when: float | None, more: bool) -> None:
        """Ends the innermost delivery: the alarm is set to `when`, or the next delivery is asked for."""
        if more or when == self._alarm_at:
            check(_end(self._g, 0, 0, more))
        else:
            self._alarm_at = when
            check(_end(self._g, 1, NO_TIME if when is None else seconds(when), 0))

    @contextmanager
    def delivery(self) -> Iterator[None]:
        """A delivery that nobody announced; nothing is looked at yet."""
        self.adopt()
        check(lib.guest_batch_begin(self._g, 0))
        try:
            yield
        finally:
            if not self.closed:  # by a fork inside, for the child
                check(lib.guest_batch_end(self._g))

    def look(self) -> list[int]:
        """What is ready now, without waiting: fd and readiness, or -signum and how often, by turns."""
        count = _poll(self._g, 0, self._pairs, _CAPACITY)
        if count <= 0:
            if count == 0:
                return _NOTHING
            check(count)
        return _unpack(self._pairs, count)

    def poll(self, nanoseconds: int | None) -> list[int]:
        """The same, waiting without the interpreter lock for the first event; None waits for ever."""
        timeout = NO_TIME if nanoseconds is None else nanoseconds
        count = _poll(self._g, timeout, self._pairs, _CAPACITY)
        if count <= 0:
            if count == 0:
                return _NOTHING
            check(count)
        return _unpack(self._pairs, count)

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
            check(lib.guest_stats(self._g, out))
        return out

    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
        return bool(self._g == ffi.NULL)

    def close(self) -> None:
        """Frees the guest and joins its thread; once. In a forked child, frees the child's copy."""
        if self._g == ffi.NULL:
            return
        try:
            self.adopt()
        except GuestError:
            pass  # in the child of a fork, or in use on another thread: then the library refuses, and nothing is freed
        with self._lock:
            g, self._g = self._g, ffi.NULL
        Reactor.open.discard(self)
        self._signals.clear()
        while lib.guest_batch_end(g) == 0:
            pass  # one that an exception of a signal handler has left open
        lib.guest_free(g)
        self._free_poster()
        # No thread of the library is left to come here.
        self._handle = self.post = self.post_local = self.on_stall = None

    def note_inlined(self, token: int) -> None:
        """The host has run one inside `post`, on this thread: the library asks again soon. Inside `post` only."""
        lib.guest_batch_begin(self._g, token)

    def forget_in_child(self) -> None:
        """The same in the child of a fork, where the thread that held the lock may not exist.

        A loop that lives on a thread that does not exist here is left as it is: that thread may have been inside it.
        """
        self._lock = RLock()
        if self.host_thread == get_ident():
            self.close()
        else:
            self._g = self._poster = ffi.NULL
            Reactor.open.discard(self)

    def _free_poster(self) -> None:
        # A poster keeps fds open, so it may not last until this object is collected.
        with self._lock:
            poster, self._poster = self._poster, ffi.NULL
            lib.guest_poster_free(poster)


_NOTHING: list[int] = []


@ffi.def_extern(name="asyncguest_py_post")
def _post(data: Any, token: int, local: int) -> int:
    """The library asks for a delivery: from its I/O thread, or from the host thread when a budget is spent."""
    reactor: Reactor = ffi.from_handle(data)
    post = reactor.post_local if local else reactor.post
    try:
        assert post is not None
        post(token)
    except BaseException:
        # The post function of the package reports by itself; whatever comes here is asked for again.
        return -1
    return 0


@ffi.def_extern(name="asyncguest_py_stall")
def _stall(data: Any, kind: int, nanoseconds: int) -> None:
    """The library has noticed a stuck host, on a thread of its own."""
    reactor: Reactor = ffi.from_handle(data)
    if reactor.on_stall is not None:
        reactor.on_stall(kind, nanoseconds / 1e9)
