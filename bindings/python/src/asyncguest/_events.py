"""Waiting for what a toolkit tells: `event` for one emission, `events` for each of them.

Owns: their connections, while somebody waits. Host thread, except that a toolkit may tell on any.

    the toolkit emits --> filter, inside the emission --> value kept --> the waiter goes on, in the next delivery
"""

from __future__ import annotations

import inspect
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeAlias, TypeVar, overload

from ._errors import GuestError, SourceGone
from ._waiting import waiting_here
from .sources.find import toolkit_of

if TYPE_CHECKING:
    import tkinter
    from typing import Self

    from .sources.base import Disconnect

T = TypeVar("T")

T_co = TypeVar("T_co", covariant=True)

Filter: TypeAlias = Callable[..., object]


class Variable(Protocol[T_co]):
    """One of tkinter's, by the type of its value."""

    def get(self) -> T_co: ...

    def trace_add(self, mode: Any, callback: Any, /) -> str: ...


class _Receiver:
    """Takes what one connection tells. `_put` and `_end` are called on the host thread."""

    def __init__(self, filter: Filter | None) -> None:
        self.waiting = waiting_here()
        self._thread = threading.get_ident()
        self._filter = filter
        #: False: nothing is taken any more.
        self.is_open = True

    def arrived(
        self, args: tuple[Any, ...], copied: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None = None
    ) -> bool:
        """See `sources.base.Receiver`."""
        if not self.is_open:
            return False
        stops = False
        try:
            if self._filter is not None:
                wanted = self._filter(*args)
                if not wanted:
                    return False
                stops = isinstance(wanted, str) and wanted == "break"
            if copied is not None:
                args = copied(args)
        except BaseException as error:
            self._on_host_thread(self._end, error)
            return False
        self._on_host_thread(self._put, args[0] if len(args) == 1 else args or None)
        return stops

    def gone(self) -> None:
        """See `sources.base.Receiver`."""
        if self.is_open:
            self._on_host_thread(self._end, SourceGone("the sender was destroyed while its event was waited for"))

    def _on_host_thread(self, function: Callable[[Any], None], what: Any) -> None:
        if threading.get_ident() == self._thread:
            function(what)
        else:
            self.waiting.soon(function, what)

    def _put(self, value: Any) -> None:
        raise NotImplementedError

    def _end(self, error: BaseException) -> None:
        raise NotImplementedError


class Next(_Receiver):
    """One emission."""

    def __init__(self, filter: Filter | None) -> None:
        super().__init__(filter)
        #: To be awaited.
        self.waiter = self.waiting.waiter()
        self.value: Any = None
        #: What has come instead of an emission.
        self.error: BaseException | None = None

    def _put(self, value: Any) -> None:
        if self.is_open:  # else another thread's came first
            self.is_open = False
            self.value = value
            self.waiting.wake(self.waiter)

    def _end(self, error: BaseException) -> None:
        if self.is_open:
            self.error = error
            self._put(None)

    def close(self) -> None:
        """Nobody waits any more."""
        self.is_open = False
        self.value = self.error = None  # which may lead here


@overload
def event(
    source: Variable[T], name: str | None = None, *, filter: Callable[[T], object] | None = None
) -> Coroutine[Any, Any, T]: ...
@overload
def event(
    source: tkinter.Misc, name: str, *, filter: Callable[[tkinter.Event[Any]], object] | None = None
) -> Coroutine[Any, Any, tkinter.Event[Any]]: ...
@overload
def event(source: Any, name: Any = None, *, filter: Filter | None = None) -> Coroutine[Any, Any, Any]: ...
def event(source: Any, name: Any = None, *, filter: Filter | None = None) -> Coroutine[Any, Any, Any]:
    """Waits for one emission: `await event(button.clicked)`. Connects when it is awaited, not before.

    `source`, `name`: Qt `event(button.clicked)`; GObject `event(button, "clicked")`; Tk `event(widget, "<Button-1>")` or
    `event(variable)`; wx `event(widget, wx.EVT_BUTTON)`; whatever else has `connect` and `disconnect`, `event(signal)`.
    `filter(*args)`: called inside the emission, on its thread; the emission is taken if it returns something true. The
    waiter itself goes on later, in the next delivery. So it is here that an event is accepted or vetoed, and "break"
    keeps it from whom the toolkit would have told next. What it raises, the await raises.

    Returns None for an emission without arguments, its value for one, else a tuple. Raises SourceGone if the sender is
    destroyed first, GuestError outside of a guest, TypeError at once for what is no source. Host thread.
    """
    toolkit = toolkit_of(source, name)
    check_filter(filter)

    async def one() -> Any:
        nonlocal source
        receiver = Next(filter)
        disconnect = toolkit.connect(source, name, receiver)
        source = None  # whoever waits keeps nobody alive
        try:
            await receiver.waiter
            if receiver.error is not None:
                raise receiver.error
            return receiver.value
        finally:
            receiver.close()
            disconnect()

    return one()


class _Each(_Receiver, Generic[T]):
    """All emissions, until it is closed."""

    def __init__(self, filter: Filter | None, most: int | None) -> None:
        super().__init__(filter)
        self._items: deque[T] = deque(maxlen=most)
        self._waiter: Awaitable[object] | None = None
        self._error: BaseException | None = None

    def _put(self, value: T) -> None:
        self._items.append(value)
        self._wake()

    def _end(self, error: BaseException) -> None:
        self._error = self._error or error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None:
            self.waiting.wake(self._waiter)

    def close(self) -> None:
        self.is_open = False
        self._items.clear()
        self._end(_left())

    async def next(self) -> T:
        await self.waiting.checkpoint()
        while not self._items:
            if self._error is not None:
                try:
                    raise self._error
                finally:
                    if not isinstance(self._error, GuestError):
                        self._error = None  # of a filter: it is told once, and leads here
            if self._waiter is not None:
                raise GuestError("another task waits for this stream: each task needs an events(...) of its own")
            self._waiter = self.waiting.waiter()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._items.popleft()


def _left() -> GuestError:
    return GuestError("a stream lasts as long as its block: with events(...) as stream: await stream.next()")


class events(Generic[T]):
    """Each emission: `with events(button.clicked) as stream: async for value in stream: ...`

    `with` connects at once, so that nothing is missed before the first wait, and disconnects at its end.
    `source`, `name`, `filter` and the values are those of `event`. `keep`: "all" that have not been fetched, or only the
    "latest". When the sender is destroyed, the stream ends after what had arrived by then. Host thread.
    """

    @overload
    def __init__(
        self,
        source: Variable[T],
        name: str | None = None,
        *,
        filter: Callable[[T], object] | None = None,
        keep: Literal["all", "latest"] = "all",
    ) -> None: ...
    @overload
    def __init__(
        self: events[tkinter.Event[Any]],
        source: tkinter.Misc,
        name: str,
        *,
        filter: Callable[[tkinter.Event[Any]], object] | None = None,
        keep: Literal["all", "latest"] = "all",
    ) -> None: ...
    @overload
    def __init__(
        self: events[Any],
        source: Any,
        name: Any = None,
        *,
        filter: Filter | None = None,
        keep: Literal["all", "latest"] = "all",
    ) -> None: ...
    def __init__(
        self, source: Any, name: Any = None, *, filter: Filter | None = None, keep: Literal["all", "latest"] = "all"
    ) -> None:
        if keep not in ("all", "latest"):
            raise ValueError(f'keep must be "all" or "latest", not {keep!r}')
        check_filter(filter)
        self._source = (toolkit_of(source, name), source, name)
        self._filter = filter
        self._most = 1 if keep == "latest" else None
        self._stream: _Each[T] | None = None
        self._disconnect: Disconnect | None = None

    def __enter__(self) -> Self:
        if self._stream is not None:
            raise GuestError("this stream has had its block: make another events(...) for another one")
        stream: _Each[T] = _Each(self._filter, self._most)
        toolkit, source, name = self._source
        self._disconnect = toolkit.connect(source, name, stream)
        self._stream = stream
        del self._source  # whoever waits keeps nobody alive
        return self

    def __exit__(self, *_: object) -> None:
        disconnect, self._disconnect = self._disconnect, None
        if self._stream is not None and disconnect is not None:
            self._stream.close()
            disconnect()

    async def next(self) -> T:
        """The next emission, or the oldest that was kept.

        Raises SourceGone when the sender was destroyed and nothing is left, what `filter` has raised, and GuestError
        outside of the block, or if another task waits already. Cancelled, it loses nothing.
        """
        if self._stream is None:
            raise _left()
        return await self._stream.next()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.next()
        except SourceGone:
            raise StopAsyncIteration from None


def check_filter(filter: object) -> None:
    """A coroutine function would be true for each emission, and never run."""
    if filter is not None and (not callable(filter) or inspect.iscoroutinefunction(filter)):
        raise TypeError(f"filter must be a function, which runs inside the emission, and no async one: not {filter!r}")
