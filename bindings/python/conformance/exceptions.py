"""The list of tests that may differ, `exceptions.txt`, for Windows `exceptions-windows.txt`: what it means and whether all of
it is still true.

Owns: nothing.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

LIST = Path(__file__).with_name("exceptions-windows.txt" if sys.platform == "win32" else "exceptions.txt")


@dataclass
class Line:
    """One line of the list. `pattern`: of test ids, with `*`. `versions`: 3.11, 3.11-3.12 or all."""

    pattern: str
    versions: str
    modes: str
    reason: str
    used: set[str] = field(default_factory=set)

    def applies(self, mode: str, version: tuple[int, int]) -> bool:
        if self.modes != "all" and mode not in self.modes.split(","):
            return False
        if self.versions == "all":
            return True
        first, _, last = self.versions.partition("-")
        return _number(first) <= version <= _number(last or first)


def _number(version: str) -> tuple[int, int]:
    major, minor = version.split(".")
    return int(major), int(minor)


def read() -> list[Line]:
    """The list. A line without a reason is an error."""
    found = []
    for number, line in enumerate(LIST.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            fields = line.split(None, 3)
            if len(fields) != 4:
                raise SystemExit(f"{LIST}:{number}: a pattern, versions, modes and a reason were expected")
            found.append(Line(*fields))
    return found


class Excused:
    """The exceptions that hold for one mode of this interpreter and the modules that run."""

    def __init__(self, mode: str, modules: Iterable[str]) -> None:
        self._listed = [
            line
            for line in read()
            if line.applies(mode, sys.version_info[:2]) and line.pattern.split(".")[0] in set(modules)
        ]

    def covers(self, test: str) -> bool:
        return any(fnmatch.fnmatchcase(test, line.pattern) for line in self._listed)

    def use(self, test: str) -> bool:
        """Whether the difference of `test` is excused; the lines that do so count as used."""
        matching = [line for line in self._listed if fnmatch.fnmatchcase(test, line.pattern)]
        for line in matching:
            line.used.add(test)
        return bool(matching)

    def stale(self, ran: Iterable[str], complete: bool = True) -> list[str]:
        """The lines that cover a test which does not differ, or, if all tests ran, no test at all."""
        tests = list(ran)
        found = []
        for line in self._listed:
            covered = {test for test in tests if fnmatch.fnmatchcase(test, line.pattern)}
            if covered - line.used:
                found.append(f"{line.pattern} ({', '.join(sorted(covered - line.used))})")
            elif complete and not line.used:
                found.append(line.pattern)
        return found
