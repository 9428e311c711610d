"""Scenarios on one stage, each in a process of its own, which may end however it wants.

    python play.py                           the names of the stages and of the scenarios
    python play.py STAGE DRIVE [SCENARIO...]   plays them, or all, and prints a line of JSON for each
    python play.py STAGE check               asyncguest.hostcheck on that stage

This process only imports what is slow to import and then watches its children, one at a time: what one has noted and
printed and how it ended is the outcome. It never makes an application itself, so that it can be forked.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import gc
import importlib
import json
import os
import re
import select
import signal
import sys
import tempfile
from time import monotonic
from typing import Any

import asyncguest
from asyncguest._hostcheck._checks import BY_NAME
from libraries import LIBRARIES
from scenarios import Scenario, scenarios_for
from stages import Stage, find_stage, harness, modules, notes, stages_of

#: Seconds after which a child tells where it hangs, and more after which it is killed.
PATIENCE, GRACE = 15.0, 5.0
_TROUBLE = re.compile(r"Traceback|\w+Warning:|Fatal Python error|Segmentation fault")


class Watched:
    """A child in which a scenario is played."""

    def __init__(self, play: Scenario) -> None:
        self.play = play
        self.began = monotonic()
        self.output = tempfile.TemporaryFile()
        self.read, self.write = os.pipe()
        self.pid = os.fork()

    def become(self) -> None:
        """In the child: what it prints and notes goes to the parent from here on."""
        for fd in (1, 2):
            os.dup2(self.output.fileno(), fd)
        self.output.close()
        os.close(self.read)
        notes.fd = self.write
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts its background without Ctrl-C

    def outcome(self) -> dict[str, Any]:
        """In the parent: waits for its end; "passed", "failed" or "skipped", and why."""
        os.close(self.write)
        status = self._wait()
        found: dict[str, Any] = {"seconds": round(monotonic() - self.began, 2)}
        os.set_blocking(self.read, False)  # a grandchild that lives on may hold the other end
        with os.fdopen(self.read, "rb") as lines:
            told = [json.loads(line) for line in (lines.read() or b"").splitlines()]
        with self.output:
            self.output.seek(0)
            said = self.output.read().decode(errors="replace")
        for line in told:
            found.update({key: line[key] for key in ("version", "figures", "lacks") if key in line})
        if "lacks" in found:
            return {**found, "outcome": "skipped", "why": found.pop("lacks")}
        noted = tuple(line["note"] for line in told if "note" in line)
        why = self._wrong(status, noted, any("end" in line for line in told), said)
        return {**found, "outcome": "failed" if why else "passed", "why": why, "said": said if why else ""}

    def _wait(self) -> int | None:
        """Its exit status, negative for a signal; None if it had to be killed."""
        pidfd = os.pidfd_open(self.pid)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        in_time = bool(poll.poll((PATIENCE + GRACE) * 1000))
        os.close(pidfd)
        if not in_time:
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status) if in_time else None

    def _wrong(self, status: int | None, noted: tuple[str, ...], ended: bool, said: str) -> str:
        """What is wrong with how it went; "" if nothing."""
        play = self.play
        if status is None:
            return "it hung so that even its watchdog could not end it"
        if "Timeout (0:" in said:
            return f"it hung for {PATIENCE:.0f} s, see the stacks"
        if status != play.status:
            last = said.strip().splitlines()[-1:] or [""]
            return f"exit status {status} instead of {play.status}: {last[0]}"
        if play.notes is not None and noted != play.notes:
            return f"noted {list(noted)} instead of {list(play.notes)}"
        if play.status == 0 and not ended:
            return "the process ended before the scenario did"
        if play.says and play.says not in said:
            return f"{play.says!r} was not reported"
        if not play.says and (trouble := _TROUBLE.search(said)):
            return f"it printed {trouble[0]!r}"
        return ""


def play_here(kind: type[Stage], drive: str, play: Scenario) -> None:
    """In the child: the scenario, and a look at what is left when it is over."""
    try:
        stage = kind(drive)
        stage.library = LIBRARIES[play.library]()
    except ImportError as error:
        notes.write({"lacks": f"{type(error).__name__}: {error}"})
        return
    notes.write({"version": stage.version()})
    play.play(stage)
    stage.runs.clear()
    if stage.destroy is not None:
        stage.destroy()
    figures = stage.figures
    del stage
    gc.collect()
    live = asyncguest.stats()
    assert (live.loops, live.sources, live.threads, live.guests) == (0, 0, 0, ()), f"left behind: {live}"
    notes.write({"figures": figures, "end": True})


def import_what_is_slow(kind: type[Stage]) -> None:
    """Once for all children. What cannot be imported is told by the child that needs it."""
    for name in (*kind.imports, "asyncguest.hosts.chaos", "ssl", "subprocess"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def check(kind: type[Stage]) -> int:
    """hostcheck. Its checks share a process, which is no place for a toolkit that can be started once."""
    factory = functools.partial(harness, kind.name)
    if kind.again:
        return 0 if asyncguest.hostcheck(factory, verbose=True).ok else 1
    reports = [asyncguest.hostcheck(factory, only=[name]) for name in BY_NAME]
    whole = asyncguest.HostReport(
        reports[0].adapter,
        tuple(result for report in reports for result in report.checks),
        tuple(finding for report in reports for finding in report.findings),
    )
    print(*whole.checks, whole, sep="\n")
    return 0 if whole.ok else 1


def main(arguments: list[str]) -> int:
    """The command. Returns its exit status."""
    if len(arguments) < 2:
        for module in modules():
            for stage in stages_of(module):
                print(f"{stage.name} ({', '.join(stage.drives)}; python: {stage.python})")
        print("\n".join(scenarios_for(Stage)))
        return 2
    name, drive, *wanted = arguments
    kind = find_stage(name)
    if drive == "check":
        return check(kind)
    plays = scenarios_for(kind)
    import_what_is_slow(kind)
    failed = 0
    for play in sorted([plays[name] for name in wanted] or plays.values(), key=lambda play: play.library):
        with contextlib.suppress(ImportError):
            LIBRARIES[play.library]()  # slow too; asyncio is played before another library is imported
        outcome = {"stage": name, "drive": drive, "scenario": play.name}
        if why := play.lacks(kind):
            outcome.update(outcome="skipped", why=why)
        else:
            sys.stdout.flush()
            watched = Watched(play)
            if watched.pid == 0:
                watched.become()
                play_here(kind, drive, play)
                return 0
            outcome.update(watched.outcome())
        print(json.dumps(outcome), flush=True)
        failed += outcome["outcome"] == "failed"
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
