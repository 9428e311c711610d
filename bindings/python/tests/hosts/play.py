"""Scenarios on one stage, each in a process of its own, which may end however it wants.

    python play.py                           the names of the stages and of the scenarios
    python play.py STAGE DRIVE [SCENARIO...]   plays them, or all, and prints a line of JSON for each
    python play.py STAGE check               asyncguest.hostcheck on that stage
    python play.py STAGE DRIVE --here SCENARIO   plays one in this process: what `Started` starts

This process only imports what is slow to import and then watches its children, one at a time: what one has noted and
printed and how it ended is the outcome. It never makes an application itself, so that it can be forked; on Windows, which has
no forks, each child begins from the beginning.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import sys

import asyncguest
from asyncguest._hostcheck._checks import BY_NAME
from libraries import LIBRARIES
from scenarios import Scenario, scenarios_for
from stages import Stage, find_stage, harness, modules, notes, stages_of
from watched import Forked, Started, become

#: Seconds for each check: wine on a busy machine takes long.
CHECK = 10.0 if sys.platform != "win32" else 60.0


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
        return 0 if asyncguest.hostcheck(factory, verbose=True, timeout=CHECK).ok else 1
    reports = [asyncguest.hostcheck(factory, only=[name], timeout=CHECK) for name in BY_NAME]
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
    if wanted[:1] == ["--here"]:
        become()
        play_here(kind, drive, plays[wanted[1]])
        return 0
    forks = sys.platform != "win32"
    if forks:
        import_what_is_slow(kind)
    failed = 0
    for play in sorted([plays[name] for name in wanted] or plays.values(), key=lambda play: play.library):
        why = play.lacks(kind)
        try:
            LIBRARIES[play.library]()  # slow too; asyncio is played before another library is imported
        except ImportError as error:
            why = f"{type(error).__name__}: {error}"
        outcome = {"stage": name, "drive": drive, "scenario": play.name}
        if why:
            outcome.update(outcome="skipped", why=why)
        else:
            sys.stdout.flush()
            watched = Forked(play) if forks else Started(play, [__file__, name, drive, "--here", play.name])
            if isinstance(watched, Forked) and watched.pid == 0:
                watched.become()
                play_here(kind, drive, play)
                return 0
            outcome.update(watched.outcome())
        print(json.dumps(outcome), flush=True)
        failed += outcome["outcome"] == "failed"
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
