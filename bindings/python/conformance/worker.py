"""Runs one module of CPython's `test.test_asyncio` in this process, and says what became of each test.

    python worker.py MODE MODULE REPORT [ID...]     all but these; ID may be a pattern
    python worker.py MODE MODULE REPORT --only ID...

Owns: this process. REPORT gets one line of JSON when a test starts and one when it has ended, so that the parent
knows which test was running if the process dies. What is printed is for the log.
"""

from __future__ import annotations

import faulthandler
import fnmatch
import gc
import itertools
import json
import os
import signal
import sys
import tempfile
import unittest
from typing import Any, TextIO

# A test of test_asyncio takes a few seconds at most. Those that start interpreters take longer under wine.
SECONDS_PER_TEST = 60 if sys.platform != "win32" else 240


class Reporter(unittest.TextTestResult):
    """Tells the parent. A test that fails in several ways is reported by the worst of them."""

    def __init__(self, module: str, report: TextIO, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._module = module
        self._report = report
        self._running = False
        self._outcome = "passed"
        self._why = ""

    def _tell(self, **what: str) -> None:
        print(json.dumps(what), file=self._report, flush=True)

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._running = True
        self._outcome, self._why = "passed", ""
        faulthandler.dump_traceback_later(SECONDS_PER_TEST, exit=True)
        self._tell(start=short_id(test, self._module))

    def stopTest(self, test: unittest.TestCase) -> None:
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)
        gc.collect()  # what warns when it is freed does so here, and not in a later test that counts its own warnings
        if self._running:
            self._running = False
            self._tell(id=short_id(test, self._module), outcome=self._outcome, why=self._why)

    def _note(self, outcome: str, why: str) -> None:
        if self._outcome != "failed":
            self._outcome, self._why = outcome, why

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self._fail(test, err)

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self._fail(test, err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._fail(test, err)

    def _fail(self, test: Any, err: Any) -> None:
        why = f"{err[0].__name__}: {err[1]}".splitlines()[0][:200]
        self._note("failed", why)
        if not isinstance(test, unittest.TestCase):  # setUpClass, setUpModule and their opposites
            self._tell(id=short_id(test, self._module), outcome="failed", why=why)

    def addSkip(self, test: Any, reason: str) -> None:
        super().addSkip(test, reason)
        self._note("skipped", reason)
        if not self._running:  # 3.12.1 does not start a test that is skipped
            self._tell(id=short_id(test, self._module), outcome="skipped", why=reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self._note("passed", "expected failure")

    def addUnexpectedSuccess(self, test: Any) -> None:
        super().addUnexpectedSuccess(test)
        self._note("failed", "unexpected success")


def short_id(test: Any, module: str) -> str:
    """`test_x.Class.test_y`; in brackets what is no test of the module."""
    name = str(test.id())
    prefix = "test.test_asyncio."
    return name[len(prefix) :] if name.startswith(prefix) else f"{module}.({name})"


def among(patterns: tuple[str, ...], name: str) -> bool:
    return name in patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns if "*" in pattern)


def tests_of(suite: Any) -> Any:
    """The tests of a suite, flat."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
        else:
            yield test


def main(mode: str, module: str, report_path: str, *ids: str) -> None:
    # The test package's ways: see test.libregrtest.
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts its background without Ctrl-C
    os.chdir(tempfile.mkdtemp(prefix="conformance-", dir=os.environ.get("TMPDIR")))
    loops_made = itertools.count()
    if mode != "standard":
        import loops

        loops_made = loops.install(mode)
    from test import support

    support.verbose = False
    support.use_resources = []
    loaded = unittest.defaultTestLoader.loadTestsFromName(f"test.test_asyncio.{module}")
    only = ids[:1] == ("--only",)
    wanted = [test for test in tests_of(loaded) if among(ids, short_id(test, module)) == only]
    with open(report_path, "a", encoding="utf-8") as report:
        runner = unittest.TextTestRunner(
            stream=sys.stdout,
            verbosity=2,
            resultclass=lambda *args, **kwargs: Reporter(module, report, *args, **kwargs),
        )
        gc.collect()
        gc.freeze()  # so that the collections after each test are quick
        runner.run(unittest.TestSuite(wanted))
        print(json.dumps({"end": module, "loops": next(loops_made)}), file=report, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
