"""The tests that have a second try: those of `tests/quarantine.txt`, and up to two others of a suite's thousands.

    python3 quarantine.py SUITE     reads ids of tests that have failed, one a line; status 0: all have a second try

What reads a clock may fail on a machine that is busy, and stands on the list. Of what does not, one or two failures of ten
thousand tests may be a machine that stood still for a moment: they are tried again alone, as CPython's own test runner does
it (--rerun), and told of in any case, since each is a fault of the test or of the library. Three are no accident, and with
ASYNCGUEST_STRICT=1 one is none. Each second try is a line of the log, "second try: TEST: N", N being how many it had, and
"not in quarantine" if it was not; scripts/test.sh prints these lines again.

Owns: nothing.
"""

from __future__ import annotations

import fnmatch
import os
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).resolve().parents[1] / "tests" / "quarantine.txt"
SUITES = ("python", "hosts", "conformance")
# So many tests that are not on the list may have failed, and have a second try.
SPARED = 2


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

    def is_listed(self, test: str) -> bool:
        """Whether the test is on the list."""
        return any(fnmatch.fnmatchcase(test, pattern.replace("[", "[[]")) for pattern in self._patterns)

    def among(self, failed: Iterable[str]) -> set[str]:
        """Which of all the tests that have failed have one. A test that has failed in several hosts counts for each."""
        tests = list(failed)
        listed = {test for test in tests if self.is_listed(test)}
        spared = 0 if os.environ.get("ASYNCGUEST_STRICT") == "1" else SPARED
        return set(tests) if sum(test not in listed for test in tests) <= spared else listed

    def note(self, test: str) -> None:
        """The test has a second try now."""
        self._had[test] += 1

    def lines(self) -> list[str]:
        """For the log."""
        return [self.line(test, count) for test, count in sorted(self._had.items())]

    def line(self, test: str, count: int = 1) -> str:
        """One of them."""
        return f"second try: {test}: {count}" + ("" if self.is_listed(test) else " (not in quarantine)")


def main(suite: str, failed: Iterable[str]) -> int:
    """The command. Returns its exit status."""
    tries, tests = SecondTries(suite), [test.strip() for test in failed]
    if tries.among(tests) != set(tests):
        return 1
    print(*map(tries.line, sorted(set(tests))), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.stdin))
