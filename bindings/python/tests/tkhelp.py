"""What the Tk tests share: a display, a window, and a run inside it.

A test file makes the fixtures known with `display, root = tkhelp.display, tkhelp.root`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers import Run

try:
    import tkinter

    from asyncguest.hosts.tk import TkHost
except ImportError:
    tkinter = None  # type: ignore[assignment]


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """An X server: the one that there is, or an Xvfb of our own."""
    if tkinter is None:
        pytest.skip("this interpreter has no tkinter")
    server = client = None
    if not os.environ.get("DISPLAY"):
        if shutil.which("Xvfb") is None:
            pytest.skip("DISPLAY is not set, and there is no Xvfb to make one")
        read_fd, write_fd = os.pipe()
        command = ["Xvfb", "-displayfd", str(write_fd), "-screen", "0", "800x600x24", "-nolisten", "tcp", "-terminate"]
        server = subprocess.Popen(command, pass_fds=[write_fd], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write_fd)
        with os.fdopen(read_fd) as line:
            number = line.readline().strip()
        os.environ["DISPLAY"] = f":{number}"
        # -terminate: the server goes when its last client has gone, also if this process is killed. Here is that client.
        client = socket.socket(socket.AF_UNIX)
        client.connect(f"/tmp/.X11-unix/X{number}")
        client.send(struct.pack("<cxHHHHxx", b"l", 11, 0, 0, 0))
        client.recv(8)
    try:
        window = tkinter.Tk()
        window.update()  # starts Tcl's own thread, whose fds stay from here on
        window.destroy()
        yield os.environ["DISPLAY"]
    finally:
        if server is not None and client is not None:
            del os.environ["DISPLAY"]
            client.close()
            server.terminate()
            server.wait()


@pytest.fixture
def root(display: str) -> Iterator[tkinter.Tk]:
    """A window on the screen."""
    window = tkinter.Tk()
    window.geometry("200x150+10+10")
    window.update()
    errors: list[BaseException] = []
    window.report_callback_exception = lambda kind, error, traceback: errors.append(error)  # type: ignore[method-assign]
    window.reported = errors  # type: ignore[attr-defined]
    yield window
    destroy(window)
    assert not errors, errors  # a test that expects some takes them out


def dialog_until(root: tkinter.Tk, condition: Callable[[], object]) -> bool:
    """A modal dialog that Tk's own timer closes when that holds. Whether it came to that: 1000 looks are enough for anything."""
    window = tkinter.Toplevel(root)
    looks = itertools.count(1)

    def look() -> None:
        if condition() or next(looks) == 1000:
            window.destroy()
        else:
            window.after(10, look)

    window.after(10, look)
    window.grab_set()
    root.wait_window(window)
    return next(looks) < 1000


def destroy(window: tkinter.Tk) -> None:
    """Destroys a window that may be gone."""
    try:
        window.destroy()
    except tkinter.TclError:
        pass


class TkRun(Run):
    """One run in a Tk window, which is left when the run is over."""

    def __init__(self, root: tkinter.Tk, drive: str | None = "fd", **options: Any) -> None:
        self.root = root
        super().__init__(host=options.pop("host", None) or TkHost(root, drive), **options)

    def _done(self, task: asyncio.Task[Any]) -> None:
        super()._done(task)
        self.root.quit()

    def finish(self) -> Any:
        if not self.done:
            self.root.mainloop()
        assert len(self.done) == 1, f"done_callback came {len(self.done)} times"
        return self.done[0].result()


def run_in_tk(root: tkinter.Tk, async_fn: Callable[..., Any], *args: Any, drive: str = "fd", **options: Any) -> Any:
    """`async_fn(*args)` as a guest of a Tk window: its result or exception."""
    run = TkRun(root, drive, **options)
    run.start(async_fn, *args)
    return run.finish()
