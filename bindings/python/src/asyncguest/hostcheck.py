"""`python -m asyncguest.hostcheck module:factory`: `asyncguest.hostcheck(factory)` from the command line.

The exit status is 0 if nothing is wrong, 1 if something is, 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import types
from typing import Any

from ._hostcheck import hostcheck as _check
from ._hostcheck._checks import CHECKS


def main() -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m asyncguest.hostcheck",
        description="Tries an adapter for asyncguest out and says what is wrong with it and what to do.",
        epilog="checks: " + "; ".join(f"{check.name}: {check.about}" for check in CHECKS),
    )
    parser.add_argument("adapter", help="module:function, which makes a Harness or a Host with run() and quit()")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only what is wrong")
    parser.add_argument("--only", action="append", metavar="CHECK", help="run this check only; may be given again")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS", help="for each check (default 10)")
    options = parser.parse_args()
    sys.path.insert(0, os.getcwd())
    module, _, name = options.adapter.partition(":")
    try:
        adapter: Any = importlib.import_module(module)
        for part in name.split("."):
            adapter = getattr(adapter, part)
    except (ImportError, AttributeError, ValueError) as error:
        parser.error(f"{options.adapter!r} cannot be found ({error}): give it as module:function")
    try:
        report = _check(adapter, verbose=not options.quiet, only=options.only, timeout=options.timeout)
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    return 0 if report.ok else 1


class _Callable(types.ModuleType):
    """The package's function has this module's name: whoever imports the module can call it just the same."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _check(*args, **kwargs)


if __name__ == "__main__":
    sys.exit(main())
sys.modules[__name__].__class__ = _Callable
