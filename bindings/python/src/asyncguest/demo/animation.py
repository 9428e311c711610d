"""The animation, which would stand still if the window did: a ring of dots, and how regularly it is painted.

Owns: its canvas and its timer.
"""

from __future__ import annotations

import math
import tkinter
from collections.abc import Callable
from time import monotonic

from . import style

FRAME = 16  # milliseconds
DOTS = 14
SIZE = 52
DOT = 3.1


class Animation:
    """Turns once in a second and a half. `on_late(seconds)` hears how late each of its timers came."""

    def __init__(self, parent: tkinter.Misc, on_late: Callable[[float], None]) -> None:
        self.canvas = tkinter.Canvas(parent, width=SIZE, height=SIZE, background=style.PAGE, highlightthickness=0)
        self._on_late = on_late
        self._dots = []
        for i in range(DOTS):
            angle = 2 * math.pi * i / DOTS
            x, y = SIZE / 2 + 20 * math.sin(angle), SIZE / 2 - 20 * math.cos(angle)
            self._dots.append(self.canvas.create_oval(x - DOT, y - DOT, x + DOT, y + DOT, outline=""))
        self._shades = [blend(style.PAGE, style.BLUE, (i / 31) ** 2 * 0.92 + 0.08) for i in range(32)]
        self._shown = [-1] * DOTS
        self._timer = ""
        self._due = 0.0
        self._last = 0.0
        #: What was painted, and the longest pause between two frames, in seconds.
        self.frames = 0
        self.longest_gap = 0.0

    def start(self) -> None:
        """From now on it is painted, and the pauses count."""
        self._last = self._due = monotonic()
        self._paint()

    def stop(self) -> None:
        if self._timer:
            self.canvas.after_cancel(self._timer)
            self._timer = ""

    def _paint(self) -> None:
        now = monotonic()
        if self.frames:
            self.longest_gap = max(self.longest_gap, now - self._last)
            self._on_late(max(0.0, now - self._due))
        self.frames += 1
        self._last = now
        head = now / 1.5 % 1
        for i, dot in enumerate(self._dots):
            shade = int(31 * (1 - (head - i / DOTS) % 1))
            if shade != self._shown[i]:
                self._shown[i] = shade
                self.canvas.itemconfigure(dot, fill=self._shades[shade])
        self._due = monotonic() + FRAME / 1000
        self._timer = self.canvas.after(FRAME, self._paint)


def blend(back: str, front: str, share: float) -> str:
    """A colour between two, as #rrggbb."""
    pairs = ((int(back[i : i + 2], 16), int(front[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
