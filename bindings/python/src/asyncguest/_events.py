"""Waiting for what a toolkit tells: `event` for one emission, `events` for each of them.

Owns: their connections, while somebody waits. Host thread, except that a toolkit may tell on any.

    the toolkit emits --> filter, inside the emission --> value kept --> the waiter goes on, in the next delivery
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, Self, TypeAlias, TypeVar, overload

from ._errors import GuestError, SourceGone
from ._native import Receiver
from .sources.base import Disconnect, Toolkit
from .sources.find import toolkit_of

if TYPE_CHECKING:
    import tkinter

T = TypeVar("T")

T_co = TypeVar("T_co", covariant=True)

Filter: TypeAlias = Callable[..., object]


class Variable(Protocol[T_co]):
    """One of tkinter's, by the type of its value."""

    def get(self) -> T_co: ...

    def trace_add(self, mode: Any, callback: Any, /) -> str: ...


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
    if filter is not None:
        check_filter(filter)
    return _one(toolkit, source, name, filter)


async def _one(toolkit: Toolkit, source: Any, name: Any, filter: Filter | None) -> Any:
    receiver = Receiver(filter, once=True)
    disconnect = toolkit.connect(source, name, receiver)
    source = None  # whoever waits keeps nobody alive
    try:
        await receiver.wait()
        return receiver.take()
    finally:
        receiver.close()
        disconnect()


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
        self._keep = keep
        self._receiver: Receiver | None = None
        self._disconnect: Disconnect | None = None

    def __enter__(self) -> Self:
        if self._receiver is not None:
            raise GuestError("this stream has had its block: make another events(...) for another one")
        receiver = Receiver(self._filter, latest=self._keep == "latest")
        toolkit, source, name = self._source
        self._disconnect = toolkit.connect(source, name, receiver)
        self._receiver = receiver
        del self._source  # whoever waits keeps nobody alive
        return self

    def __exit__(self, *_: object) -> None:
        disconnect, self._disconnect = self._disconnect, None
        if self._receiver is not None and disconnect is not None:
            self._receiver.close(_left())
            disconnect()

    async def next(self) -> T:
        """The next emission, or the oldest that was kept.

        Raises SourceGone when the sender was destroyed and nothing is left, what `filter` has raised, and GuestError
        outside of the block, or if another task waits already. Cancelled, it loses nothing.
        """
        receiver = self._receiver
        if receiver is None:
            raise _left()
        if receiver.other is not None:
            await receiver.other.checkpoint()
        while not receiver.has_come():
            waiter = receiver.wait()
            try:
                await waiter
            finally:
                receiver.waited()
        value: T = receiver.take()
        return value

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
