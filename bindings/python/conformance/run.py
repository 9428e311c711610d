"""CPython's own tests of asyncio, run with this loop: the same have to pass as with the standard selector loop.

    python run.py [--short] [--mode alone|guest|thread|plain]... [--modules NAME,NAME] --out FOLDER

Run it with the interpreter under test, which has asyncguest installed. Each module of `test.test_asyncio` runs in a
process of its own, with the standard loop and in each mode of `loops.py`. What differs has to stand in `exceptions.txt`,
and what stands there has to differ; what may be an accident (scripts/quarantine.py) has a second try first, in a new process.
Exit status 0: it is so; 3: this interpreter came without its tests.

The standard loop's results are kept in FOLDER, so that they are found out once per interpreter. `--short` runs a
selection of modules in the first two modes, and with the standard loop only those tests that did not pass with ours.
"""

from __future__ import annotations

import argparse
import os
import pkgutil
import platform
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "scripts"))
from exceptions import Excused
from quarantine import SecondTries
from results import Result, Results, run_module

# On Windows the data of sockets is the proactor's in all of them, so that "plain" would be "alone" once more.
MODES = ("alone", "guest", "thread") if sys.platform == "win32" else ("alone", "guest", "thread", "plain")

# What a loop is most likely to get wrong. test_ssl is left out for its length: test_sslproto tests the same code.
SHORT = (
    "test_base_events",
    "test_events",
    "test_runners",
    "test_selector_events",
    "test_server",
    "test_sock_lowlevel",
    "test_sslproto",
    "test_streams",
    "test_subprocess",
    "test_tasks",
    *(("test_windows_events", "test_windows_utils") if sys.platform == "win32" else ("test_unix_events",)),
)

# What the short selection leaves out of them: for loops.py a loop with another selector is the same loop once more, and
# tasks that are written in Python or derived use a loop in no other way than asyncio's own.
LEFT_OUT = (
    "*.PollEventLoopTests.*",
    "*.SelectEventLoopTests.*",
    "test_tasks.Py*",
    "test_tasks.*PyFuture*",
    "test_tasks.*Subclass*",
)

# What is never run.
NEVER: tuple[str, ...]
if sys.platform == "win32":
    NEVER = (
        # Clients in a row, none of which may come before the server's next pipe. Asyncio's own loop looks at its port in each
        # iteration; ours hears of it by another thread, a little later.
        "test_windows_events.ProactorTests.test_client_pipe_stat",
        # wine does not tell that nobody listens: they hang with asyncio's own loop, too.
        "test_sock_lowlevel.*.test_datagram_send_to_non_listening_address_*",
        # Its two ends wait for each other under wine, with asyncio's own loop, too.
        "test_ssl.TestSSL.test_remote_shutdown_receives_trailing_data",
    )
else:
    # A child watcher that reaps all children of the process takes those away that the loop itself waits for.
    NEVER = ("test_subprocess.SubprocessFastWatcherTests.*",)

# Those that take longest, first: then two of them run side by side, and not one of them alone at the end.
LONG = ("test_ssl", "test_subprocess", "test_events", "test_sendfile", "test_tasks")


class Conformance:
    """One interpreter: what its standard loop passes, and how the modes compare."""

    def __init__(self, modules: list[str], out: Path, jobs: int, short: bool) -> None:
        self.modules = sorted(modules, key=lambda name: (name not in LONG, name))
        self.out = out
        self.jobs = jobs
        self.short = short
        self.kept = out / "standard.json"
        same = f"{sys.version} without {' '.join(NEVER)}"
        self.standard = Results.load(self.kept, same)
        missing = [name for name in self.modules if not self.standard.has_module(name)]
        if missing and not short:
            found = self.run("standard", dict.fromkeys(missing))
            self.try_again("standard", found, found.failed())  # what it passes at all is wanted of ours
            self.standard.add(found)
            self.standard.save(self.kept, same)
        self.standard = self.standard.of_modules(self.modules)

    def run(self, mode: str, chosen: Mapping[str, list[str] | None]) -> Results:
        """Runs modules, or those tests of a module that are named."""
        results = Results()
        with ThreadPoolExecutor(self.jobs) as pool:
            without = (*NEVER, *(LEFT_OUT if self.short else ()))
            for found in pool.map(lambda item: run_module(mode, item[0], self.out, item[1], without), chosen.items()):
                results.add(found)
        return results

    def run_tests(self, mode: str, tests: Iterable[str]) -> Results:
        """Runs some tests, by module."""
        chosen: dict[str, list[str]] = {}
        for test in sorted(tests):
            chosen.setdefault(test.split(".")[0], []).append(test)
        return self.run(mode, chosen)

    def try_again(self, mode: str, results: Results, tests: Iterable[str]) -> None:
        """Runs these tests once more and notes those that pass now."""
        again = self.run_tests(mode, tests).passed()
        results.update({test: Result("passed", "at the second try") for test in again})

    def expected(self, found: Results) -> set[str]:
        """The tests that have to pass: those that do with the standard loop."""
        if not self.short:
            return self.standard.passed() | (found.failed_around() - self.standard.failed())
        passed = found.passed()
        return passed | found.failed_around() | self.run_tests("standard", set(found) - passed).passed()

    def judge(self, mode: str) -> bool:
        """Runs one mode and says how it compares. Returns whether everything is as it should be."""
        found = self.run(mode, dict.fromkeys(self.modules))
        expected = self.expected(found)
        excused = Excused(mode, self.modules)
        tries = SecondTries("conformance")
        again = tries.among(test for test in expected - found.passed() if not excused.covers(test))
        again = {test for test in again if test not in found.died() or tries.is_listed(test)}  # a crash is no accident
        for test in again:
            tries.note(test)
        self.try_again(mode, found, again)
        different = sorted(expected - found.passed())
        failed = [test for test in different if not excused.use(test)]
        stale = excused.stale(expected, complete=not self.short)
        if not found.loops:
            failed.append("no test has made a loop of ours: does loops.py know asyncio's names in this version?")
        verdict = "FAIL" if failed or stale else "ok  "
        print(
            f"{verdict}  {platform.python_version():8} {mode:7}{len(found.passed()):5} passed, {len(failed)} failed, "
            f"{len(different) - len(failed)} excepted, {len(found.skipped())} skipped, {found.loops} loops"
            f"   (of {len(expected)} that the standard loop passes)",
            flush=True,
        )
        for test in failed:
            print(f"      differs: {test}: {found.said(test) if test in expected else ''}")
        for line in stale:
            print(f"      no longer needed in exceptions.txt: {line}")
        for line in tries.lines():
            print(line)
        return not failed and not stale


def modules() -> list[str]:
    """The test modules that this interpreter has."""
    from test import test_asyncio

    return [module.name for module in pkgutil.iter_modules(test_asyncio.__path__) if module.name.startswith("test_")]


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform != "win32" else os.cpu_count() or 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="only what every make test runs")
    parser.add_argument("--mode", action="append", choices=MODES, help="default: all; with --short the first two")
    parser.add_argument("--modules", help="only these, separated by commas")
    parser.add_argument("--jobs", type=int, default=processors() + 1)
    parser.add_argument("--out", type=Path, required=True, help="for results and logs")
    options = parser.parse_args()
    try:
        names = modules()
    except ImportError as error:
        print(f"skip  {platform.python_version():8} came without the tests of asyncio ({error})")
        return 3
    if options.modules:
        names = options.modules.split(",")
    elif options.short:
        names = [name for name in names if name in SHORT]
    out = options.out / platform.python_version()
    out.mkdir(parents=True, exist_ok=True)
    conformance = Conformance(names, out, options.jobs, options.short)
    verdicts = [conformance.judge(mode) for mode in options.mode or MODES[: 2 if options.short else None]]
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
