"""A user who acts by a script: reads a message box while downloads go on, cancels one, starts one again, and leaves.

Owns: what was seen. A task of the guest; it presses buttons by way of Tk's own loop, as a click does.
"""

from __future__ import annotations

import asyncio
import tkinter
from pathlib import Path
from tkinter import ttk

from . import picture
from .app import Demo
from .server import STALLING

# Where Tk's own message box on X11 has its button.
ANSWER = ".__tk__messagebox.ok"

# What parts of the downloads' time have passed when the box opens, when the picture is taken, when the box is answered.
OPEN, PICTURE, CLOSE = 0.25, 0.55, 0.7

# Seconds after which downloads from elsewhere are not waited for any longer.
LONGEST = 60.0


class Session:
    """One visit. `file`: where the screenshot goes."""

    def __init__(self, demo: Demo, file: Path, seconds: float) -> None:
        self._demo = demo
        self._file = file
        self._seconds = seconds
        #: What was not as it should be.
        self.problems: list[str] = []

    async def run(self) -> None:
        began = asyncio.get_running_loop().time()
        mapped, gone = self._listen()
        await self._until(began, OPEN)
        self._press(self._demo.window.dialog_button)
        await mapped.wait()
        await self._until(began, PICTURE)
        try:
            await picture.take(self._demo.root, self._file)
        except picture.PictureError as error:
            self.problems.append(str(error))
        await self._until(began, CLOSE)
        self._demo.root.after(1, self._demo.root.tk.call, ANSWER, "invoke")
        await gone.wait()
        await self._finish_downloads()
        self._judge()

    def _listen(self) -> tuple[asyncio.Event, asyncio.Event]:
        """Set when the message box comes, and when it goes. Host code may set them: it is the same thread."""
        mapped, gone = asyncio.Event(), asyncio.Event()
        self._demo.root.bind_class("Dialog", "<Map>", lambda event: mapped.set(), add=True)
        self._demo.root.bind_class("Dialog", "<Destroy>", lambda event: gone.set(), add=True)
        return mapped, gone

    async def _until(self, began: float, part: float) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(began + part * self._seconds - loop.time())

    def _press(self, button: ttk.Button) -> None:
        self._demo.root.after(1, button.invoke)

    async def _finish_downloads(self) -> None:
        """Waits for all but the one that stalls, cancels that one, and has the first one downloaded again."""
        rows = self._demo.window.rows
        stalled = [row for row in rows if self._demo.server is not None and row.download.name == STALLING]
        waited_for = {task for task in self._demo.tasks if not any(task is row.download.task for row in stalled)}
        if waited_for:
            await asyncio.wait(waited_for, timeout=LONGEST)
        for row in stalled:
            task = row.download.task
            assert task is not None
            self._press(row.button)
            await asyncio.wait([task], timeout=LONGEST)
        again = rows[0]
        if again.download.state == "complete":
            begun = asyncio.Event()
            self._press(again.button)
            self._demo.root.after(2, begun.set)
            await begun.wait()  # the handler has run: it starts the task up to its first await
            if again.download.begun != 2 or again.download.task is None:
                self.problems.append("the button did not start the first download again")
            else:
                await asyncio.wait([again.download.task], timeout=LONGEST)

    def _judge(self) -> None:
        for download in self._demo.downloads:
            stalls = self._demo.server is not None and download.name == STALLING
            wanted = "cancelled" if stalls else "complete"
            if download.state != wanted:
                self.problems.append(f"{download.name} is {download.state} and not {wanted}: {download.error}")
        if self._demo.dialog_bytes == 0 and self._demo.server is not None:
            self.problems.append("nothing arrived while the message box stood")


def can_answer(root: tkinter.Tk) -> bool:
    """The message box is Tk's own, whose button a script can press."""
    return str(root.tk.call("tk", "windowingsystem")) == "x11"
