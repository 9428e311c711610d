"""Compares the package with other ways to run asyncio, alone and in a host's main loop, and prints a table.

    python run.py [--quick] [--rounds N] [--host NAME]... [WORD...]

Run it with an interpreter that has asyncguest installed. Each sample runs in a process of its own; the samples of one work
take turns (A B C, B C A, ...) and ratios are taken within a round, so that a machine that is busy for a while slows both
terms. `--quick`: a smoke run of seconds, does every row print? `--host`: only the rows in which asyncguest is in this host.
`WORD`: only the rows with this in their title.

Exit status 1: a sample has failed. Speed is judged in the table alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from load import load_generator
from rows import SIZES, Cell, Row, rows
from table import HEAD, Samples

_CELL = Path(__file__).with_name("cell.py")

# The standard transports' receive buffers of 256 KiB cost an mmap, or a trim of the heap, for each recv without these.
_TUNED = {"MALLOC_TRIM_THRESHOLD_": "100000000", "MALLOC_MMAP_THRESHOLD_": "100000000"}

# Seconds: no cell takes as long.
_PATIENCE = 120


def measure(cell: Cell, size: Sequence[float]) -> tuple[str, dict[str, float] | str]:
    """("measured", figures), ("left out", reason) or ("failed", reason)."""
    command = [sys.executable, str(_CELL), cell.loop, cell.host, cell.work, *map(str, size)]
    environment = {name: value for name, value in os.environ.items() if name not in _TUNED}
    if cell.tuned:
        environment |= _TUNED
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return "failed", f"no end after {_PATIENCE} s"
    if done.returncode == 0:
        return "measured", json.loads(done.stdout)
    if done.returncode == 3:
        return "left out", done.stdout.strip()
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return "failed", said[-1] if said else f"exit status {done.returncode}"


def take(samples: Samples, cell: Cell, number: int, quick: bool) -> None:
    """One sample."""
    if cell in samples.left_out or cell in samples.failed:
        return
    outcome, found = measure(cell, SIZES[cell.work][quick])
    if isinstance(found, dict):
        samples.add(cell, number, found)
    else:
        (samples.left_out if outcome == "left out" else samples.failed)[cell] = found


def collect(chosen: Sequence[Row], rounds: int, quick: bool) -> Samples:
    """All samples for these rows."""
    samples = Samples(judge=not quick)
    cells = list(dict.fromkeys(cell for row in chosen for cell in (row.ours, row.peer) if cell is not None))
    if quick:  # nothing is compared, so they need not be alone
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda cell: take(samples, cell, 0, quick), cells))
        return samples
    by_work = {work: [cell for cell in cells if cell.work == work] for work in SIZES}
    for number in range(rounds):
        for group in by_work.values():
            start = number % max(1, len(group))
            for cell in group[start:] + group[:start]:
                take(samples, cell, number, quick)
        print(f"round {number + 1} of {rounds}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    return samples


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--host", action="append", metavar="NAME", help="may be given again")
    parser.add_argument("words", nargs="*", metavar="WORD")
    options = parser.parse_args()
    chosen = [
        row
        for row in rows()
        if (not options.words or any(word in row.title for word in options.words))
        and (options.host is None or row.ours.host in options.host)
    ]
    if not chosen:
        wanted = [*options.words, *(f"--host {host}" for host in options.host or ())]
        parser.error(
            f"no row is about {' and '.join(wanted)}: the rows are in {Path(__file__).with_name('rows.py').name}"
        )
    load_generator()
    before = os.getloadavg()[0]
    samples = collect(chosen, 1 if options.quick else options.rounds, options.quick)
    print(f"CPython {platform.python_version()}, load average {before:.2f} before, {os.getloadavg()[0]:.2f} after")
    print()
    print(HEAD)
    for row in chosen:
        print(samples.line(row))
    print()
    print(f"{len(chosen)} rows, {len(samples.left_out)} cells left out, {len(samples.failed)} failed")
    return 1 if samples.failed else 0


if __name__ == "__main__":
    sys.exit(main())
