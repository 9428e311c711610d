"""What became of the tests: running one module in a process of its own, and keeping the outcomes.

Owns: nothing. A process that dies or hangs costs the test that it was at; the rest run in a new one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

WORKER = Path(__file__).with_name("worker.py")

# The longest module takes a minute on a quiet machine.
SECONDS_PER_MODULE = 600

# A loop so broken that tests hang one after the other need not be shown all of them.
MAX_DEATHS = 3

# How the reason begins, where a process has ended in a test.
DIED = "the process ended here"

# What would make the tests run in another way than usual.
CHANGES_TESTS = ("PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONWARNINGS")


@dataclass
class Result:
    """The outcome of a test: "passed", "failed" or "skipped"; and what it said."""

    outcome: str
    why: str = ""


class Results(dict[str, Result]):
    """Test id to result. A name in brackets is no test but what surrounds some: an import, setUpClass, a process."""

    #: How many loops the tests made.
    loops = 0

    def add(self, others: Results) -> None:
        self.update(others)
        self.loops += others.loops

    def failed_around(self) -> set[str]:
        return {test for test in self.failed() if ".(" in test}

    def passed(self) -> set[str]:
        return {test for test, result in self.items() if result.outcome == "passed"}

    def failed(self) -> set[str]:
        return {test for test, result in self.items() if result.outcome == "failed"}

    def skipped(self) -> set[str]:
        return {test for test, result in self.items() if result.outcome == "skipped"}

    def died(self) -> set[str]:
        """Those at which the process ended: a crash, or a test that has hung."""
        return {test for test in self.failed() if self[test].why.startswith(DIED)}

    def said(self, test: str) -> str:
        return f"{self[test].outcome}: {self[test].why}" if test in self else "did not run"

    def has_module(self, module: str) -> bool:
        return any(test.startswith(module + ".") for test in self)

    def of_modules(self, modules: Iterable[str]) -> Results:
        wanted = set(modules)
        return Results({test: result for test, result in self.items() if test.split(".")[0] in wanted})

    @staticmethod
    def load(path: Path, stamp: str) -> Results:
        """Those that were saved with the same stamp, else none."""
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return Results()
        if saved.get("stamp") != stamp:
            return Results()
        return Results({test: Result(**result) for test, result in saved["tests"].items()})

    def save(self, path: Path, stamp: str) -> None:
        tests = {test: asdict(result) for test, result in sorted(self.items())}
        path.write_text(json.dumps({"stamp": stamp, "tests": tests}, indent=1), encoding="utf-8")


def run_module(
    mode: str, module: str, out: Path, only: Iterable[str] | None = None, without: Iterable[str] = ()
) -> Results:
    """Runs the tests of one module, or only some of them, or all but those that match the patterns `without`."""
    results = Results()
    deaths = 0
    left = None if only is None else set(only)
    log = out / f"{mode}-{module}{'' if only is None else '-some'}.log"
    with (
        # Windows keeps a folder that some process still has for its own.
        tempfile.TemporaryDirectory(prefix="asyncguest-conformance-", ignore_cleanup_errors=True) as folder,
        log.open("w") as output,
    ):
        report = Path(folder, "report")
        while left is None or left:
            report.write_text("")
            done = [*without, *results] if left is None else ["--only", *left]
            code = _run_worker([mode, module, str(report), *done], folder, output)
            at = _read(report, results, module)
            if at is None and not code:
                break
            results[at or f"{module}.(exit)"] = Result("failed", f"{DIED} (status {code}); see {log}")
            if at is None or at.endswith("(start)"):
                break
            deaths += 1
            if deaths == MAX_DEATHS:
                results[f"{module}.(rest)"] = Result("failed", f"not run: {deaths} processes have ended before it")
                break
            if left is not None:
                left -= set(results)
    return results


def _run_worker(args: list[str], folder: str, output: TextIO) -> int | None:
    environment = {key: value for key, value in os.environ.items() if key not in CHANGES_TESTS}
    try:
        return subprocess.run(
            [sys.executable, "-W", "default", str(WORKER), *args],
            cwd=folder,
            env={**environment, "TMPDIR": folder},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=SECONDS_PER_MODULE,
        ).returncode
    except subprocess.TimeoutExpired:
        return None


def _read(report: Path, results: Results, module: str) -> str | None:
    """Adds what the worker wrote; returns the test at which it stopped, None if it came to its end."""
    at: str | None = f"{module}.(start)"
    for line in report.read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        if "start" in said:
            at = said["start"]
        elif "end" in said:
            at = None
            results.loops += said["loops"]
        else:
            results[said["id"]] = Result(said["outcome"], said["why"])
    return at
