"""The tests that may fail once: those of `tests/quarantine.txt`, and nobody else, have a second try.

    python3 quarantine.py SUITE     reads ids of tests that have failed, one a line; status 0: all are on the list

What reads a clock may fail on a machine that is busy. What does not has no second try: if it fails now and then, something
is wrong with it. Each second try is a line of the log, "second try: TEST: N", N being how many it had; scripts/test.sh adds
them up.

Owns: nothing.
"""

from __future__ import annotations

import fnmatch
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).resolve().parents[1] / "tests" / "quarantine.txt"
SUITES = ("python", "hosts", "conformance")


@dataclass(frozen=True)
class Line:
    """One line of the list. `pattern`: of test ids, with `*`; brackets mean themselves, as parameters of a test."""

    suite: str
    pattern: str
    reason: str


def read(text: str) -> list[Line]:
    """The list. A line without a reason is an error, as is a suite that has no second tries."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            fields = line.split(None, 2)
            if len(fields) != 3 or fields[0] not in SUITES:
                raise SystemExit(f"{LIST}:{number}: one of {', '.join(SUITES)}, a pattern and a reason were expected")
            found.append(Line(*fields))
    return found


class SecondTries:
    """Those of one suite: who may have one, and who had."""

    def __init__(self, suite: str, text: str | None = None) -> None:
        lines = read(LIST.read_text(encoding="utf-8") if text is None else text)
        self._patterns = [line.pattern for line in lines if line.suite == suite]
        self._had: Counter[str] = Counter()

    def may(self, test: str) -> bool:
        """Whether the test is on the list."""
        return any(fnmatch.fnmatchcase(test, pattern.replace("[", "[[]")) for pattern in self._patterns)

    def note(self, test: str) -> None:
        """The test has a second try now."""
        self._had[test] += 1

    def lines(self) -> list[str]:
        """For the log."""
        return [f"second try: {test}: {count}" for test, count in sorted(self._had.items())]


def main(suite: str, failed: Iterable[str]) -> int:
    """The command. Returns its exit status."""
    tries = SecondTries(suite)
    return 0 if all(tries.may(test.strip()) for test in failed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.stdin))
