"""Compares the package with other ways to run asyncio, alone and in a host's main loop, and prints a table.

    python run.py [--quick] [--rounds N] [--host NAME]... [WORD...]

Run it with an interpreter that has asyncguest installed. Each sample runs in a process of its own; the samples of one work
take turns (A B C, B C A, ...) and ratios are taken within a round, so that a machine that is busy for a while slows both
terms. The loops whose wake latency is compared live side by side (see duel.py). `--quick`: a smoke run of seconds, does every row print? `--host`: only the rows in which asyncguest is in this host.
`WORD`: only the rows with this in their title.

Exit status 1: a sample has failed. Speed is judged in the table alone.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from duel import duel
from load import load_generator
from process import Outcome, begin, outcome
from rows import SIZES, Cell, Row, rows
from table import HEAD, Samples


def measure(work: str, cells: Sequence[Cell], quick: bool) -> Iterator[tuple[Cell, Outcome]]:
    """One sample of each; one by one, unless the work wants them all alive or nothing is compared."""
    size = SIZES[work][quick]
    if work == "wake":
        yield from duel(cells, int(size[0]))
        return
    with ThreadPoolExecutor(os.cpu_count() if quick else 1) as pool:
        yield from zip(cells, pool.map(lambda cell: outcome(begin(cell, size)), cells))


def collect(chosen: Sequence[Row], rounds: int, quick: bool) -> Samples:
    """All samples for these rows."""
    samples = Samples(judge=not quick)
    cells = list(dict.fromkeys(cell for row in chosen for cell in (row.ours, row.peer) if cell is not None))
    for number in range(rounds):
        for work in SIZES:
            group = [cell for cell in cells if cell.work == work and not samples.is_missing(cell)]
            start = number % max(1, len(group))
            for cell, found in measure(work, group[start:] + group[:start], quick):
                samples.add(cell, number, found)
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
