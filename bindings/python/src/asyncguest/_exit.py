"""The end of the interpreter, and forks.

Owns: the set of runs that have not ended, which also keeps them alive. The hooks run on the main thread.
"""

from __future__ import annotations

import atexit
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING

from . import _running_loop, _signals, _wakeup_fd
from ._compat import before_threads_end, set_running_loop
from ._native import close_exit_guard, note_fork, open_reactors
from ._reports import log, warn
from ._system import after_fork

if TYPE_CHECKING:
    from ._base_run import BaseRun

#: Seconds that the runs have for their clean-up when the interpreter ends.
DEADLINE = 5.0

#: A run is added when it starts and discarded when it ends; `alive` is for who wants to look at them.
unended: set[BaseRun] = set()
#: In the child of a fork: the runs begun before. With the last reference to them their coroutines would be closed.
_of_parents: list[BaseRun] = []


def alive() -> list[BaseRun]:
    """The runs that have not ended, of all threads."""
    return list(unended)


def alive_here() -> list[BaseRun]:
    here = threading.get_ident()  # which may have been that of a thread that has ended
    return [run for run in alive() if run.host_thread == here and not run.is_orphaned]


def _at_exit() -> None:
    """The main thread is at its end, and threads and executors still work: the runs that live on it are shut down.

    So are those whose own thread is no more. They share one deadline, in equal parts of what is left of it.
    """
    mine = [run for run in alive() if run.host_thread == threading.get_ident() or run.is_orphaned]
    until = monotonic() + DEADLINE
    for left, run in zip(range(len(mine), 0, -1), mine):
        if not run.host.ends_with_interpreter:
            warn(f"asyncguest: the host ended before {run.title} did; it is being shut down")
        try:
            run.shutdown(max(0.0, until - monotonic()) / left)
        except BaseException:
            log.exception("%r could not be shut down", run)


def _after_threads() -> None:
    """The interpreter is about to go: no thread of the library may enter it from here on."""
    for run in alive():
        warn(f"asyncguest: {run.title} of another thread had not ended when the interpreter did")
    # A thread of the library that is inside Python waits for the interpreter lock: let it through.
    until = monotonic() + 1.0
    while close_exit_guard() > 0 and monotonic() < until:
        sleep(0.001)


def _in_child() -> None:
    note_fork()
    was_main = _wakeup_fd.is_main_in_child()
    runs = alive()
    for run in runs:
        run.forget_in_child()
    if not was_main:
        _signals.forget_in_child()
    unended.clear()
    _of_parents.extend(runs)
    for reactor in open_reactors():
        reactor.forget_in_child()
    _wakeup_fd.renew_in_child()  # now that there is room for fds again, if there was none
    _running_loop.forget()
    set_running_loop(None)
    for run in runs:
        run.tell_host_in_child()


before_threads_end(_at_exit)
atexit.register(_after_threads)
after_fork(_in_child)
