"""The toolkit's own modal dialogs, opened by guest code (USERS 1)."""

from __future__ import annotations

import asyncio

from asyncguest import NestingLimit
from scenarios import scenario
from stages import Stage


class Ticker:
    """A task that ticks every 20 ms beside whatever stands in a dialog, and looks at who is the current task.

    The toolkit's own timer ticks likewise: nobody does while a window is made or the machine has other things to do.
    """

    def __init__(self, stage: Stage) -> None:
        assert stage.later is not None
        self.later = stage.later
        self.count = self.of_host = 0
        self.over = False
        self.task = asyncio.ensure_future(self.run())
        self.later(0.02, self.run_beside)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.02)
            assert asyncio.current_task() is self.task
            self.count += 1

    def run_beside(self) -> None:
        if not self.over:
            self.of_host += 1
            self.later(0.02, self.run_beside)

    async def end(self) -> None:
        self.over = True
        self.task.cancel()
        await asyncio.wait([self.task])
        assert self.task.cancelled()


@scenario("dialog", "later")
def others_tick_while_a_dialog_stands(stage: Stage) -> None:
    async def main() -> tuple[int, int]:
        ticker = Ticker(stage)
        me = asyncio.current_task()
        await asyncio.sleep(0.05)
        before, before_of_host = ticker.count, ticker.of_host
        assert stage.dialog is not None
        stage.dialog(0.5)
        ticks, of_host = ticker.count - before, ticker.of_host - before_of_host
        assert asyncio.current_task() is me
        await ticker.end()
        return ticks, of_host

    ticks, of_host = stage.play(main)
    stage.figures.update(ticks=ticks, of_host=of_host)
    assert ticks >= max(1, of_host // 2), f"{ticks} ticks, where the toolkit's timer had {of_host}"


@scenario("dialog", "later")
def dialogs_three_deep(stage: Stage) -> None:
    order: list[int] = []

    async def opener(depth: int, ticker: Ticker, step: float) -> tuple[int, int]:
        """Its dialog stands until three steps after the one above it has gone, if none of them takes longer to come up."""
        me = asyncio.current_task()
        deeper = None
        if depth < 3:
            deeper = asyncio.create_task(opener(depth + 1, ticker, step))
        before, before_of_host = ticker.count, ticker.of_host
        assert stage.dialog is not None
        order.append(depth)
        stage.dialog(step * (10 - 3 * depth))
        order.append(-depth)
        assert asyncio.current_task() is me
        ticks, of_host = ticker.count - before, ticker.of_host - before_of_host
        if deeper is not None:
            await deeper
        return ticks, of_host

    async def main() -> tuple[int, int]:
        ticker = Ticker(stage)
        step = 0.05
        try:
            outcome = await asyncio.create_task(opener(1, ticker, step))
            while order[:3] != [
                1,
                2,
                3,
            ]:  # one had gone before the next one came up; it hangs if they never stand together
                order.clear()
                step *= 2
                outcome = await asyncio.create_task(opener(1, ticker, step))
            return outcome
        finally:
            await ticker.end()

    ticks, of_host = stage.play(main)
    stage.figures.update(ticks=ticks, of_host=of_host)
    assert sorted(order[3:]) == [-3, -2, -1], order
    assert ticks >= max(1, of_host // 2), f"{ticks} ticks, where the toolkit's timer had {of_host}"


@scenario("dialog")
def a_dialog_deeper_than_the_guest_allows(stage: Stage) -> None:
    """It gets no delivery in there, with two of them on the stack, and goes on when that has closed."""
    refused: list[object] = []
    closed: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: refused.append(context["exception"]))

        def show(depth: int) -> None:
            if depth < 3:
                loop.call_soon(show, depth + 1)
            assert stage.dialog is not None
            stage.dialog(0.4 - 0.1 * depth)
            closed.append(depth)

        loop.call_soon(show, 0)
        while len(closed) < 4:
            await asyncio.sleep(0.01)

    stage.play(main, max_nesting=1)
    assert refused and all(isinstance(error, NestingLimit) for error in refused), refused
    assert closed[0] > 0 and sorted(closed) == [0, 1, 2, 3], closed


@scenario("dialog", "close_window")
def the_window_moves_behind_a_dialog_and_a_busy_guest(stage: Stage) -> None:
    async def main() -> int:
        async def storm() -> None:
            while True:
                await asyncio.sleep(0)

        busy = asyncio.create_task(storm())
        await asyncio.sleep(0.02)
        assert stage.dialog is not None
        behind = 0
        while behind < 3:  # it hangs if nothing moves behind any
            before = len(stage.frames)
            stage.dialog(0.3)
            behind += len(stage.frames) - before
        busy.cancel()
        return behind

    stage.figures["frames"] = stage.play(main)
