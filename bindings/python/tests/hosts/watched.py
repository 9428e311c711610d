"""A child in which one scenario is played, and what becomes of it.

Owns: the child, its output and its notes.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from scenarios import Scenario
from stages import notes

__all__ = ["Forked", "Started", "become"]

#: Seconds after which a child tells where it hangs, and more after which it is killed. Under wine a start takes seconds, and
#: beside other work minutes. Elsewhere a second that many others want the processors in counts less: see `_ends_within`.
PATIENCE, GRACE = (15.0, 5.0) if sys.platform != "win32" else (240.0, 60.0)
#: Seconds between two looks at the pace.
_LOOK = 0.5
_NOTES = "ASYNCGUEST_NOTES"
_TROUBLE = re.compile(r"Traceback|\w+Warning:|Fatal Python error|Segmentation fault")


class _Watched:
    """Seen from the parent."""

    def __init__(self, play: Scenario) -> None:
        self.play = play
        self.hung = False
        self.began = monotonic()
        self.output = tempfile.TemporaryFile()

    def outcome(self) -> dict[str, Any]:
        """Waits for its end; "passed", "failed" or "skipped", and why."""
        status = self._wait()
        found: dict[str, Any] = {"seconds": round(monotonic() - self.began, 2)}
        told = [json.loads(line) for line in self._notes().splitlines()]
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
        raise NotImplementedError

    def _notes(self) -> bytes:
        """Its notes, after its end."""
        raise NotImplementedError

    def _wrong(self, status: int | None, noted: tuple[str, ...], ended: bool, said: str) -> str:
        """What is wrong with how it went; "" if nothing."""
        play = self.play
        if status is None:
            return "it hung so that even its watchdog could not end it"
        if self.hung or "Timeout (0:" in said:
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


class Forked(_Watched):
    """A fork of this process, which has imported what is slow to import."""

    def __init__(self, play: Scenario) -> None:
        super().__init__(play)
        self.read, self.write = os.pipe()
        self.pid = os.fork()

    def become(self) -> None:
        """In the child: what it prints and notes goes to the parent from here on."""
        for fd in (1, 2):
            os.dup2(self.output.fileno(), fd)
        self.output.close()
        os.close(self.read)
        notes.fd = self.write
        faulthandler.enable()
        _hear_ctrl_c()

    def _wait(self) -> int | None:
        os.close(self.write)
        pidfd = os.pidfd_open(self.pid)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        in_time = _ends_within(PATIENCE, poll)
        if not in_time:
            self.hung = True
            os.kill(self.pid, signal.SIGABRT)  # it tells where
            in_time = _ends_within(GRACE, poll)
        os.close(pidfd)
        if not in_time:
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status) if in_time else None

    def _notes(self) -> bytes:
        os.set_blocking(self.read, False)  # a grandchild that lives on may hold the other end
        with os.fdopen(self.read, "rb") as lines:
            return lines.read() or b""


class Started(_Watched):
    """A process of its own, where there are no forks. It calls `become`."""

    def __init__(self, play: Scenario, arguments: Sequence[str]) -> None:
        super().__init__(play)
        fd, name = tempfile.mkstemp()
        os.close(fd)
        self.file = Path(name)
        self.process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", *arguments],
            env={**os.environ, _NOTES: name},
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )

    def _wait(self) -> int | None:
        try:
            return self.process.wait(PATIENCE + GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    def _notes(self) -> bytes:
        try:
            return self.file.read_bytes()
        finally:
            self.file.unlink()


def become() -> None:
    """In a child that was started: what it notes goes to the parent from here on."""
    notes.fd = os.open(os.environ[_NOTES], os.O_WRONLY | os.O_APPEND)
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    _hear_ctrl_c()


def _hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts its background without Ctrl-C


def _ends_within(seconds: float, poll: select.poll) -> bool:
    """Waits for the child's end, so many seconds of a processor of its own: while each has n threads to run, n times as long."""
    while seconds > 0:
        if poll.poll(_LOOK * 1000):
            return True
        wanting = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0])
        seconds -= _LOOK / max(1.0, wanting / (os.cpu_count() or 1))
    return False
