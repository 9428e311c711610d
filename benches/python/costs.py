"""What work has cost. Owns: nothing."""

from __future__ import annotations

import time
from typing import TypeAlias

Figures: TypeAlias = "dict[str, float]"


class Costs:
    """The time that `count` things have taken, on the wall and of all processors."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def per(self, count: float) -> Figures:
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        return {"cpu_us": cpu / count * 1e6, "wall_us": wall / count * 1e6}
