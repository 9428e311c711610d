"""An event that any thread may set, and a poll that it ends, by fd; on Windows by handle. For `QueueHost`.

Owns: nothing. `Poll` belongs to the thread that polls. Here an eventfd and an epoll set.
"""

import sys

if sys.platform == "win32":
    from ._event_windows import READABLE, Poll, clear_event, close_event, new_event, set_event
else:
    import os
    import select

    READABLE = select.EPOLLIN
    Poll = select.epoll
    set_event = os.eventfd_write
    clear_event = os.eventfd_read
    close_event = os.close

    def new_event() -> int:
        """It stays set until it is cleared, and never blocks."""
        return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)


__all__ = ["READABLE", "Poll", "clear_event", "close_event", "new_event", "set_event"]
