"""How a process ends by an exception that no caller can be given. Any thread."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn


def exit_status(error: BaseException) -> int:
    """What the process is to return for SystemExit or KeyboardInterrupt where a toolkit lets only a number pass."""
    if not isinstance(error, SystemExit):
        return 128 + signal.SIGINT
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    if sys.stderr is not None:  # a program without a console has none, and print() would take stdout instead
        print(error.code, file=sys.stderr)
    return 1


def leave(error: BaseException) -> NoReturn:
    """Ends the process here, with what a script shows and returns that `error` has come out of.

    By `os._exit`: no frame on the stack is left, and no exit hook runs.
    """
    status = 1
    try:
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            status = exit_status(error)
        if not isinstance(error, SystemExit):
            sys.excepthook(type(error), error, error.__traceback__)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # there is none, or it is closed, or nobody reads it
                stream.flush()
        os._exit(status & 0xFF)
