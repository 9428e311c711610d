"""Nobody starves: a busy guest and the window, a busy window and the guest; and nobody works when all sleep.

What is asserted is counted, in deliveries, or frames, of the other side: how long they take is the machine's affair,
and recorded.
"""

from __future__ import annotations

import asyncio
from time import monotonic, thread_time

from scenarios import BOTH, scenario
from stages import Stage


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


@scenario("later", libraries=BOTH)
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

    async def main() -> list[tuple[int, float]]:
        nonlocal storm
        for _ in range(4):
            busy()
        ticks = []
        while len(ticks) < 20 or handled < 100:
            before, now = handled, monotonic()
            await stage.library.sleep(0.002)
            ticks.append((handled - before, monotonic() - now - 0.002))
        storm = False
        return ticks

    handlers, late = map(sorted, zip(*stage.play(main)))
    stage.figures.update(
        handled=handled,
        ticks=len(late),
        late_ms_p50=round(late[len(late) // 2] * 1000, 1),
        late_ms_p99=round(late[len(late) * 99 // 100] * 1000, 1),
    )
    # In 2 ms there is room for four.
    assert handlers[len(handlers) // 2] <= 100, f"handlers between two ticks of the guest: {handlers}"


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
