"""Figures of the process: what of the library is alive in it. Any thread."""

from __future__ import annotations

from dataclasses import dataclass

from . import _exit
from ._guest import Guest
from ._native import ffi, lib
from ._reactor import Reactor


@dataclass(frozen=True)
class ProcessStats:
    """What of the library is alive in the process: all zero when every loop is closed."""

    #: Loops that are not closed, with or without a host.
    loops: int
    #: Fds and signals that they watch.
    sources: int
    #: Threads of the library.
    threads: int
    #: Runs that have not ended.
    guests: tuple[Guest, ...]


def stats() -> ProcessStats:
    """Figures of the whole process. Any thread."""
    # One of another thread may end meanwhile.
    guests = [run.guest for run in _exit.alive()]
    live = ffi.new("guest_live_t *")
    live.struct_size = ffi.sizeof("guest_live_t")
    lib.guest_live(live)
    return ProcessStats(len(Reactor.open), live.sources, live.threads, tuple(filter(None, guests)))
