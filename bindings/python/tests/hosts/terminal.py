"""A program in a terminal of its own, at which somebody types when a text has come up.

Owns: nothing. Any thread.
"""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import tempfile
import termios
from time import monotonic

__all__ = ["run_in_terminal"]

# What ends the use of the whole screen: what is printed after it stays in the terminal.
_LEAVES_SCREEN = "\x1b[?1049l"
_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[()][0-9A-B]|\][^\x07]*\x07|[=>78])|[\x0e\x0f]")


def run_in_terminal(
    command: list[str], folder: str, text: str, keys: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Runs the command, and types `keys` when it has shown `text`. TimeoutExpired if it does not end.

    Its `stdout` is what is left in the terminal when the command has ended.
    """
    end = monotonic() + timeout
    user, its = pty.openpty()
    with tempfile.TemporaryFile("w+") as stderr:
        try:
            termios.tcsetwinsize(its, (24, 80))
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "TERM": "xterm"},
                stdin=its,
                stdout=its,
                stderr=stderr,
                start_new_session=True,
            )
        finally:
            os.close(its)
        shown = b""
        try:
            while select.select([user], (), (), max(0.0, end - monotonic()))[0]:
                try:
                    shown += os.read(user, 4096)
                except OSError:
                    break  # the command has ended, and nobody has the terminal any more
                if keys and text.encode() in shown:
                    os.write(user, keys.encode())
                    keys = ""
            process.wait(max(0.0, end - monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise subprocess.TimeoutExpired(command, timeout, shown) from None
        finally:
            os.close(user)
        stderr.seek(0)
        left = _ESCAPE.sub("", shown.decode(errors="replace").rpartition(_LEAVES_SCREEN)[2]).replace("\r", "")
        return subprocess.CompletedProcess(command, process.returncode, left, stderr.read())
