"""How a guest reaches its host: the adapter's shape, and the adapter that two plain functions make.

`post` may be called on any thread, everything else on the host thread.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import NoReturn, TypeAlias

from ._leaving import leave
from ._resident import Resident

Job: TypeAlias = Callable[[], object]


class Host:
    """Base of an adapter: what a guest asks of the program's main loop.

    An adapter overrides `post`, or `watch` and `unwatch` and sets `watches_fds`; best both. Then the guest waits in
    the host's own poll and needs no thread (drive FD); without, a thread of the library waits and posts (drive
    THREAD). What is called here must come back at once and must not run the job inside the call. `post` and
    `post_local` are looked up once, when a guest starts.
    """

    #: For messages.
    name: str = "host"
    #: `watch` works: the guest is driven by one fd.
    watches_fds: bool = False
    #: The host waits for the fd as soon as it has had its own turn, and sees it for as long as it is readable: so a delivery may
    #: leave what has become ready meanwhile to that look. Not for a loop of frames, nor for one that waits for an edge.
    looks_again: bool = False
    #: The host is an async library of its own whose state must be found unchanged between the guest's deliveries. Else
    #: `asyncio.get_running_loop()` and `create_task()` also work in the host's handlers. None: look when it starts.
    is_async: bool | None = False
    #: The host uses `signal.set_wakeup_fd`, now or later: the guest then leaves it alone.
    uses_wakeup_fd: bool = False
    #: `sys.exit` in the host's handlers ends the interpreter right there, and that is its way: no warning then.
    ends_with_interpreter: bool = False
    #: Seconds after which a posted delivery that has not come is posted again, at first; None: 0.25. For a host that is
    #: known to lose posts, such as one with an event queue of limited length.
    repost_after: float | None = None

    def post(self, job: Job) -> None:
        """Runs `job()` on the host thread, soon. Any thread. May raise if the host cannot take it now."""
        raise NotImplementedError(f"{type(self).__name__} can neither post nor watch an fd: override one of them")

    #: The same on the host thread, where that is cheaper; None if it is not.
    post_local: Callable[[Job], None] | None = None

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        """Calls `ready()` on the host thread whenever `fd` is readable, until `unwatch`.

        `ready` returns True when the guest has more to do and only its time was over: a host whose file events come
        before its paint and timers lets those have their turn then. On Windows `fd` is a handle, for WaitForMultipleObjects.
        """
        raise NotImplementedError

    def unwatch(self, fd: int) -> None:
        """Ends `watch`. The fd is closed soon after."""
        raise NotImplementedError

    def attached(self, guest: Resident) -> None:
        """The guest is about to start: the place to hook the host's own end, which calls `guest.shutdown()`.

        `guest`: a `Guest`, or one of another async library, as of Trio. What this raises, `start` does, and nothing has
        begun; `guest.cancel()` in here cancels the run once it has begun, and there is nothing to shut down yet.
        """

    def detached(self, guest: Resident) -> None:
        """The run is over; its loop is about to be closed, and `done_callback` to be called."""

    def forked(self, guest: Resident) -> None:
        """This is the child of a fork, and the run, the parent's, is "ended" here: who awaits it is to be told.

        Called inside `os.fork()`. Leave alone what the parent has too, such as an epoll set or a display's connection.
        """

    def end_child(self, error: BaseException) -> NoReturn:
        """Guest code has forked, and its delivery in the child is over: ends that process with `error`.

        Here by `os._exit`, after `error` is shown: most main loops cannot be left in a child, which has them in common
        with its parent. Overridden where it can simply be raised.
        """
        leave(error)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} {self.name!r}>"


def adapter_of(host: Host | Callable[[Job], object]) -> Host:
    """The adapter that a user means by `host`: that one, or what a plain function makes."""
    if isinstance(host, type):
        raise TypeError(f"host is the class {host.__name__}: make an instance of it, {host.__name__}(...)")
    return host if isinstance(host, Host) else CallbackHost(host)


def can_post(host: Host) -> bool:
    """Whether `post` is the host's own: its class overrides it, or it has a function in its place."""
    return getattr(host.post, "__func__", None) is not Host.post


class HostAround(Host):
    """A host that passes everything on to another one, `inner`. What is to happen on the way overrides it."""

    def __init__(self, inner: Host) -> None:
        self.inner = inner
        self.name = inner.name
        self.watches_fds = inner.watches_fds
        self.looks_again = inner.looks_again
        self.is_async = inner.is_async
        self.uses_wakeup_fd = inner.uses_wakeup_fd
        self.repost_after = inner.repost_after
        self.post_local = inner.post_local

    @property
    def ends_with_interpreter(self) -> bool:  # type: ignore[override]
        return self.inner.ends_with_interpreter

    def post(self, job: Job) -> None:
        self.inner.post(job)

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        self.inner.watch(fd, ready)

    def unwatch(self, fd: int) -> None:
        self.inner.unwatch(fd)

    def attached(self, guest: Resident) -> None:
        self.inner.attached(guest)

    def detached(self, guest: Resident) -> None:
        self.inner.detached(guest)

    def forked(self, guest: Resident) -> None:
        self.inner.forked(guest)

    def end_child(self, error: BaseException) -> NoReturn:
        self.inner.end_child(error)


class CallbackHost(Host):
    """A host that is known by its `run_sync_soon_threadsafe` alone, as Trio's guest mode has it."""

    name = "callbacks"
    is_async = None

    def __init__(
        self,
        run_sync_soon_threadsafe: Callable[[Job], object],
        run_sync_soon_not_threadsafe: Callable[[Job], object] | None = None,
        uses_wakeup_fd: bool = False,
    ) -> None:
        for what, function in (
            ("run_sync_soon_threadsafe", run_sync_soon_threadsafe),
            ("run_sync_soon_not_threadsafe", run_sync_soon_not_threadsafe),
        ):
            if not callable(function) and (function is not None or what == "run_sync_soon_threadsafe"):
                raise TypeError(f"{what} must be a function that takes a function, not {function!r}")
        self.uses_wakeup_fd = uses_wakeup_fd
        self._soon = run_sync_soon_threadsafe
        if run_sync_soon_not_threadsafe is not None:
            self.post_local = run_sync_soon_not_threadsafe  # type: ignore[assignment]

    # The function itself, and no method around it: each call on the way of a wake counts.
    post = property(attrgetter("_soon"), doc=Host.post.__doc__)  # type: ignore[assignment, unused-ignore]
