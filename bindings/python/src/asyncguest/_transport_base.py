"""What the transports of sockets and pipes have in common, in `_transport.py` and `_unix_transports.py`.

Owns: nothing. The loop's own thread only. The private names are those of CPython 3.11 to 3.15, used as in `_compat.py`.
"""

from __future__ import annotations

from asyncio import futures, selector_events
from contextvars import Context
from typing import Any, TypeAlias

from ._native import Transport

__all__ = ["Loop", "Reads", "SelectorTransport", "Writes", "begin", "passes_for"]

#: A `CPythonLoop`, which stands above, and imports what is here.
Loop: TypeAlias = Any

SelectorTransport: Any = selector_events._SelectorTransport  # type: ignore[attr-defined]


def passes_for(asyncios: type, name: str) -> Any:
    """The `__class__` of a native transport. One cannot derive from asyncio's and from a native class, and asyncio's own code
    asks, as users do, whether a transport is one of asyncio's: by `isinstance`, which this answers. `type()` tells."""
    passed = type(name, (asyncios,), {})
    return property(lambda self: passed)


class Reads:
    """What is public of a transport that reads."""

    __slots__ = ()

    is_reading = Transport._is_reading
    pause_reading = Transport._pause_reading
    resume_reading = Transport._resume_reading
    max_size = Transport._max_size


class Writes:
    """What is public of a transport that writes."""

    __slots__ = ()

    abort = Transport._abort
    get_write_buffer_size = Transport._get_write_buffer_size
    get_write_buffer_limits = SelectorTransport.get_write_buffer_limits
    set_write_buffer_limits = SelectorTransport.set_write_buffer_limits
    _set_write_buffer_limits = SelectorTransport._set_write_buffer_limits


def begin(
    transport: Any, loop: Loop, protocol: Any, waiter: Any, watches: bool = True, context: Context | None = None
) -> None:
    """The protocol is told, and then the fd is watched. `context`: in which; None: the current one."""
    transport.set_protocol(protocol)
    loop.call_soon(protocol.connection_made, transport, context=context)
    if watches:
        loop.call_soon(transport._start_reading, context=context)
    if waiter is not None:
        loop.call_soon(futures._set_result_unless_cancelled, waiter, None, context=context)  # type: ignore[attr-defined]
