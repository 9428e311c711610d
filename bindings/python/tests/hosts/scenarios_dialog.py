"""The toolkit's own modal dialogs, opened by guest code (USERS 1)."""

from __future__ import annotations

import asyncio
import threading

from scenarios import scenario
from stages import Stage


class Ticker:
    """A task that ticks every 20 ms beside whatever stands in a dialog, and looks at who is the current task.

    A thread ticks likewise: where the machine is too busy for all ticks, it shows how many were to be had.
    """

    def __init__(self) -> None:
        self.count = self.at_best = 0
        self.task = asyncio.ensure_future(self.run())
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run_beside)
        self.thread.start()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.02)
            assert asyncio.current_task() is self.task
            self.count += 1

    def run_beside(self) -> None:
        while not self.over.wait(0.02):
            self.at_best += 1

    async def end(self) -> None:
        self.over.set()
        self.thread.join()
        self.task.cancel()
        await asyncio.wait([self.task])
        assert self.task.cancelled()


@scenario("dialog")
def others_tick_while_a_dialog_stands(stage: Stage) -> None:
    async def main() -> tuple[int, int]:
        ticker = Ticker()
        me = asyncio.current_task()
        await asyncio.sleep(0.05)
        before, before_beside = ticker.count, ticker.at_best
        assert stage.dialog is not None
        stage.dialog(0.5)
        ticks, at_best = ticker.count - before, ticker.at_best - before_beside
        assert asyncio.current_task() is me
        await ticker.end()
        return ticks, at_best

    ticks, at_best = stage.play(main)
    stage.figures.update(ticks=ticks, at_best=at_best)
    assert ticks >= min(23, int(at_best * 0.85)), f"{ticks} ticks in 0.5 s, where a thread has {at_best}"


@scenario("dialog")
def dialogs_three_deep(stage: Stage) -> None:
    order: list[int] = []

    async def opener(depth: int, ticker: Ticker) -> tuple[int, int]:
        me = asyncio.current_task()
        deeper = None
        if depth < 3:
            deeper = asyncio.create_task(opener(depth + 1, ticker))
        before, before_beside = ticker.count, ticker.at_best
        assert stage.dialog is not None
        order.append(depth)
        stage.dialog(0.5 - 0.15 * depth)
        order.append(-depth)
        assert asyncio.current_task() is me
        ticks, at_best = ticker.count - before, ticker.at_best - before_beside
        if deeper is not None:
            await deeper
        return ticks, at_best

    async def main() -> tuple[int, int]:
        ticker = Ticker()
        try:
            return await asyncio.create_task(opener(1, ticker))
        finally:
            await ticker.end()

    ticks, at_best = stage.play(main)
    stage.figures.update(ticks=ticks, at_best=at_best)
    assert order[:3] == [1, 2, 3] and sorted(order[3:]) == [-3, -2, -1], order
    # Nobody ticks while the toolkit makes a window.
    assert ticks >= int(at_best * 0.4), f"{ticks} ticks in 0.35 s, where a thread has {at_best}"


@scenario("dialog", "close_window")
def the_window_moves_behind_a_dialog_and_a_busy_guest(stage: Stage) -> None:
    async def main() -> int:
        async def storm() -> None:
            while True:
                await asyncio.sleep(0)

        busy = asyncio.create_task(storm())
        await asyncio.sleep(0.02)
        before = len(stage.frames)
        assert stage.dialog is not None
        stage.dialog(0.3)
        busy.cancel()
        return len(stage.frames) - before

    frames = stage.play(main)
    stage.figures["frames"] = frames
    assert frames >= 3, f"{frames} frames in 0.3 s"
