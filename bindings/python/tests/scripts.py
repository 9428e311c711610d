"""Programs of their own: what a test can only see from outside, such as the end of an interpreter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass

# For `finally` blocks that run when the interpreter ends: CPython 3.12 alone starts no threads any more then, so that there
# the block has to do without an executor.
IN_EXECUTOR = 'await asyncio.to_thread(lambda: "ran")' if sys.version_info[:2] != (3, 12) else '"ran"'

# Development mode if these tests are run in it; what is not closed is told without it, too.
MODE = ("-X", "dev") if sys.flags.dev_mode else ("-W", "default")

PRELUDE = """
import asyncio, os, signal, sys, threading, time
import asyncguest
from asyncguest.hosts.queue import QueueHost

def say(*words):
    # One write: never cut in two, also at the end of the interpreter.
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
"""


@dataclass
class Ended:
    """A program that has ended."""

    status: int
    lines: list[str]
    stderr: str

    def check(self, status: int = 0) -> Ended:
        """It has the status, came to its end by itself and did not crash."""
        assert self.status == status, (self.status, self.lines, self.stderr[-3000:])
        assert "Fatal Python error" not in self.stderr, self.stderr[-3000:]
        return self


def run_script(source: str, *args: object, options: tuple[str, ...] = MODE, timeout: float = 40.0) -> Ended:
    """Runs the prelude and `source` in a fresh interpreter. A program that hangs shows its stacks and fails the test."""
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", *options, "-c", PRELUDE + textwrap.dedent(source), *map(str, args)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # upon which faulthandler writes them
        last = threading.Timer(10, process.kill)  # of one that has blocked it
        last.start()
        out, err = process.communicate()
        last.cancel()
        raise AssertionError(f"still running after {timeout} s\nstdout: {out[-2000:]}\nstderr: {err[-4000:]}") from None
    return Ended(process.returncode, out.splitlines(), err)
