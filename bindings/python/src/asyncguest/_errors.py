"""What goes wrong, as Python says it.

Owns: the exception types. No thread of its own; imports nothing of the package.
"""

from __future__ import annotations


class GuestError(RuntimeError):
    """The guest was used in a way that it cannot follow; the message says what to do instead."""


class GuestClosed(GuestError):
    """The run is over, or has not begun, and the call needs one."""


class WrongThread(GuestError):
    """The call belongs on the host thread: the one that started the guest."""


class NestingLimit(GuestError):
    """Nested host loops stand deeper than the guest was told to follow."""


class SourceGone(GuestError):
    """What would have sent the event was destroyed first, or what would have run belongs to a window that was."""
