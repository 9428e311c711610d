"""One download in the window: its name, how far it is, and the button that cancels it or starts it again.

Owns: its widgets. What the download is doing is read whenever the row is painted.
"""

from __future__ import annotations

from collections.abc import Callable
from tkinter import ttk

from .download import Download
from .style import bytes_text

# Seconds without a byte after which a download is said to be stalled.
STALLED = 1.5


class Row:
    """Three columns of `parent`, in its row `number`. `again(download)` starts the download anew."""

    def __init__(self, parent: ttk.Frame, number: int, download: Download, again: Callable[[Download], None]) -> None:
        self.download = download
        self._again = again
        room = (0, 9)
        self._name = ttk.Label(parent, text=download.name, style="Strong.TLabel", width=16)
        self._name.grid(row=number, column=0, sticky="w", pady=room)
        middle = ttk.Frame(parent)
        middle.grid(row=number, column=1, sticky="ew", padx=(8, 14), pady=room)
        middle.columnconfigure(0, weight=1)
        self._bar = ttk.Progressbar(middle, maximum=1.0, style="running.Horizontal.TProgressbar")
        self._bar.grid(row=0, column=0, columnspan=2, sticky="ew")
        self._text = ttk.Label(middle, style="running.TLabel", font="DemoSmall")
        self._text.grid(row=1, column=0, sticky="w")
        self._share = ttk.Label(middle, style="Faint.TLabel", font="DemoSmall")
        self._share.grid(row=1, column=1, sticky="e")
        self.button = ttk.Button(parent, width=11, command=self._pressed)
        self.button.grid(row=number, column=2, sticky="e", pady=room)
        self._shown: dict[str, object] = {}
        self.paint()

    def _pressed(self) -> None:
        """Straight from the handler into asyncio, both ways: no queue, no thread-safe variant."""
        if self.download.is_active:
            assert self.download.task is not None
            self.download.task.cancel()
        else:
            self._again(self.download)
        self.paint()

    def paint(self) -> None:
        """Shows what the download is doing. What has not changed is left alone."""
        download = self.download
        look = "stalled" if download.silence > STALLED else LOOKS.get(download.state, download.state)
        progress = download.progress
        share = "" if progress is None or download.state == "waiting" else f"{progress:.0%}"
        self._show("bar", self._bar, value=progress or 0.0, style=f"{look}.Horizontal.TProgressbar")
        self._show("text", self._text, text=self._describe(look), style=f"{look}.TLabel")
        self._show("share", self._share, text=share)
        self._show("button", self.button, text="Cancel" if download.is_active else "Start again")

    def _show(self, what: str, widget: ttk.Widget, **options: object) -> None:
        if self._shown.get(what) != options:
            self._shown[what] = options
            widget.configure(**options)

    def _describe(self, look: str) -> str:
        download = self.download
        size = bytes_text(download.received)
        if download.length is not None and download.state != "complete":
            size += f" of {bytes_text(download.length)}"
        if download.state == "running" and look != "stalled":
            return f"{size}   {bytes_text(download.speed)}/s"
        if look == "stalled":
            return f"{size}   stalled: nothing has come for {download.silence:.0f} s"
        if download.state == "complete":
            return f"{size}   complete" + (", SHA-256 is right" if download.digest else "")
        if download.state == "cancelled":
            return f"{size}   cancelled"
        if download.state == "failed":
            return f"failed: {download.error}"
        return "connecting" if download.state == "connecting" else "not started"


LOOKS = {"waiting": "running", "connecting": "running"}
