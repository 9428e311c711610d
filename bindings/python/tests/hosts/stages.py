"""What a scenario needs of a host: an application with one window in which something moves, and its main loop.

Owns: the list of the runs on a stage, and its notes for the process that watches this one. Host thread only.

A stage is written once per toolkit, in `stage_*.py`; a scenario once for all of them, in `scenarios_*.py`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

import asyncguest
from libraries import Asyncio

__all__ = ["Run", "Stage", "find_stage", "harness", "modules", "notes", "stages_of"]

HERE = Path(__file__).resolve().parent


class Stage:
    """One host, set up as a user's program does it.

    A subclass calls `super().__init__(drive)` first, and imports its toolkit in its methods, not at the top of the
    module: there may be several stages in one, of which some cannot be had here.
    """

    #: The row in the table.
    name: ClassVar[str] = ""
    #: Whose packages it needs: "newest" has wheels from PyPI, "system" is Debian's Python with Debian's packages.
    python: ClassVar[str] = "newest"
    #: The only `sys.platform` that has it.
    system: ClassVar[str | None] = None
    drives: ClassVar[tuple[str, ...]] = ("fd", "thread")
    #: The adapter of another stage, or one that adds only its beginning and end, in a program that is written otherwise or with
    #: another release of the toolkit: short runs play it in its first drive only.
    variant: ClassVar[bool] = False
    #: The host can only be made inside its loop: `run(first)` makes it, then calls `first()` there.
    inside: ClassVar[bool] = False
    #: The loop sleeps when nothing is to be done. False: a game's, which draws all the time.
    idles: ClassVar[bool] = True
    #: `asyncguest.start` finds it. False: there is nothing of it that could be found, a program names it.
    is_found: ClassVar[bool] = True
    #: Ctrl-C cancels the main task of the guest. False: the host has taken the signal for itself.
    ctrl_c: ClassVar[bool] = True
    #: The child of a fork that the host's own code has made can end by `sys.exit`. False: bare it cannot either, as the
    #: host's page says.
    forks: ClassVar[bool] = True
    #: A stage can be made, run and destroyed several times in one process.
    again: ClassVar[bool] = True
    #: The common scenarios to be played, by name; empty: all. For a slow host whose adapter has another stage.
    only: ClassVar[tuple[str, ...]] = ()
    #: Modules whose import opens no display and starts no thread: imported once, before the scenarios are forked off.
    imports: ClassVar[tuple[str, ...]] = ()
    #: A guest of Trio can live here. False: Trio runs here already.
    takes_trio: ClassVar[bool] = True
    #: Scenarios of this host alone, by name: functions like those in `scenarios_*.py`.
    extra: ClassVar[dict[str, Callable[[Any], None]]] = {}

    #: The adapter under test.
    host: Any
    #: The async library of the guests: one of `libraries.py`.
    library: Any = Asyncio()

    # What not every host has. A scenario that needs what stays None is skipped: "the host has no dialog".

    #: As the user's click on the window's X does it: queues the toolkit's own event.
    close_window: Callable[[], object] | None = None
    #: `click(function)`: queues a real event, in whose handler the toolkit calls `function()`.
    click: Callable[[Callable[[], object]], object] | None = None
    #: `later(seconds, function)`: the toolkit's own timer.
    later: Callable[[float, Callable[[], object]], object] | None = None
    #: `dialog(seconds)`: the toolkit's own modal dialog, closed by the toolkit's own timer; returns then.
    dialog: Callable[[float], object] | None = None
    #: A class of `kits.py`: what the package knows of this toolkit's events.
    kit: Callable[[Any], Any] | None = None
    #: Destroys window and application, after the loop.
    destroy: Callable[[], object] | None = None

    def __init__(self, drive: str) -> None:
        self.drive = drive
        #: When each frame was painted.
        self.frames: list[float] = []
        #: What the window shows: the stage paints this text, and something at `at`, from 0 to 1.
        self.text = self.name
        self.at = 0.0
        #: False: `frame` asks the stage's timer to stop.
        self.moving = True
        self.runs: list[Run] = []
        #: What a scenario has measured, for the table's log.
        self.figures: dict[str, Any] = {}

    def version(self) -> str:
        """The toolkit's, for example "PyQt6 6.11 / Qt 6.11.2"."""
        raise NotImplementedError

    def run(self, first: Callable[[], object] | None = None) -> object:
        """The main loop as a user's program runs it; returns when it has ended."""
        raise NotImplementedError

    def quit(self) -> object:
        """The toolkit's own "quit the application"."""
        raise NotImplementedError

    def frame(self) -> bool:
        """The stage's 60 Hz timer calls this each time it paints. False: the timer is to stop, and paint no more."""
        self.frames.append(monotonic())
        self.at = len(self.frames) % 60 / 60
        return self.moving

    # ---- for scenarios

    def enter(self, first: Callable[[], object]) -> None:
        """Calls `first()` and runs the main loop: in that order if the host allows it, else `first` in the loop."""
        if self.inside:
            self.run(first)
        else:
            first()
            self.run()

    def play(self, async_fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """One run from before the loop's start to its end, which ends the loop: its result or exception."""
        runs: list[Run] = []
        self.enter(lambda: runs.append(Run(self, async_fn, *args, **options)))
        return runs[0].result()

    def another(self) -> Stage:
        """A new stage of the same kind."""
        stage = type(self)(self.drive)
        stage.library = self.library
        return stage

    def note(self, what: str) -> None:
        """Tells the process that watches this one, at once, so that it is known however this one ends."""
        notes.write({"note": what})


class Run:
    """One guest on a stage. Its `done_callback` calls `then(end)`, by default: if it was the last, quits the loop.

    `end`: what its library gives a `done_callback`: asyncio its main task, Trio an outcome.
    """

    guest: Any

    def __init__(
        self,
        stage: Stage,
        async_fn: Callable[..., Any],
        *args: Any,
        host: Any = None,
        then: Callable[[Any], object] | None = None,
        **options: Any,
    ) -> None:
        self.stage = stage
        self.then = then or self._quit
        self.thread = threading.get_ident()
        self.done: list[Any] = []
        stage.runs.append(self)
        self.library = stage.library
        self.library.start(self, host or stage.host, async_fn, args, options)

    def over(self, end: Any) -> None:
        assert threading.get_ident() == self.thread, "done_callback on another thread"
        self.done.append(end)
        self.stage.note("done")
        self.then(end)

    def _quit(self, _: object) -> None:
        if all(run.done for run in self.stage.runs):
            self.stage.quit()

    def result(self) -> Any:
        """The main function's outcome, after the end."""
        return self.library.result(self.end)

    @property
    def end(self) -> Any:
        """What its one `done_callback` was given."""
        assert len(self.done) == 1, f"done_callback came {len(self.done)} times; {self.guest!r}"
        return self.done[0]

    @property
    def was_cancelled(self) -> bool:
        """That is how it ended."""
        return bool(self.library.was_cancelled(self.end))


class _Notes:
    """Lines of JSON to the process that watches this one, if one does."""

    fd = -1

    def write(self, what: dict[str, Any]) -> None:
        if self.fd >= 0:
            os.write(self.fd, json.dumps(what).encode() + b"\n")


notes = _Notes()


def modules() -> list[str]:
    """The modules that have stages."""
    return sorted(path.stem for path in HERE.glob("stage_*.py"))


def stages_of(module: str) -> list[type[Stage]]:
    """The stages of a module."""
    return [
        thing
        for thing in vars(importlib.import_module(module)).values()
        if isinstance(thing, type) and issubclass(thing, Stage) and thing.name and thing.__module__ == module
        if thing.system in (None, sys.platform)
    ]


def find_stage(name: str) -> type[Stage]:
    """The stage of that name."""
    missing = []
    for module in modules():
        try:
            found = [stage for stage in stages_of(module) if stage.name == name]
        except ImportError as error:
            missing.append(f"{module} cannot be imported: {error}")
            continue
        if found:
            return found[0]
    raise LookupError("; ".join([f"no stage {name!r} in {', '.join(modules())}", *missing]))


def harness(name: str) -> asyncguest.Harness:
    """The stage, for `asyncguest.hostcheck`."""
    kind = find_stage(name)
    stage = kind(kind.drives[0] if sys.platform != "win32" else "thread")
    return asyncguest.Harness(
        (lambda: stage.host) if stage.inside else stage.host,
        run=stage.run,
        quit=stage.quit,
        nested=stage.dialog,
        later=stage.later,
        close=stage.destroy,
        inside=stage.inside,
    )
