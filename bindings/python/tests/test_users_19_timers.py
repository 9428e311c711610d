"""USERS 19: timers early or coarse. Here: random sleeps, none early, none late by a coarse clock's step."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
from helpers import FULL, Run, host_until, run_anywhere, settle

SLEEPS = 10_000 if FULL else 1_000


@pytest.mark.slow
def test_random_sleeps_none_early(where: str) -> None:
    """The clock of the loop has a resolution, and asyncio itself counts a timer due within it: that much is not early."""
    rng = random.Random(19)

    async def one(seconds: float) -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(seconds)
        return loop.time() - began - seconds

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        loop.set_debug(False)
        return await asyncio.gather(*[one(rng.uniform(0, 0.2)) for _ in range(SLEEPS)])

    late = sorted(run_anywhere(where, main))
    resolution = time.get_clock_info("monotonic").resolution
    assert late[0] > -2 * resolution, f"early by {-late[0] * 1e6:.1f} us"


def test_one_sleep_after_another(where: str) -> None:
    """With nothing else to wake the loop, and shorter than a poller's millisecond: what counts those is late by 0.8 of one,
    each time. So is a busy machine, but not each time."""

    async def main() -> list[float]:
        late = [1.0]
        while len(late) < 20 or min(late) >= 0.0005:
            began = time.monotonic()
            await asyncio.sleep(0.0002)
            late.append(time.monotonic() - began - 0.0002)
            assert len(late) < 10_000, f"the best is late by {min(late) * 1e3:.2f} ms: a coarse timer"
        return late

    late = run_anywhere(where, main)
    assert min(late) > -2e-9, f"early by {-min(late) * 1e6:.1f} us"


def test_timers_set_by_the_host_while_the_guest_sleeps(drive: str) -> None:
    rng = random.Random(21)
    end = asyncio.Event()
    run = Run(drive)
    run.start(end.wait)
    settle(run)
    loop, late = run.guest.loop, []
    for _ in range(60):
        when = loop.time() + rng.uniform(0, 0.003)
        loop.call_at(when, lambda when=when: late.append(loop.time() - when))
    host_until(run, lambda: len(late) == 60)
    assert min(late) > -2e-9
    end.set()
    run.finish()
