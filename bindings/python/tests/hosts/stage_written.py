"""The adapter on the page "How to write a host" on stage, and the loop that it is written for: no window, but all else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import asyncguest
import stages

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from blocks import blocks_of

PAGE = Path(__file__).resolve().parents[4] / "docs" / "python" / "writing_a_host.md"


class Written(stages.Stage):
    """A timer 60 times a second, and nothing to be seen."""

    name = "written"
    is_found = False

    def __init__(self, drive: str) -> None:
        super().__init__(drive)
        for block in blocks_of(PAGE):
            if block.file and block.file != "small_check.py":
                name = Path(block.file).stem
                sys.modules[name] = module = ModuleType(name)
                exec(compile(block.code, block.name, "exec"), vars(module))
        self.loop: Any = sys.modules["small_loop"].MainLoop()
        self.host = sys.modules["small_host"].SmallHost(self.loop, drive)
        self.tick()

    def tick(self) -> None:
        if self.frame():
            self.loop.after(1 / 60 - time.monotonic() % (1 / 60), self.tick)

    def version(self) -> str:
        return f"asyncguest {asyncguest.__version__}"

    def run(self, first: object = None) -> None:
        self.host.run()

    def quit(self) -> None:
        self.loop.quit()

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        self.loop.after(seconds, function)

    def click(self, function: Callable[[], object]) -> None:
        self.loop.post(function)

    def dialog(self, seconds: float) -> None:
        self.loop.after(seconds, self.loop.quit)
        self.loop.run()

    def destroy(self) -> None:
        loop, self.loop = self.loop, None
        if loop is not None:
            loop.close()
