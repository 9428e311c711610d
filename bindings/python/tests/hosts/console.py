"""Signals that this process sends to itself, as another program or the console would.

Owns: nothing. Any thread.
"""

from __future__ import annotations

import os
import signal
import sys

__all__ = ["SPARE", "kill"]

#: One that nobody wants for something.
SPARE = signal.SIGUSR1 if sys.platform != "win32" else signal.SIGBREAK


def kill(sig: int) -> None:
    """Sends it."""
    if sys.platform == "win32":
        signal.raise_signal(sig)  # os.kill would end the process
    else:
        os.kill(os.getpid(), sig)
