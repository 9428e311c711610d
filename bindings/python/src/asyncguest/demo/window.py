"""The window: what is where, and how often it is painted.

Owns: the widgets and the timers that paint them. Knows nothing of asyncio but what `Download` and `Meter` show.
"""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Sequence
from tkinter import ttk

from . import style
from .animation import Animation
from .download import Download
from .meter import Meter
from .plot import Plot
from .row import Row

# Milliseconds between two paintings of the rows, and of the plot and the status line with a new sample.
ROWS, PLOT = 60, 250


class Window:
    """`again(download)`, `again_all()`, `dialog()` and `close()` are what its buttons do."""

    def __init__(
        self,
        root: tkinter.Tk,
        downloads: Sequence[Download],
        meter: Meter,
        dialogs: Sequence[tuple[float, float | None]],
        *,
        again: Callable[[Download], None],
        again_all: Callable[[], None],
        dialog: Callable[[], None],
        close: Callable[[], None],
    ) -> None:
        self.root = root
        self._meter = meter
        self._timers: dict[Callable[[], None], str] = {}
        style.apply(root)
        root.geometry("900x680")
        root.title("asyncguest: asyncio as a guest of Tk")
        root.protocol("WM_DELETE_WINDOW", close)
        page = ttk.Frame(root, style="Page.TFrame", padding=(18, 14, 18, 8))
        page.pack(fill="both", expand=True)
        page.columnconfigure(0, weight=1)
        self._add_head(page).grid(row=0, column=0, sticky="ew", pady=(0, 12))

        card = ttk.Frame(page, style="Card.TFrame", padding=(16, 14, 16, 5))
        card.grid(row=1, column=0, sticky="ew")
        card.columnconfigure(1, weight=1)
        self._card, self._again = card, again
        self.rows: list[Row] = []

        buttons = ttk.Frame(page, style="Page.TFrame")
        buttons.grid(row=2, column=0, sticky="ew", pady=12)
        self.dialog_button = ttk.Button(buttons, text="Open a message box", style="Main.TButton", command=dialog)
        self.dialog_button.pack(side="left")
        self.again_button = ttk.Button(buttons, text="Start all again", command=again_all)
        self.again_button.pack(side="left", padx=8)
        ttk.Button(buttons, text="Close", command=close).pack(side="right")

        frame = ttk.Frame(page, style="Card.TFrame", padding=(8, 10, 2, 4))
        frame.grid(row=3, column=0, sticky="nsew")
        page.rowconfigure(3, weight=1)
        self.plot = Plot(frame, meter, dialogs)
        self.plot.canvas.pack(fill="both", expand=True)

        self.status = ttk.Label(page, style="Status.TLabel")
        self.status.grid(row=4, column=0, sticky="ew", pady=(8, 0))
        self.show(downloads)

    def _add_head(self, page: ttk.Frame) -> ttk.Frame:
        head = ttk.Frame(page, style="Page.TFrame")
        head.columnconfigure(1, weight=1)
        self.animation = Animation(head, self._meter.host_timer)
        self.animation.canvas.grid(row=0, column=0, rowspan=2, padx=(0, 12))
        ttk.Label(head, text="asyncio as a guest of Tk", style="Title.TLabel").grid(row=0, column=1, sticky="sw")
        self._summary = ttk.Label(head, style="Page.TLabel")
        self._summary.grid(row=1, column=1, sticky="nw")
        return head

    def show(self, downloads: Sequence[Download]) -> None:
        for download in downloads:
            self.rows.append(Row(self._card, len(self.rows), download, self._again))

    def start(self) -> None:
        """Comes up and is painted from now on."""
        self.root.update()  # the first painting takes its time, and is none of the animation's pauses
        self._meter.start()
        self.animation.start()
        self._every(ROWS, self._paint_rows)
        self._every(PLOT, self._paint_plot)

    def stop(self) -> None:
        """No timer of ours comes any more: the window may be destroyed."""
        self.animation.stop()
        for timer in self._timers.values():
            self.root.after_cancel(timer)
        self._timers.clear()

    def say(self, status: str) -> None:
        self.status.configure(text=status)

    def _every(self, pause: int, paint: Callable[[], None]) -> None:
        paint()
        self._timers[paint] = self.root.after(pause, self._every, pause, paint)

    def _paint_rows(self) -> None:
        for row in self.rows:
            row.paint()
        downloads = [row.download for row in self.rows]
        running = sum(download.is_active for download in downloads)
        complete = sum(download.state == "complete" for download in downloads)
        arrived = style.bytes_text(sum(download.arrived for download in downloads))
        gap = style.seconds_text(self.animation.longest_gap)
        text = f"{running} running, {complete} complete, {arrived} so far   ·   longest gap between two frames: {gap}"
        if self._summary["text"] != text:
            self._summary.configure(text=text)

    def _paint_plot(self) -> None:
        self._meter.sample()
        self.plot.paint()
