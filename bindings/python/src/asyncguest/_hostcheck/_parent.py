"""The side that asks for checks: it starts the processes that run them, and outlives whatever they do.

Owns: one child process at a time, and the thread that reads its answers.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator
from time import monotonic
from typing import IO, Any

from ._child import ANSWER
from ._report import CheckResult, Finding, HostReport

#: For the start of the interpreter, and for what the child's own watchdog needs.
_GRACE = 20.0
_START = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from asyncguest._hostcheck._child import main; main()"
)


class Checking:
    """One call of `hostcheck`."""

    def __init__(
        self, adapter: Callable[[], Any], only: Collection[str] | None, timeout: float, show: IO[str] | None
    ) -> None:
        from ._checks import CHECKS

        if not callable(adapter):
            raise TypeError(f"adapter must be a function that makes a Harness, not {adapter!r}")
        unknown = set(only or ()) - {check.name for check in CHECKS}
        if unknown:
            raise ValueError(
                f"no such check: {', '.join(sorted(unknown))}; there are {', '.join(c.name for c in CHECKS)}"
            )
        if not timeout > 0:
            raise ValueError(f"timeout is in seconds and must be above 0, not {timeout!r}")
        try:
            self._adapter = pickle.dumps(adapter)
        except Exception as error:
            raise TypeError(
                f"{adapter!r} cannot be sent to another process ({error}): hostcheck needs a function that is defined "
                "at the top level of a module, or a functools.partial of one"
            ) from None
        self._name = getattr(adapter, "__qualname__", repr(adapter))
        self._wanted = [check for check in CHECKS if only is None or check.name in only]
        self._timeout = timeout
        self._show = show
        self._results: list[CheckResult] = []
        self._findings: dict[str, Finding] = {}
        self._child: _Child | None = None

    def run(self) -> HostReport:
        try:
            first = self._ask({"describe": True}, "harness")
            drives, optional = first.get("drives", []), first.get("optional", [])
            self._name = first.get("name", self._name)
            dead: set[str] = set()
            for drive in drives:
                for check in self._wanted:
                    if drive in check.drives:
                        self._check(
                            check, drive, both=len(drives) > 1 < len(check.drives), optional=optional, dead=dead
                        )
            if self._child is not None and not self._child.leave(self._timeout):
                self._note(
                    "exit",
                    wrong=True,
                    what="the interpreter did not end after the checks",
                    remedy="A thread or an exit hook of the host keeps it alive: make threads daemons, and end them in "
                    "close().",
                )
        finally:
            if self._child is not None:
                self._child.kill()
        return HostReport(self._name, tuple(self._results), tuple(self._findings.values()))

    def _check(self, check: Any, drive: str, *, both: bool, optional: list[str], dead: set[str]) -> None:
        name = f"{check.name} ({drive})" if both else check.name
        if check.needs and check.needs not in optional:
            result = CheckResult(name, "skipped", 0.0, f"the harness has no {check.needs}=")
        elif drive in dead:
            result = CheckResult(name, "skipped", 0.0, f"{'post' if drive == 'thread' else 'watch'} does not work")
        else:
            began = monotonic()
            wrong = sum(finding.wrong for finding in self._findings.values())
            end = self._ask({"check": check.name, "drive": drive}, name)
            outcome = end.get("outcome", "died")
            if outcome == "ok" and (end.get("wrong") or sum(f.wrong for f in self._findings.values()) > wrong):
                outcome = "wrong"
            if check.is_basic and outcome in ("hung", "failed", "died"):
                dead.add(drive)
            result = CheckResult(name, outcome, monotonic() - began)
        self._results.append(result)
        if self._show is not None:
            print(result, file=self._show, flush=True)

    def _ask(self, request: dict[str, Any], name: str) -> dict[str, Any]:
        """Sends a request to the child; returns its last answer, or {} when it could not give one."""
        if self._child is None:
            self._child = _Child(self._adapter, self._timeout)
        child = self._child
        child.send(request)
        for answer in child.answers(self._timeout + _GRACE):
            if "what" in answer:
                self._note(name, **answer)
            elif "end" in answer:
                if answer.get("gone"):
                    child.kill()
                    self._child = None
                return answer
        self._child = None
        how, output = child.kill()
        self._note(
            name,
            wrong=True,
            what=f"the process of this check {how}",
            remedy="The host broke the interpreter, or held its lock for ever. What the process had printed follows.",
            where=output[-2000:],
        )
        return {}

    def _note(self, check: str, *, wrong: bool, what: str, remedy: str, where: str = "") -> None:
        # The same fault shows in many checks: it is told once, whatever its figures.
        self._findings.setdefault(re.sub(r"[\d.]+", "#", what), Finding(check, wrong, what, remedy, where))


def main_program() -> dict[str, str] | None:
    """How another process finds what this one has as `__main__`: as a script, or as a module if it was run with -m."""
    main = sys.modules["__main__"]
    if main.__spec__ is not None:
        return {"module": main.__spec__.name}
    script = getattr(main, "__file__", None)
    return {"script": os.path.abspath(script)} if script else None


class _Child:
    """A process that runs checks on its main thread."""

    def __init__(self, adapter: bytes, timeout: float) -> None:
        self._output = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._output,
            )
        except BaseException:
            self._output.close()
            raise
        #: The lines that it has answered; the last one is empty.
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, name="hostcheck listener", daemon=True)
        self._listener.start()
        self.send(
            {
                "adapter": base64.b64encode(adapter).decode(),
                "timeout": timeout,
                "main": main_program() if b"__main__" in adapter else None,
            }
        )

    def send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it is gone: that there are no answers says so

    def answers(self, timeout: float) -> Iterator[dict[str, Any]]:
        """What it answers, until it ends or is silent for too long."""
        until = monotonic() + timeout
        while True:
            try:
                line = self._answers.get(timeout=max(0.0, until - monotonic()))
            except queue.Empty:
                return
            if not line:
                return
            yield json.loads(line)

    def _listen(self) -> None:
        """A thread of its own: not every system can wait for a pipe with a limit of time."""
        assert self._process.stdout is not None
        with self._process.stdout as answers:
            for line in answers:
                _, _, answer = line.partition(ANSWER)
                if answer.endswith(b"\n"):  # or it has ended in the middle of it
                    self._answers.put(answer)
        self._answers.put(b"")

    def leave(self, timeout: float) -> bool:
        """Asks it to end as interpreters do. Returns whether it did."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> tuple[str, str]:
        """Ends it in any case. Returns how it had ended, and what it had printed."""
        status = self._process.poll()
        if status is None:
            try:
                status = self._process.wait(0.5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdin is not None and not self._process.stdin.closed:
            try:
                self._process.stdin.close()
            except OSError:
                pass
        self._listener.join(1.0)  # or a fork of it holds the pipe
        self._output.seek(0)
        output = self._output.read().decode(errors="replace")
        self._output.close()
        if status is None:
            return "did not answer any more", output
        return (f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"), output
