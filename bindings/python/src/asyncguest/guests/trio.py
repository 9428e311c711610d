"""Trio as a guest: `start(main)` runs Trio in the main loop that this thread has, by the adapters of `asyncguest.hosts`.

Owns: nothing; the run itself is in `_trio_run.py`. Host thread only, except where a method says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, TypedDict, TypeVar, TypeVarTuple, Unpack

import trio
from outcome import Outcome

from .._base_guest import BaseGuest
from .._detect import find_host
from .._errors import GuestError
from .._factory import make_coroutine
from .._host import Host, adapter_of
from .._resident import State
from . import _trio_waiting  # noqa: F401
from ._trio_run import GuestCancelled, TrioRun, is_here

Ts = TypeVarTuple("Ts")

__all__ = ["GuestCancelled", "TrioGuest", "TrioOptions", "start"]

T = TypeVar("T")


class TrioOptions(TypedDict, total=False):
    """What `start` passes on to Trio, for type checkers and editors."""

    clock: trio.abc.Clock | None
    instruments: Sequence[trio.abc.Instrument]
    restrict_keyboard_interrupt_to_checkpoints: bool
    strict_exception_groups: bool


def start(
    async_fn: Callable[[*Ts], Coroutine[Any, Any, T]],
    *args: *Ts,
    host: Host | Callable[[Callable[[], object]], object] | None = None,
    done_callback: Callable[[Outcome[T]], object] | None = None,
    **trio_options: Unpack[TrioOptions],
) -> TrioGuest[T]:
    """Runs `async_fn(*args)` with Trio as a guest of the main loop that this thread has; returns the run's handle.

    `host`: an adapter (see `asyncguest.hosts`) or a function `run_sync_soon_threadsafe(fn)`; None finds it, as
    `asyncguest.start` does. `done_callback(outcome)`: called once, on the host thread, when the run is over;
    `outcome.unwrap()` returns or raises what `async_fn` did, and GuestCancelled if the run was cancelled. Without one, a
    failure is logged. `trio_options`: those of `trio.run`.

        root = tkinter.Tk()
        asyncguest.guests.trio.start(main, done_callback=lambda outcome: root.destroy())
        root.mainloop()

    Nothing of `async_fn` has run when this returns, and every function of Trio that is not async works on this thread from
    here on. The calling thread becomes the host thread. Raises GuestError, and starts nothing, if there is no main loop or
    more than one, and where Trio runs already, which it does once for each thread; what cannot work raises here.
    """
    _check_room()
    if done_callback is not None and not callable(done_callback):
        raise TypeError(f"done_callback must be callable, not {done_callback!r}")
    adapter = find_host("trio.run(...)") if host is None else adapter_of(host)
    coroutine = make_coroutine(async_fn, args, None)
    run = TrioRun(adapter, getattr(async_fn, "__qualname__", repr(async_fn)), done_callback)
    guest: TrioGuest[T] = TrioGuest(run)
    run.start(guest, coroutine, dict(trio_options))
    return guest


def _check_room() -> None:
    """Raises GuestError where Trio runs already."""
    if is_here(trio.lowlevel.current_task):
        raise GuestError(
            "start() is for the host's code, and this is Trio's: await the function, or give it to a nursery's start_soon()"
        )
    if is_here(trio.lowlevel.current_trio_token):
        raise GuestError(
            "Trio runs on this thread already, and it does so once for each thread: start the function in a nursery of that "
            "run, or when that has ended"
        )


class TrioGuest(BaseGuest[TrioRun], Generic[T]):
    """The handle of one run of Trio inside a host's main loop. `start` makes it."""

    def __init__(self, run: TrioRun) -> None:
        self.record = run

    @property
    def state(self) -> State:
        """ "running", also while Trio ends its tasks, or "ended". Any thread."""
        return self.record.state

    @property
    def outcome(self) -> Outcome[T]:
        """What became of the run: an `outcome.Value` or an `outcome.Error`; GuestError before its end. Any thread."""
        outcome = self.record.outcome
        if outcome is None or not self.record.has_ended:
            raise GuestError(f"the run has no outcome: it is {self.state}. Its done_callback tells when it has one")
        return outcome

    def cancel(self, msg: str | None = None) -> bool:
        """Cancels the main function, which ends the run. Any thread.

        `msg`: as for a `Guest`; Trio tells nobody. Returns False if the run is over already; from another thread than the
        host's, as far as can be seen there.
        """
        return self.record.cancel()

    def shutdown(self, deadline: float = 5.0) -> bool:
        """Ends the run without the host's help: for a host whose loop is over, or about to be.

        Cancels the main function and drives Trio right here, for at most `deadline` seconds, so that `finally` blocks run.
        What has not finished then is abandoned and named in one RuntimeWarning; Trio adds one of its own. `done_callback`
        has been called when this returns. Returns whether everything finished. Not from guest code: that calls `cancel()`.
        """
        return self.record.shutdown(deadline)
