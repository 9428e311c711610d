"""`python -m asyncguest`: what a report of a bug has to say, and whether the package works here.

The exit status is 0 if it does, 1 if it does not, 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict

from ._about import about
from ._self_test import DRIVES, self_test

#: Seconds that the self-test, which takes a tenth of one, may last. Then it shows where it stands, and ends.
LIMIT = 30.0


@contextmanager
def watched() -> Iterator[None]:
    """Ends the process when it lasts too long, and shows where it stands, if there is anything that can be shown on."""
    with open(os.devnull, "w") as nothing:
        for stream in filter(None, (sys.stderr, sys.stdout, nothing)):
            with suppress(AttributeError, OSError, RuntimeError, ValueError):  # closed, or a window's and no file
                faulthandler.dump_traceback_later(LIMIT, exit=True, file=stream)
                break
        yield
        faulthandler.cancel_dump_traceback_later()


def main() -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m asyncguest",
        description="Says what a report of a bug needs: versions, the system, the main loops that are installed; and "
        "tries asyncguest out, in each way of waiting. The exit status is 0 if that works.",
        epilog="There are also python -m asyncguest.demo and python -m asyncguest.hostcheck.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    facts = about()
    if not options.json:
        print("\n".join(facts.lines()), flush=True)  # before anything can go wrong
    with watched():
        failures = {drive: self_test(drive) for drive in DRIVES}
    passed = not any(failures.values())
    if options.json:
        print(json.dumps({**asdict(facts), "passed": passed, "failures": failures}, indent=2))
    else:
        for drive, failure in failures.items():
            print(f"self-test   drive {drive}: {failure or 'passed'}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
