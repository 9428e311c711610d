"""The two windows of the README's film do what the film shows: one paints while it downloads, and one does not.

Needs PyQt6, which is installed for the newest Python alone, and no display.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.once  # what the requirements of the newest Python bring

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture
def url() -> Iterator[str]:
    """A mebibyte of the demo's own server, which takes a second for it."""
    command = [sys.executable, str(EXAMPLES / "demo" / "server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        base = next(line.split()[1] for line in server.stdout if line.startswith("ready "))
        yield f"{base}/1MiB.bin?seconds=1.7"
        server.stdin.close()  # ends it


def frames(url: str, *options: str) -> int:
    """Runs the window by itself; how many frames it painted while the file was on its way."""
    pytest.importorskip("PyQt6", reason="PyQt6 is not installed for this Python")
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "dev",
            "-W",
            "error",
            str(EXAMPLES / "two_windows" / "window.py"),
            url,
            "--alone",
            *options,
        ],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    said = re.fullmatch(r"1048576 bytes, (\d+) frames painted meanwhile\n", done.stdout)
    assert said, done.stdout
    return int(said[1])


def test_a_download_in_the_handler_stops_the_window(url: str) -> None:
    assert frames(url) == 0


def test_a_guest_does_not(url: str) -> None:
    assert frames(url, "--guest") > 0
