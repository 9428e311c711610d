"""The demo, from its command line: a session by a script in both drives, and what it says where it cannot run."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys

import pytest
import tkhelp

pytestmark = pytest.mark.once  # the demo is the same for each interpreter

display = tkhelp.display

# Not -X dev: asyncio's debug mode would tell of each callback that a busy machine makes slow.
COMMAND = [sys.executable, "-W", "error", "-m", "asyncguest.demo"]
LONGEST_GAP = r"longest gap ([\d.]+) ms"


def can_take_pictures():
    from asyncguest.demo import picture

    try:
        picture.check()
    except picture.PictureError:
        return False
    return True


def figure(pattern, text):
    found = re.search(pattern, text)
    assert found, text
    return float(found[1])


def session(drive, file):
    """A visit by a script; what it printed."""
    command = [*COMMAND, "--drive", drive, "--seconds", "0.7", "--screenshot", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=50, cwd=file.parent)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr  # no warning of a leak either
    return ran.stdout


def test_a_session_with_a_message_box(display, drive, tmp_path):
    if not can_take_pictures():
        pytest.skip("neither ImageMagick nor Pillow is here to take the screenshot")
    file = tmp_path / "demo.png"
    out = session(drive, file)
    assert f"drive {drive.upper()}," in out
    assert "4 complete (4 with the right SHA-256), 1 cancelled, 0 failed" in out
    assert figure(r"(\d+) bytes arrived meanwhile", out) > 0
    assert figure(r"in (\d+) deliveries", out) > 1
    assert "finally blocks: 6 of 6 ran" in out
    head = file.read_bytes()[:24]
    width, height = struct.unpack(">II", head[16:])
    assert head[:8] == b"\x89PNG\r\n\x1a\n" and width > 600 and height > 500
    # A window that freezes does so in each session; a machine that is busy with other things hardly does.
    gaps = [figure(LONGEST_GAP, out)]
    while gaps[-1] >= 500 and len(gaps) < 4:
        gaps.append(figure(LONGEST_GAP, session(drive, file)))
    assert min(gaps) < 500, gaps


def test_ctrl_c_ends_it_cleanly(display, tmp_path):
    with subprocess.Popen(
        [*COMMAND[:-2], "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        out, error = process.communicate(timeout=50)
    assert (process.returncode, error) == (130, "")
    ran = re.search(r"finally blocks: (\d+) of (\d+) ran", out)
    assert ran and ran[1] == ran[2] == "5", out


# Ctrl-C comes while the message box stands and the downloads run: from a timer, so that the moment is known.
INTERRUPTED = f"""
import os, sys, tkinter
from asyncguest.demo import __main__ as command
from asyncguest.demo.app import Demo
begin_all = Demo.begin_all
def begin_then_press(self):
    begin_all(self)
    self.root.bind_class("Dialog", "<Map>", lambda e: self.root.after(50, os.kill, os.getpid(), {int(signal.SIGINT)}))
    self.root.after(1, self.window.dialog_button.invoke)
Demo.begin_all = begin_then_press
sys.argv = ["demo"]
sys.exit(command.main())
"""


def test_no_display_is_said(tmp_path):
    if not can_take_pictures():  # the question that comes first is then another
        pytest.skip("neither ImageMagick nor Pillow is here")
    pytest.importorskip("tkinter")
    without = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    ran = subprocess.run(COMMAND, capture_output=True, text=True, timeout=50, cwd=tmp_path, env=without)
    assert ran.returncode == 2 and ran.stdout == ""
    assert "there is no display" in ran.stderr and "xvfb-run" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_downloads_by_streams_with_errors(display, tmp_path):
    """Without aiohttp: redirects, status, lengths and digests are looked at."""
    ran = subprocess.run([*COMMAND[:-2], "-c", STREAMS], capture_output=True, text=True, timeout=50, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.split("\n")[:-1] == [
        "/whole complete ",
        "/moved complete ",
        "/short failed 3 bytes came of 5 that were promised",
        "/lost failed 404 Not Found",
        "/other failed what came has another SHA-256",
        "/noise failed this is not an answer of HTTP: 'hello'",
    ]


STREAMS = r"""
import asyncio, asyncguest, hashlib
from asyncguest.demo.download import Download
from asyncguest.demo.fetch import StreamsFetcher

ANSWERS = {
    "/whole": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole",
    "/moved": "HTTP/1.1 302 Found\r\nLocation: /whole\r\n\r\n",
    "/short": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsho",
    "/lost": "HTTP/1.1 404 Not Found\r\n\r\n",
    "/other": "HTTP/1.1 200 OK\r\n\r\nwhile",
    "/noise": "hello\r\n\r\n",
}

async def serve(reader, writer):
    path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
    writer.write(ANSWERS[path].encode())
    writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    base = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
    digest = hashlib.sha256(b"whole").hexdigest()
    async with StreamsFetcher() as fetcher:
        for path in ANSWERS:
            download = Download(f"{base}{path}#sha256={digest}")
            await download.run(fetcher)
            print(path, download.state, download.error)
    server.close()
    await server.wait_closed()

asyncguest.run(main())
"""
