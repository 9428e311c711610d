"""The end of the interpreter, and forks.

Owns: the set of runs that have not ended, which also keeps them alive. The hooks run on the main thread.
"""

from __future__ import annotations

import atexit
import os
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING

from . import _ambient, _wakeup_fd
from ._compat import before_threads_end, set_running_loop
from ._native import lib
from ._reactor import Reactor
from ._reports import log, warn

if TYPE_CHECKING:
    from ._guest import Guest

#: Seconds that the runs have for their clean-up when the interpreter ends.
DEADLINE = 5.0

_alive: set[Guest] = set()
#: In the child of a fork: the runs begun before. With the last reference to them their coroutines would be closed.
_of_parents: list[Guest] = []


def add(guest: Guest) -> None:
    """A run has started."""
    _alive.add(guest)


def remove(guest: Guest) -> None:
    """It has ended."""
    _alive.discard(guest)


def alive() -> list[Guest]:
    """The runs that have not ended, of all threads."""
    return list(_alive)


def _at_exit() -> None:
    """The main thread is at its end, and threads and executors still work: the runs that live on it are shut down.

    So are those whose own thread is no more. They share one deadline, in equal parts of what is left of it.
    """
    mine = [guest for guest in alive() if guest.host_thread == threading.get_ident() or guest.is_orphaned]
    until = monotonic() + DEADLINE
    for left, guest in zip(range(len(mine), 0, -1), mine):
        if not guest.host.ends_with_interpreter:
            warn(f"asyncguest: the host ended before {guest.title} did; it is being shut down")
        try:
            guest.shutdown(max(0.0, until - monotonic()) / left)
        except BaseException:
            log.exception("%r could not be shut down", guest)


def _after_threads() -> None:
    """The interpreter is about to go: no thread of the library may enter it from here on."""
    for guest in alive():
        warn(f"asyncguest: {guest.title} of another thread had not ended when the interpreter did")
    # A thread of the library that is inside Python waits for the interpreter lock: let it through.
    until = monotonic() + 1.0
    while lib.asyncguest_py_finalize() > 0 and monotonic() < until:
        sleep(0.001)


def _in_child() -> None:
    lib.asyncguest_py_note_fork()
    guests = alive()
    for guest in guests:
        guest.forget_in_child()
    _alive.clear()
    _of_parents.extend(guests)
    for reactor in list(Reactor.open):
        reactor.forget_in_child()
    _wakeup_fd.renew_in_child()  # now that there is room for fds again, if there was none
    _ambient.forget()
    set_running_loop(None)
    for guest in guests:
        guest.tell_host_in_child()


before_threads_end(_at_exit)
atexit.register(_after_threads)
os.register_at_fork(after_in_child=_in_child)
