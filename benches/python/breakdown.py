"""Where the processor time of a request goes: an echo server, 50 connections of 1 KiB, by perf's samples of its process.

    python breakdown.py [SECONDS]

Each loop is sampled for so long (10) in each of three rounds, in turns. Kinds are told by the file and the function that
a sample is in; what the loop's own code calls, malloc for one, counts for what is called. Needs Linux's perf, and the right to
sample the kernel: root, or kernel.perf_event_paranoid at 1.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median

from load import load_generator
from process import begin, outcome
from rows import Cell

_LOOPS = ("asyncguest-python", "asyncguest", "uvloop")
_ROUNDS = 3

# Seconds until the load is under way.
_START = 1.0

# By file and function, the first that fits.
_KINDS = (
    ("kernel", r"\[kernel|\[k\]|\[unknown\].*\[k\]"),
    ("the loop's own native code", r"_native\.abi3|/uvloop/|^loop\.cpython"),
    (
        "allocator",
        r"\[\.\] (_?Py(Object|Mem)_(Raw)?(Malloc|Calloc|Realloc|Free)|_PyMem_|pymalloc_|address_in_range|.*malloc|.*calloc"
        r"|.*realloc|c?free|_int_|unlink_chunk|sysmalloc|systrim)",
    ),
    (
        "Python frames",
        r"\[\.\] (_PyEval_|_PyFrame_|_PyFunction_Vectorcall|_PyThreadState_(Push|Pop)Frame|clear_thread_frame)",
    ),
    ("interpreter, and its modules", r"python|\.cpython-"),
    ("libc, and the rest", r""),
)


def kind_of(line: str) -> str:
    return next(kind for kind, pattern in _KINDS if re.search(pattern, line))


def sampled(loop: str, seconds: float) -> tuple[float, Counter[str]]:
    """Microseconds for a request, and samples by kind."""
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder, "perf.data"))
        # Without the load generator, which is a child.
        record = [
            "perf",
            "record",
            "--quiet",
            "-e",
            "cpu-clock",
            "-F",
            "1999",
            "--no-inherit",
            "-D",
            str(int(_START * 1000)),
        ]
        cell = Cell("protocol", loop, "alone", tuned=True)
        kind, figures = outcome(begin(cell, [50, 1024, _START + seconds], before=[*record, "-o", data, "--"]))
        if not isinstance(figures, dict):
            sys.exit(f"breakdown.py: {cell} {kind}: {figures}")
        report = ["perf", "report", "--quiet", "--stdio", "-i", data, "-F", "sample,dso,sym", "-t", "\t"]
        printed = subprocess.run(
            report, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ).stdout
    kinds: Counter[str] = Counter()
    for line in printed.splitlines():
        if line.strip():
            count, where = line.split("\t", 1)
            kinds[kind_of(where.strip())] += int(count)
    return figures["cpu_us"], kinds


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    if shutil.which("perf") is None:
        print("breakdown.py: needs Linux's perf (Debian: apt-get install linux-perf)")
        return 77
    load_generator()
    costs: dict[str, list[float]] = {loop: [] for loop in _LOOPS}
    samples: dict[str, Counter[str]] = {loop: Counter() for loop in _LOOPS}
    for _ in range(_ROUNDS):
        for loop in _LOOPS:
            cost, kinds = sampled(loop, seconds)
            costs[loop].append(cost)
            samples[loop] += kinds
    print(f"| us of a request | {' | '.join(_LOOPS)} |")
    print("|---" * (len(_LOOPS) + 1) + "|")
    for kind, _ in _KINDS:
        shares = {loop: samples[loop][kind] / samples[loop].total() for loop in _LOOPS}
        print(
            f"| {kind} | {' | '.join(f'{shares[loop] * median(costs[loop]):.2f} ({shares[loop]:.0%})' for loop in _LOOPS)} |"
        )
    print(f"| all, median of {_ROUNDS} | {' | '.join(f'{median(costs[loop]):.2f}' for loop in _LOOPS)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
