"""The processes that play, and what they are surrounded by.

Owns: a display for each worker of a pool, and a folder without files in which the players run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import scenarios
import stages
from rows import Row, line_of

sys.path.append(str(Path(__file__).resolve().parents[4] / "scripts"))
from quarantine import SecondTries

__all__ = ["Theatre"]

HERE = Path(__file__).resolve().parent
#: What all toolkits are to find: X and no Wayland, no graphics card, no sound, no session bus.
SURROUNDINGS = {
    "GDK_BACKEND": "x11",
    "GSK_RENDERER": "cairo",
    "GTK_A11Y": "none",
    "NO_AT_BRIDGE": "1",
    "DBUS_SESSION_BUS_ADDRESS": "disabled:",
    "LIBGL_ALWAYS_SOFTWARE": "1",
    "QT_QPA_PLATFORM": "xcb",
    "SDL_VIDEODRIVER": "x11",
    "SDL_AUDIODRIVER": "dummy",
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
}


class Theatre:
    """The pool: as many displays as workers."""

    def __init__(self, pythons: dict[str, str], out: Path) -> None:
        self.pythons = pythons
        self.out = out
        self.logs = out / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.slot = threading.local()
        self.servers: list[subprocess.Popen[bytes]] = []
        self.lock = threading.Lock()
        self.empty = tempfile.TemporaryDirectory()
        self.tries = SecondTries("hosts")

    def environment(self) -> dict[str, str]:
        """This worker's, with its display, which is started with its first job."""
        if not hasattr(self.slot, "environment"):
            read, write = os.pipe()
            command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "800x600x24", "-noreset", "-nolisten", "tcp"]
            server = subprocess.Popen(command, pass_fds=(write,), stderr=subprocess.DEVNULL)
            os.close(write)
            with os.fdopen(read) as line:
                number = line.readline().strip()
            with self.lock:
                self.servers.append(server)
            if not number:
                raise RuntimeError("Xvfb does not start")
            inherited = {key: value for key, value in os.environ.items() if key not in ("WAYLAND_DISPLAY", "DISPLAY")}
            pictures = {"ASYNCGUEST_PICTURES": str(self.out)}
            self.slot.environment = {**inherited, **SURROUNDINGS, **pictures, "DISPLAY": f":{number}"}
        return dict(self.slot.environment)

    def __enter__(self) -> Theatre:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the displays. The workers have ended before."""
        for server in self.servers:
            server.terminate()
            server.wait()
        self.empty.cleanup()

    def play(self, stage: type[stages.Stage], *arguments: str) -> tuple[str, str]:
        """Runs play.py on a stage; returns what it printed to stdout and to stderr. Worker."""
        command = [self.pythons[stage.python], "-X", "dev", "-W", "error", str(HERE / "play.py"), stage.name]
        done = subprocess.run(
            [*command, *arguments],
            cwd=self.empty.name,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            capture_output=True,
        )
        return done.stdout, done.stderr

    def scenarios(self, stage: type[stages.Stage], row: Row) -> None:
        """Plays all of them in one drive."""
        stdout, stderr = self.play(stage, row.drive)
        for line in outcomes_in(stdout):
            row.outcomes.append(line)
            row.version = row.outcomes[-1].get("version", row.version)
        wanted = len(scenarios.scenarios_for(stage))
        if len(row.outcomes) < wanted:
            row.remark = f"the player ended after {len(row.outcomes)} of {wanted} scenarios: {stderr.strip()[-300:]}"
        reasons = Counter(each["why"] for each in row.outcomes if each["outcome"] == "skipped")
        if row.outcomes and len(reasons) and not row.count("passed") and not row.count("failed"):
            row.remark = f"not to be had here: {reasons.most_common(1)[0][0]}"
            row.outcomes.clear()
        self.tell(row)

    def tell(self, row: Row) -> None:
        """Writes the log of a row, and a line to see that something goes on. Any thread."""
        log = self.logs / f"{row.host}-{row.drive}.txt".replace("/", "-")
        log.write_text("\n".join(line_of(outcome) for outcome in row.outcomes) + "\n")
        counts = ", ".join(f"{row.count(outcome)} {outcome}" for outcome in ("passed", "failed", "skipped"))
        print(f"      {row.host}, {row.drive}: {row.remark or counts}", file=sys.stderr, flush=True)

    def again(self, stage: type[stages.Stage], row: Row, tests: set[str]) -> None:
        """Gives those of `tests` that have failed a second try, when nothing else is going on."""
        for number, outcome in enumerate(row.outcomes):
            if outcome["outcome"] == "failed" and outcome["scenario"] in tests:
                self.tries.note(outcome["scenario"])
                stdout, _ = self.play(stage, row.drive, outcome["scenario"])
                for line in outcomes_in(stdout):
                    row.outcomes[number] = {**line, "first": outcome}
        self.tell(row)

    def pages(self, python: str, row: Row) -> None:
        """Runs the programs on the pages about hosts that this Python has the toolkits for."""
        pages = sorted((HERE.parents[3] / "docs" / "hosts").glob("*.md"))
        command = [python, str(HERE / "pages.py"), *map(str, pages)]
        done = subprocess.run(command, env=self.environment(), stdin=subprocess.DEVNULL, text=True, capture_output=True)
        row.outcomes += outcomes_in(done.stdout)
        if done.returncode not in (0, 1):
            row.remark = f"the player ended early: {done.stderr.strip()[-300:]}"

    def check(self, stage: type[stages.Stage], rows: list[Row]) -> None:
        """hostcheck, which takes each drive by itself."""
        stdout, stderr = self.play(stage, "check")
        (self.logs / f"{stage.name}-hostcheck.txt").write_text(stdout + stderr)
        last = (stdout.strip().splitlines() or ["it printed nothing"])[-1]
        for row in rows:
            row.check = last.rpartition(": ")[2].replace("nothing wrong", "all well")


def outcomes_in(printed: str) -> list[dict[str, Any]]:
    """A player's lines; toolkits print some of their own."""
    return [json.loads(line) for line in printed.splitlines() if line.startswith('{"stage"')]
