"""Nobody starves: a busy guest and the window, a busy window and the guest; and nobody works when all sleep.

The figures are recorded; the bounds are an order of magnitude above them, for machines that are shared.
"""

from __future__ import annotations

import asyncio
import resource
from time import monotonic, thread_time

from scenarios import scenario
from stages import Stage


def lateness(frames: list[float], quiet: list[float]) -> dict[str, float]:
    """How much later frames came than the middle one of those that were painted before, in milliseconds."""
    gaps = sorted(later - earlier for earlier, later in zip(frames, frames[1:]))
    usual = sorted(later - earlier for earlier, later in zip(quiet, quiet[1:]))[len(quiet) // 2 - 1]
    at = {"p50": gaps[len(gaps) // 2], "p90": gaps[len(gaps) * 9 // 10], "worst": gaps[-1]}
    return {name: round((gap - usual) * 1000, 1) for name, gap in at.items()}


async def measured(stage: Stage, seconds: float, at_once: int = 0) -> dict[str, float]:
    """Keeps the guest busy, and looks at how late the window's frames get."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.2)
    quiet = stage.frames[-9:]
    clicked: list[float] = []
    ran = steps = 0

    def work() -> None:
        nonlocal ran
        ran += 1
        until = monotonic() + 5e-6
        while monotonic() < until:
            pass

    guest = stage.runs[0].guest
    before, turns = len(stage.frames), guest.stats().budget_spent
    began = monotonic()
    if stage.click is not None:
        stage.click(lambda: clicked.append(monotonic()))
    for _ in range(at_once):
        loop.call_soon(work)
    while monotonic() < began + seconds or ran < at_once:
        await asyncio.sleep(0)
        steps += 1
    took = monotonic() - began
    frames = stage.frames[before:]
    late = lateness(frames, quiet)
    stage.figures.update({f"late_ms_{name}": value for name, value in late.items()})
    stage.figures.update(frames=len(frames), seconds=round(took, 2), steps=steps)
    assert ran == at_once
    # Whatever the machine does: the host had its own turn this often.
    turns = guest.stats().budget_spent - turns
    assert turns >= 10, f"the guest's work was cut into {turns} turns"
    if stage.click is not None:
        assert clicked, "the click waited until the guest was idle"
        stage.figures["click_ms"] = round((clicked[0] - began) * 1000, 1)
        assert clicked[0] - began < 1, f"the click waited {clicked[0] - began:.3f} s"
    return late


@scenario("close_window")
def a_guest_that_is_never_idle_does_not_freeze_the_window(stage: Stage) -> None:
    late = stage.play(measured, stage, 0.5, debug=False)
    assert late["p90"] < 200 and late["worst"] < 1000, late


@scenario("close_window")
def a_burst_of_callbacks_does_not_freeze_the_window(stage: Stage) -> None:
    late = stage.play(measured, stage, 0.1, 20_000, debug=False)
    assert late["p90"] < 200 and late["worst"] < 1000, late


@scenario("later")
def a_busy_host_does_not_starve_the_guest(stage: Stage) -> None:
    """USERS 12: handlers that are due again at once, for a while, as while a window is dragged or redrawn."""
    handled = 0
    storm = True

    def busy() -> None:
        nonlocal handled
        handled += 1
        until = thread_time() + 0.0005
        while thread_time() < until:
            pass
        if storm and stage.later is not None:
            stage.later(0, busy)

    async def main() -> list[float]:
        nonlocal storm
        loop = asyncio.get_running_loop()
        for _ in range(4):
            busy()
        late = []
        began = loop.time()
        while loop.time() < began + 0.3 or len(late) < 10:
            now = loop.time()
            await asyncio.sleep(0.002)
            late.append(loop.time() - now - 0.002)
        storm = False
        return late

    late = sorted(stage.play(main))
    stage.figures.update(
        handled=handled,
        ticks=len(late),
        late_ms_p50=round(late[len(late) // 2] * 1000, 1),
        late_ms_p99=round(late[len(late) * 99 // 100] * 1000, 1),
    )
    assert handled >= 20, "this was to be a storm"
    assert late[len(late) // 2] < 0.1 and late[-1] < 0.5, stage.figures


@scenario("idles")
def idle_costs_nothing(stage: Stage) -> None:
    stage.moving = False
    seconds = 0.5

    async def main() -> tuple[float, int, int]:
        await asyncio.sleep(0.15)  # the toolkit has its first frames behind it
        guest = stage.runs[0].guest
        before, turns = resource.getrusage(resource.RUSAGE_SELF), guest.stats().batches
        await asyncio.sleep(seconds)
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return cpu, after.ru_nvcsw - before.ru_nvcsw, guest.stats().batches - turns

    cpu, sleeps, turns = stage.play(main)
    stage.figures.update(cpu_ms_per_s=round(cpu * 1000 / seconds, 1), wakeups=sleeps, turns=turns)
    assert turns <= 3, f"{turns} turns of the guest in one sleep"
    assert sleeps <= 24, f"the process woke {sleeps} times in {seconds} s: something polls"
    assert cpu < 0.02, f"{cpu * 1000:.0f} ms of CPU in {seconds} s"
