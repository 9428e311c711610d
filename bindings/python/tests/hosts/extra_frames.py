"""What is a game loop's own: many guests in one frame, messages by the thousand, and pauses of any length.

Owns: nothing. Each function is a scenario on a stage of `stage_frames`.
"""

from __future__ import annotations

import asyncio
import select
from time import monotonic
from typing import Any

from extra_messages import sixty_frames_and_ten_thousand_messages_a_second
from scenarios_end import stay
from scenarios_wake import be_woken
from stages import Run


def ten_busy_guests_leave_a_frame_its_time(stage: Any) -> None:
    """A round ends after 5 ms, which is three deliveries of 2 ms, and who did not come in comes first in the next one."""
    steps = [0] * 10

    async def main(number: int) -> None:
        while True:
            await asyncio.sleep(0)
            steps[number] += 1

    runs = [Run(stage, main, number, then=stay, batch_budget=0.002) for number in range(10)]
    while min(steps) == 0:  # in drive THREAD until their threads have posted, each for the first time
        stage.host.sleep(0.001)
    before_all = list(steps)
    rounds = []  # deliveries in each
    for _ in range(20):
        before = sum(run.guest.stats().batches for run in runs)
        assert stage.host.step(), "there is more to do"
        rounds.append(sum(run.guest.stats().batches for run in runs) - before)
    for run in runs:
        run.guest.shutdown()
    taken = [now - before for now, before in zip(steps, before_all)]
    stage.figures.update(deliveries=rounds, fewest=min(taken), most=max(taken))
    assert max(rounds) <= 4, f"deliveries in a round: {rounds}"
    assert min(taken) > 0, f"of ten guests some had no delivery: {taken}"


def a_pause_is_as_long_as_it_was_asked_to_be(stage: Any) -> None:
    """It ends, and not before its time, also without guests and while a busy one has its deliveries in it."""

    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    def over(seconds: float) -> float:
        began = monotonic()
        stage.host.sleep(seconds)
        return monotonic() - began - seconds

    alone = [over(seconds) for seconds in (0, -1, 0.0005, 0.0104, 0.0209)]
    assert min(alone[2:]) >= 0, alone
    run = Run(stage, main, then=stay, batch_budget=0.002)
    busy = [over(seconds) for seconds in (0, 0.0005, 0.0104, 0.0209)]
    run.guest.shutdown()
    stage.figures.update(alone_ms=round(sorted(alone)[3] * 1000, 2), busy_ms=round(sorted(busy)[2] * 1000, 2))
    assert min(busy[1:]) >= 0, busy


def without_poll(stage: Any) -> Any:
    """A host of the stage's kind that was made where there is no poll()."""
    kept = vars(select).pop("poll", None)
    try:
        return type(stage.host)()
    finally:
        if kept is not None:
            vars(select).update(poll=kept)


def a_system_without_poll(stage: Any) -> None:
    """As Windows is: the guest is driven by a thread, and pauses wait for a socket."""
    host = without_poll(stage)
    assert not host.watches_fds
    try:
        type(stage.host).watch(host, 0, bool)
    except OSError as error:
        assert 'drive="thread"' in str(error)
    else:
        raise AssertionError("it watches an fd without poll")
    began = monotonic()
    host.sleep(0.05)
    assert monotonic() - began >= 0.05
    run = Run(stage, be_woken, stage, 100, host=host)
    while not run.done:
        host.step()
        host.sleep(1 / 60)
    stage.figures["longest_ms"] = round(run.result() * 1000, 1)
    run = Run(stage, asyncio.sleep, 0.2, host=host)
    pauses, naps, nap = 0, 0, host._nap

    def counted(*how: Any) -> Any:
        nonlocal naps
        naps += 1
        return nap(*how)

    host._nap = counted
    while not run.done:
        pauses += 1
        host.sleep(0.1)
    assert naps <= 2 * pauses + 10, f"it polls: {naps} naps in {pauses} pauses"


def the_block_ends_by_an_exception(stage: Any) -> None:
    """The guest's clean-up has run before it comes out."""
    order: list[str] = []

    async def main() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            order.append("clean-up")

    try:
        with stage.host:
            run = Run(stage, main, then=lambda task: order.append("done"))
            stage.host.step()
            raise ZeroDivisionError
    except ZeroDivisionError:
        order.append("came out")
    assert order == ["clean-up", "done", "came out"], order
    assert run.guest.state == "ended"


EXTRA = {
    function.__name__: function
    for function in (
        ten_busy_guests_leave_a_frame_its_time,
        a_pause_is_as_long_as_it_was_asked_to_be,
        a_system_without_poll,
        the_block_ends_by_an_exception,
        sixty_frames_and_ten_thousand_messages_a_second,
    )
}
