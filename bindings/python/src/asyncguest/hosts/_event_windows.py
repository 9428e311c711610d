"""Windows' part of `_event`: a handle that is set and cleared, and a wait for handles."""

import sys

assert sys.platform == "win32"

import _overlapped  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]
import _winapi
import math
from collections.abc import Sequence

READABLE = 1
close_event = _winapi.CloseHandle


def new_event() -> int:
    """It stays set until it is cleared."""
    event: int = _overlapped.CreateEvent(None, True, False, None)
    return event


def set_event(event: int, count: int) -> None:
    """As `os.eventfd_write`; how often does not count."""
    _overlapped.SetEvent(event)


def clear_event(event: int) -> None:
    """As `os.eventfd_read`."""
    _overlapped.ResetEvent(event)


class Poll:
    """What is used of `select.epoll`. Windows waits for 63 handles at the most: ValueError for more."""

    def __init__(self) -> None:
        self._handles: list[int] = []
        self.closed = False

    def register(self, handle: int, events: int) -> None:
        self._handles.append(handle)

    def unregister(self, handle: int) -> None:
        self._handles.remove(handle)

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> Sequence[tuple[int, int]]:
        """Ctrl-C ends it, too, so that Python's handler runs."""
        handles = list(self._handles)
        limit = _winapi.INFINITE if timeout is None else math.ceil(max(0.0, timeout) * 1000)
        try:
            first = _winapi.WaitForMultipleObjects(handles, False, limit)
        except InterruptedError:
            return []
        if first == _winapi.WAIT_TIMEOUT:
            return []
        left = handles[first - _winapi.WAIT_OBJECT_0 :]
        return [(each, READABLE) for each in left if _winapi.WaitForSingleObject(each, 0) == _winapi.WAIT_OBJECT_0]

    def close(self) -> None:
        self.closed = True
