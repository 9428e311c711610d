"""What of the package each system has in a way of its own: one module for each, with the same names.

| name | what |
|---|---|
| `AsyncioLoop` | the loop of asyncio's that ours is, waiting in a `GuestSelector` that it is given |
| `TransportHooks` | how the loop makes native transports of datagrams and pipes, where there are such |
| `Children` | starts the loop's subprocesses, and tells their transports when they have ended |
| `new_pipe`, `drain`, `file_of` | the wake-up fd's pipe: its two ends, by numbers that any code may close |
| `is_ready` | waits for a reactor's fd |
| `HANDLERS_CHAIN` | the library's handler of a signal calls the one that was there before: Python's |
| `restart_calls` | system calls go on after a signal's handler |
| `NATIVE_TRANSPORTS` | connected sockets have native transports, unless it is said otherwise |
| `after_fork` | registers a function for the child of a fork |
"""

import sys

if sys.platform == "win32":
    from ._windows import (
        HANDLERS_CHAIN,
        NATIVE_TRANSPORTS,
        AsyncioLoop,
        Children,
        TransportHooks,
        after_fork,
        drain,
        file_of,
        is_ready,
        new_pipe,
        restart_calls,
    )
else:
    from ._unix import (
        HANDLERS_CHAIN,
        NATIVE_TRANSPORTS,
        AsyncioLoop,
        Children,
        TransportHooks,
        after_fork,
        drain,
        file_of,
        is_ready,
        new_pipe,
        restart_calls,
    )

__all__ = [
    "HANDLERS_CHAIN",
    "NATIVE_TRANSPORTS",
    "AsyncioLoop",
    "Children",
    "TransportHooks",
    "after_fork",
    "drain",
    "file_of",
    "is_ready",
    "new_pipe",
    "restart_calls",
]
