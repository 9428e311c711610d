"""Nobody starves: a busy guest and the window, a busy window and the guest; and nobody works when all sleep.

What is asserted is counted, in deliveries, or frames, of the other side: how long they take is the machine's affair,
and recorded.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from functools import partial
from time import monotonic, thread_time
from typing import Any

from scenarios import BOTH, scenario
from stages import Run, Stage


def lateness(frames: list[float], quiet: list[float]) -> dict[str, float]:
    """How much later frames came than the middle one of those that were painted before, in milliseconds."""
    gaps = sorted(later - earlier for earlier, later in zip(frames, frames[1:]))
    usual = sorted(later - earlier for earlier, later in zip(quiet, quiet[1:]))[len(quiet) // 2 - 1]
    at = {"p50": gaps[len(gaps) // 2], "p90": gaps[len(gaps) * 9 // 10], "worst": gaps[-1]}
    return {name: round((gap - usual) * 1000, 1) for name, gap in at.items()}


async def measured(stage: Stage, at_once: int = 0) -> list[int]:
    """Keeps the guest busy until the window has painted often; returns how many deliveries ran out of time between frames."""
    loop = asyncio.get_running_loop()
    while len(stage.frames) < 12:  # the first ones are a toolkit's slowest
        await asyncio.sleep(0.02)
    quiet = stage.frames[-9:]
    clicked: list[float] = []
    ran = steps = cut = 0

    def work() -> None:
        nonlocal ran, cut
        ran += 1
        if ran == at_once:
            cut = guest.stats().budget_spent - deliveries[0]
        until = monotonic() + 5e-6
        while monotonic() < until:
            pass

    guest = stage.runs[0].guest
    before = len(stage.frames)
    deliveries = [guest.stats().budget_spent]  # when each frame was painted
    began = monotonic()
    if stage.click is not None:
        stage.click(lambda: clicked.append(monotonic()))
    for _ in range(at_once):
        loop.call_soon(work)
    # Never idle: what does not come now never comes.
    while ran < at_once or len(deliveries) <= 20 or (stage.click is not None and not clicked):
        await asyncio.sleep(0)
        steps += 1
        if len(stage.frames) - before >= len(deliveries):
            deliveries.append(guest.stats().budget_spent)
    took = monotonic() - began
    frames = stage.frames[before:]
    stage.figures.update({f"late_ms_{name}": value for name, value in lateness(frames, quiet).items()})
    stage.figures.update(frames=len(frames), seconds=round(took, 2), steps=steps, cut=cut)
    if clicked:
        stage.figures["click_ms"] = round((clicked[0] - began) * 1000, 1)
    assert not at_once or cut >= 10, f"the callbacks were cut into {cut} deliveries"
    return [later - earlier for earlier, later in zip(deliveries, deliveries[1:])]


@scenario("close_window")
def a_guest_that_is_never_idle_does_not_freeze_the_window(stage: Stage) -> None:
    between = sorted(stage.play(measured, stage, debug=False))
    assert between[len(between) // 2] <= 20, f"deliveries of the guest between two frames: {between}"


@scenario("close_window")
def a_burst_of_callbacks_does_not_freeze_the_window(stage: Stage) -> None:
    between = sorted(stage.play(measured, stage, 20_000, debug=False))
    assert between[len(between) // 2] <= 20, f"deliveries of the guest between two frames: {between}"


class Owed:
    """Whether a host owes its guest a delivery: one that was posted has not come, or the fd that it watches is readable.

    When that begins is the system's affair: it wakes the thread that waits when it likes.
    """

    def __init__(self, host: Any) -> None:
        self.posted: list[object] = []
        self.came: list[object] = []
        self.fds = select.poll() if host.watches_fds else None
        for name in ("post", "post_local"):
            if getattr(host, name) is not None:
                setattr(host, name, partial(self.post, getattr(host, name)))
        self.watch, host.watch = host.watch, self.watch_too

    def post(self, by: Callable[[Callable[[], object]], object], job: Callable[[], object]) -> None:
        def come() -> object:
            self.came.append(job)
            return job()

        by(come)
        self.posted.append(job)  # not before: the thread may have lost its turn on the way

    def watch_too(self, fd: int, ready: Callable[[], bool]) -> None:
        assert self.fds is not None
        self.fds.register(fd, select.POLLIN)
        self.watch(fd, ready)

    def __bool__(self) -> bool:
        return len(self.posted) > len(self.came) or bool(self.fds and self.fds.poll(0))


@scenario("later", libraries=BOTH)
def a_busy_host_does_not_starve_the_guest(stage: Stage) -> None:
    """USERS 12: handlers that are due again at once, for a while, as while a window is dragged or redrawn."""
    handled = owing = 0
    storm = True
    owed: list[Owed] = []

    def busy() -> None:
        nonlocal handled, owing
        handled += 1
        owing += bool(owed[0])
        until = thread_time() + 0.0005
        while thread_time() < until:
            pass
        if storm and stage.later is not None:
            stage.later(0, busy)

    async def main() -> list[int]:
        nonlocal storm
        for _ in range(4):
            busy()
        ticks = []
        while len(ticks) < 20 or handled < 100:
            before = owing
            await stage.library.sleep(0.002)
            ticks.append(owing - before)
        storm = False
        return ticks

    def first() -> None:
        owed.append(Owed(stage.host))
        Run(stage, main)

    stage.enter(first)
    owing_handlers = sorted(stage.runs[0].result())
    stage.figures.update(handled=handled, ticks=len(owing_handlers), owing=owing_handlers)
    assert owing_handlers[len(owing_handlers) // 2] <= 20, (
        f"handlers before a tick of the guest, while the host owed it a delivery: {owing_handlers}"
    )


@scenario("idles", libraries=BOTH, unix="the system counts no wake-ups of a process")
def idle_costs_nothing(stage: Stage) -> None:
    import resource

    stage.moving = False
    seconds = 0.5

    async def sleep() -> str:
        guest = stage.runs[0].guest
        before, deliveries = resource.getrusage(resource.RUSAGE_SELF), stage.library.deliveries(guest)
        await stage.library.sleep(seconds)
        after, deliveries = resource.getrusage(resource.RUSAGE_SELF), stage.library.deliveries(guest) - deliveries
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        sleeps = after.ru_nvcsw - before.ru_nvcsw
        stage.figures.update(cpu_ms_per_s=round(cpu * 1000 / seconds, 1), wakeups=sleeps, deliveries=deliveries)
        if deliveries > 3:
            return f"{deliveries} deliveries of the guest in one sleep"
        if sleeps > 24:
            return f"the process woke {sleeps} times in {seconds} s: something polls"
        return f"{cpu * 1000:.0f} ms of CPU in {seconds} s: something spins" if cpu >= seconds / 5 else ""

    async def main() -> str:
        await stage.library.sleep(0.15)  # the toolkit has its first frames behind it
        # What polls does so in each of them; a window that is made or hidden stirs a toolkit for a while.
        for _ in range(3):
            if not (wrong := await sleep()):
                break
        return wrong

    assert not (wrong := stage.play(main)), wrong
