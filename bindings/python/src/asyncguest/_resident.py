"""What lives in a host, as the host sees it: a run of asyncio, or of another async library.

Owns: nothing.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from ._errors import GuestClosed

State: TypeAlias = Literal["new", "running", "ending", "ended"]


class Resident(Protocol):
    """What `Host.attached` is given: the handle of a run, a `Guest` or an `asyncguest.guests.trio.TrioGuest`."""

    @property
    def forked(self) -> bool:
        """This process is a fork of the one that started the run: the run is the parent's."""
        ...

    @property
    def host_thread(self) -> int:
        """The ident of the thread that started the run. Any thread."""
        ...

    @property
    def state(self) -> State:
        """ "new", "running", "ending" or "ended". Any thread."""
        ...

    @property
    def is_cancelling(self) -> bool:
        """It was cancelled, and has not ended yet: what it does now is its clean-up."""
        ...

    def cancel(self, msg: str | None = None) -> bool:
        """Cancels it, which ends the run. Returns False if there is nothing to cancel. Any thread."""
        ...

    def shutdown(self, deadline: float = 5.0) -> bool:
        """Ends the run without the host's help, in at most `deadline` seconds. Returns whether everything finished."""
        ...


def check_not_forked(run: Resident, what: str) -> None:
    """Raises GuestClosed in the child of a fork."""
    if run.forked:
        raise GuestClosed(f"{what}(): this process is a fork; the run lives in its parent")
