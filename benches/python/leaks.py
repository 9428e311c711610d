"""Whether connections leave anything behind: so many come and go, of a server alone and of one in a host.

    python leaks.py [CONNECTIONS]

A million, if not said otherwise; some minutes each. Connections end in four ways: the client closes, or resets, before a
word or after one, or the server closes. The first hundredth fills what is kept for the next ones. What is counted then and at
the end: resident memory, what native code has from malloc, the objects that the garbage collector knows, the blocks of
Python's allocator, and the references to the loop, the server and the classes of what each connection has.

Exit status 1: something has grown with their number.
"""

from __future__ import annotations

import sys

from process import begin, outcome
from rows import Cell

# Seconds for a server's share.
_PATIENCE = 3600

# By figure: how much it may grow for a connection, and once.
_MAY_GROW = {
    "resident": ("resident memory, KiB", 4 / 1024, 4096),
    "heap": ("malloc, KiB", 1 / 1024, 256),
    "objects": ("objects", 0.001, 500),
    "blocks": ("blocks", 0.001, 1000),
    "references": ("references", 0.0, 20),
}


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    grown = 0
    print(f"| server | {' | '.join(name for name, _, _ in _MAY_GROW.values())} |")
    print("|---" * (len(_MAY_GROW) + 1) + "|", flush=True)
    for work, host in (("protocols", "alone"), ("streams", "alone"), ("protocols", "queue")):
        cell = Cell(work, "asyncguest", host)
        kind, figures = outcome(begin(cell, [count]), _PATIENCE)
        if not isinstance(figures, dict):
            print(f"| {work}, {cell} | {kind}: {figures} |", flush=True)
            grown += 1
            continue
        columns = []
        for name, (_, each, once) in _MAY_GROW.items():
            before, after = figures[f"{name}_before"], figures[f"{name}_after"]
            leaks = after - before > each * count + once
            grown += leaks
            columns.append(f"{before:.0f}, then {after:.0f}" + " **GROWN**" * leaks)
        print(f"| {work}, {cell} | {' | '.join(columns)} |", flush=True)
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
