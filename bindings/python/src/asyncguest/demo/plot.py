"""The plot: how late timers were and how long deliveries lasted, over time.

Owns: its canvas. The scale of time grows until it spans half a minute and moves on from there.
"""

from __future__ import annotations

import math
import tkinter
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

from . import style
from .meter import Meter, Sample
from .style import seconds_text

# Seconds, logarithmic: from what is nothing to what can be seen with the naked eye.
LOWEST, HIGHEST = 1e-5, 0.1
SHORTEST_SPAN, LONGEST_SPAN = 6.0, 30.0
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 10, 46

CURVES: Sequence[tuple[str, str, Callable[[Sample], float | None]]] = (
    ("asyncio timers, late", style.BLUE, lambda sample: sample.guest_late),
    ("Tk timers, late", style.AMBER, lambda sample: sample.host_late),
    ("deliveries of the guest, p99", style.VIOLET, lambda sample: sample.delivery),
)


class Plot:
    """`dialogs`: when message boxes opened and closed (None: it still stands); these times are shaded."""

    def __init__(
        self, parent: tkinter.Misc, meter: Meter, dialogs: Sequence[tuple[float, float | None]], height: int = 190
    ) -> None:
        self.canvas = tkinter.Canvas(parent, height=height, background=style.CARD, highlightthickness=0)
        self._meter = meter
        self._dialogs = dialogs
        self.canvas.bind("<Configure>", lambda event: self.paint())

    def paint(self) -> None:
        """Paints it all anew: some hundred items at the most."""
        canvas, now = self.canvas, monotonic()
        self._width, self._height = canvas.winfo_width() - RIGHT, canvas.winfo_height() - BOTTOM
        self._span = min(max(now - self._meter.began, SHORTEST_SPAN), LONGEST_SPAN)
        self._start = max(self._meter.began, now - LONGEST_SPAN)
        canvas.delete("all")
        self._paint_dialogs(now)
        self._paint_grid()
        self._paint_legend()
        shown = [sample for sample in self._meter.samples if sample.time >= self._start]
        for _, colour, value in CURVES:
            self._paint_curve(colour, ((sample.time, value(sample)) for sample in shown))

    def _x(self, time: float) -> float:
        return LEFT + (self._width - LEFT) * min(max((time - self._start) / self._span, 0.0), 1.0)

    def _y(self, seconds: float) -> float:
        part = math.log(min(max(seconds, LOWEST), HIGHEST) / LOWEST) / math.log(HIGHEST / LOWEST)
        return self._height - (self._height - TOP) * part

    def _paint_dialogs(self, now: float) -> None:
        for opened, closed in self._dialogs:
            until = now if closed is None else closed
            if until > self._start:
                left, right = self._x(opened), self._x(until)
                self.canvas.create_rectangle(left, TOP, right, self._height, fill=style.SHADE, outline="")
                if right - left > 80:
                    self.canvas.create_text(
                        left + 6, self._height - 4, anchor="sw", text="message box", fill=style.AMBER, font="DemoSmall"
                    )

    def _paint_grid(self) -> None:
        canvas = self.canvas
        value = LOWEST
        while value <= HIGHEST * 1.01:
            y = self._y(value)
            canvas.create_line(LEFT, y, self._width, y, fill=style.TROUGH)
            canvas.create_text(
                LEFT - 8, y, anchor="e", text=seconds_text(value).replace(".0", ""), fill=style.FAINT, font="DemoSmall"
            )
            value *= 10
        step = 1 if self._span <= 12 else 5
        second = math.ceil((self._start - self._meter.began) / step) * step
        while second <= self._start - self._meter.began + self._span:
            x = self._x(self._meter.began + second)
            canvas.create_line(x, self._height, x, self._height + 4, fill=style.LINE)
            canvas.create_text(x, self._height + 5, anchor="n", text=f"{second} s", fill=style.FAINT, font="DemoSmall")
            second += step

    def _paint_legend(self) -> None:
        x, y = LEFT, self._height + BOTTOM - 12  # below the axis, where no message box covers it
        for name, colour, _ in CURVES:
            self.canvas.create_line(x, y, x + 18, y, fill=colour, width=3, capstyle="round")
            text = self.canvas.create_text(x + 25, y, anchor="w", text=name, fill=style.INK, font="DemoSmall")
            x = self.canvas.bbox(text)[2] + 22

    def _paint_curve(self, colour: str, values: Iterable[tuple[float, float | None]]) -> None:
        """Lines where there are values, and a gap where nothing was measured."""
        piece: list[float] = []
        for time, value in (*values, (0.0, None)):
            if value is not None:
                piece += (self._x(time), self._y(value))
            else:
                if len(piece) >= 4:
                    self.canvas.create_line(*piece, fill=colour, width=2, joinstyle="round", capstyle="round")
                piece = []
