"""Figures of the process: what of the library is alive in it. Any thread."""

from __future__ import annotations

from dataclasses import dataclass

from . import _exit
from ._native import live, open_reactors
from ._resident import Resident


@dataclass(frozen=True)
class ProcessStats:
    """What of the library is alive in the process: all zero when every loop is closed."""

    #: Loops that are not closed, with or without a host.
    loops: int
    #: Fds and signals that they watch.
    sources: int
    #: Threads of the library.
    threads: int
    #: Runs that have not ended, each a `Guest` or a `TrioGuest`.
    guests: tuple[Resident, ...]


def stats() -> ProcessStats:
    """Figures of the whole process. Any thread."""
    # One of another thread may end meanwhile.
    guests = [run.guest for run in _exit.alive()]
    sources, threads = live()
    return ProcessStats(len(open_reactors()), sources, threads, tuple(filter(None, guests)))
