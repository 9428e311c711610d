"""A cell's process: how it is begun, and what comes of it. Owns: nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from rows import Cell

Outcome: TypeAlias = "tuple[str, dict[str, float] | str]"

_CELL = Path(__file__).with_name("cell.py")

# The standard transports' receive buffers of 256 KiB cost an mmap, or a trim of the heap, for each recv without these.
_TUNED = {"MALLOC_TRIM_THRESHOLD_": "100000000", "MALLOC_MMAP_THRESHOLD_": "100000000"}

# Seconds: no cell takes as long.
PATIENCE = 120


def begin(
    cell: Cell, size: Sequence[float], fds: Sequence[int] = (), before: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Its process, which inherits `fds`. `before`: the command that runs it."""
    command = [*before, sys.executable, str(_CELL), cell.loop, cell.host, cell.work, *map(str, size)]
    environment = {name: value for name, value in os.environ.items() if name not in _TUNED}
    if cell.tuned:
        environment |= _TUNED
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, pass_fds=fds, stdout=pipe, stderr=pipe, text=True)


def outcome(process: subprocess.Popen[str], patience: float = PATIENCE) -> Outcome:
    """Waits for its end: ("measured", figures), ("left out", reason) or ("failed", reason)."""
    try:
        printed, complaints = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return "failed", f"no end after {patience} s"
    if process.returncode == 0:
        return "measured", json.loads(printed)
    if process.returncode == 3:
        return "left out", printed.strip()
    said = (complaints.strip() or printed.strip()).splitlines()
    return "failed", said[-1] if said else f"exit status {process.returncode}"
