"""Checks of an adapter, in processes of their own, and what they found. `asyncguest.hostcheck` is the way in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from typing import Any

from ._harness import Harness
from ._report import CheckResult, Finding, HostReport

__all__ = ["CheckResult", "Finding", "Harness", "HostReport", "hostcheck"]


def hostcheck(
    adapter: Callable[[], Any],
    *,
    verbose: bool = False,
    only: Collection[str] | None = None,
    timeout: float = 10.0,
) -> HostReport:
    """Tries an adapter out: prints what is wrong with it and what to do, and returns that as a report.

    `adapter`: a function without arguments that makes a `Harness`: the host, and how to run and to quit its main loop.
    A `Host` that has `run()` and `quit()` or `stop()` itself will do, so `hostcheck(QueueHost)` is a complete call. It
    is called for each check anew, on the main thread of a fresh process. So that it can be found there, define it at
    the top level of a module; `functools.partial` of such a function works too. A script that calls this guards the
    call with `if __name__ == "__main__":`.
    `verbose`: a line for each check. `only`: the names of the checks to run, default all. `timeout`: seconds for each.

    On Windows drive "fd" is not checked. It always comes back: a check that hangs is a finding, with the Python stack of the host
    thread.
    """
    if getattr(sys, "frozen", False):
        raise RuntimeError("hostcheck starts interpreters, and a frozen program has none: check the adapter unfrozen")
    from ._parent import Checking  # here, so that programs that check nothing need not import it

    report = Checking(adapter, only, timeout, sys.stdout if verbose else None).run()
    if report.findings or verbose:
        print(report)
    return report
