"""What the adapters of async libraries share: a program that can await the runs of its guests.

Owns: for each guest an event of the library that tells its end. Host thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

from .._errors import GuestError
from .._guest import Guest
from .._resident import Resident, check_not_forked
from ._loophost import LoopHost

Ts = TypeVarTuple("Ts")

T = TypeVar("T")

# The part of its deadline that a run has for a clean-up it has begun already, before it is cancelled a second time.
_PATIENCE = 0.8


class AwaitedHost(LoopHost):
    """Base of an adapter whose host's code can await.

    When the program ends first, its last act is to cancel what is left: a task of the adapter, the guest's keeper, sees
    that, calls `ask_to_end`, keeps the program alive for `deadline` seconds at most, and then calls `give_up`. An
    adapter overrides `keep`, `tell` and `wait_for`.
    """

    is_async = True
    looks_again = True

    def __init__(self, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        #: Seconds after which a run that did not end when it was asked to is to be cancelled.
        self.patience = deadline * _PATIENCE
        self._ends: dict[Resident, Any] = {}

    async def run(self, async_fn: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts, **options: Any) -> T:
        """Runs `async_fn(*args)` as a guest, for host code to await; returns or raises what it does.

        `options`: those of `Guest`. If the waiting task is cancelled, the guest is, and its clean-up is awaited.
        """
        guest = Guest(self, **options)
        task = guest.start(async_fn, *args)
        await self.wait(guest)
        return task.result()

    async def wait(self, guest: Resident) -> None:
        """Waits until the run of `guest` is over and cleaned up. If the waiting task is cancelled, the guest is.

        Raises GuestError if it was not started in this host, and GuestClosed in the child of a fork: the run is the
        parent's.
        """
        check_not_forked(guest, "wait")  # before the child's loop takes a wake-up of the parent's
        if guest not in self._ends and guest.state != "ended":
            raise GuestError(
                f"wait() is for runs that were started in this {type(self).__name__}, and {guest!r} was not"
            )
        await self.wait_for(self._ends.get(guest), guest)
        check_not_forked(guest, "wait")

    # ---- what an adapter overrides

    def keep(self, guest: Resident) -> Any:
        """Starts the guest's keeper; returns the event that it and the waiters wait for."""
        raise NotImplementedError

    def tell(self, end: Any) -> None:
        """Sets that event. The library may have ended before."""
        raise NotImplementedError

    async def wait_for(self, end: Any, guest: Resident) -> None:
        """Waits for that event; None: it was told before. Calls `ask_to_end` if the waiting task is cancelled."""
        raise NotImplementedError

    # ---- what an adapter's keeper calls

    @staticmethod
    def ask_to_end(guest: Resident) -> bool:
        """Cancels the run, unless it is in its clean-up, which that would cut off. Returns whether it did."""
        if guest.is_cancelling:
            return False
        guest.cancel("the host's program has ended, or what waited for this run was cancelled")
        return True

    @staticmethod
    def give_up(guest: Resident) -> None:
        """Ends the run as it stands: names what is left of it, and tells."""
        guest.shutdown(0)

    # ---- what a guest tells

    def attached(self, guest: Resident) -> None:
        super().attached(guest)
        self._ends[guest] = self.keep(guest)

    def detached(self, guest: Resident) -> None:
        super().detached(guest)
        end = self._ends.pop(guest, None)
        if end is not None:
            self.tell(end)

    def forked(self, guest: Resident) -> None:
        super().forked(guest)
        self.tell(self._ends.pop(guest))
