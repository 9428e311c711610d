"""What is SDL's own: its one event queue, which the program may fill, empty and filter, and its display.

Owns: nothing. Each function is a scenario on a stage of `stage_sdl`.
"""

from __future__ import annotations

import asyncio
import gc
from time import monotonic, process_time
from typing import Any

from extra_messages import sixty_frames_and_ten_thousand_messages_a_second
from scenarios_end import sleeper, stay
from scenarios_wake import be_woken
from stages import Run


def a_full_event_queue(stage: Any) -> None:
    """There is no room for the guest's event: it is served all the same, and none of the program's is lost."""
    pygame = stage.pygame
    flood = pygame.event.custom_type()
    sent = came = 0
    handle = stage.handle

    def count(event: Any) -> None:
        nonlocal came
        came += event.type == flood
        handle(event)

    stage.handle = count

    async def main() -> None:
        nonlocal sent, came
        try:
            while True:
                pygame.event.post(pygame.event.Event(flood))
                sent += 1
        except pygame.error:
            pass
        stage.figures.update(room=sent, longest_ms=round(await be_woken(stage, 10) * 1000, 1))
        await asyncio.sleep(0.002)
        stage.figures["came_meanwhile"] = came
        came += len(pygame.event.get(flood))  # SDL takes a third of a millisecond for each of so many, one at a time

    stage.play(main)
    assert sent > 60_000, f"the queue was full after {sent} events"
    assert came == sent, f"of {sent} events {came} came"


def a_program_that_clears_the_queue(stage: Any) -> None:
    """`pygame.event.clear()` in each handler: the guest's own events are gone with the rest."""
    pygame = stage.pygame
    handle = stage.handle

    def clear_and_handle(event: Any) -> None:
        handle(event)
        pygame.event.clear()

    stage.handle = clear_and_handle

    async def main() -> float:
        return await be_woken(stage, 50)

    longest = stage.play(main)
    stage.figures["longest_ms"] = round(longest * 1000, 1)
    assert stage.runs[0].guest.stats().reposts < 25, "each wake had to be asked for twice"


def a_program_that_blocks_all_other_events(stage: Any) -> None:
    """`set_blocked(None)` and `set_allowed` of what it knows."""
    pygame = stage.pygame
    pygame.event.set_blocked(None)
    pygame.event.set_allowed([pygame.QUIT, pygame.USEREVENT, stage.tick])

    async def main() -> float:
        return await be_woken(stage, 100 if stage.wakes else 20)

    longest = stage.play(main)
    stage.figures["longest_ms"] = round(longest * 1000, 1)
    assert stage.runs[0].guest.stats().reposts < 10, "each wake had to be asked for twice"
    assert pygame.event.get_blocked(pygame.KEYDOWN), "what the program has blocked stays blocked"


def pygame_quits_in_mid_run(stage: Any) -> None:
    """In a handler of the program: the guest's clean-up still has the display."""
    pygame = stage.pygame
    order: list[str] = []

    async def main() -> None:
        try:
            stage.later(0.02, leave)
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            pygame.display.set_caption("good-bye")
            order.append(pygame.display.get_caption()[0])

    def leave() -> None:
        pygame.quit()
        order.append("pygame has quit")
        stage.goes_on = False

    def first() -> None:
        Run(stage, main, then=lambda task: order.append("done"))

    stage.enter(first)
    assert order == ["good-bye", "done", "pygame has quit"], order
    # And again, in the same host.
    pygame.display.init()
    stage.screen = pygame.display.set_mode((360, 120))
    pygame.font.init()
    stage.font = pygame.font.Font(None, 24)
    stage.runs.clear()
    stage.play(asyncio.sleep, 0.01)


def guest_code_quits_pygame(stage: Any) -> None:
    """It cannot end its own run on the spot: that is cancelled and ended when its delivery is over."""
    run: list[Run] = []

    def leave() -> None:
        stage.goes_on = False
        stage.pygame.quit()
        stage.note("after")

    stage.enter(lambda: run.append(Run(stage, sleeper, stage, leave, then=stay)))
    assert len(run[0].done) == 1 and run[0].done[0].cancelled()


def a_display_that_goes_and_comes_back(stage: Any) -> None:
    """Minimised, then closed: there are no events to wait for, and `host.sleep` goes on. pygame then gives out its
    event numbers for a second time, the host's too."""
    pygame = stage.pygame
    ticks = 0

    async def main() -> None:
        nonlocal ticks
        while ticks < 10:
            await asyncio.sleep(0.01)
            ticks += 1
        await be_woken(stage, 10)

    run = Run(stage, main)
    pygame.display.iconify()
    while ticks < 3:  # or the watchdog says where it hangs
        stage.host.sleep(0.02)
    pygame.display.quit()
    while ticks < 6:
        stage.host.sleep(0.02)
    assert list(stage.host.events()) == [], "without a display there are no events"
    pygame.display.init()
    stage.screen = pygame.display.set_mode((360, 120))
    reused = {pygame.event.custom_type() for _ in range(3)}
    assert stage.host._type in reused, "pygame has changed: this number used to be given out again"
    heard: list[int] = []
    for number in reused:
        pygame.event.post(pygame.event.Event(number, function=lambda number=number: heard.append(number)))
    pygame.time.set_timer(stage.tick, 16)
    stage.run()
    run.result()
    assert sorted(heard) == sorted(reused), "the program's own events under the host's number have come"


def waiting_costs_no_more_than_pygame_itself(stage: Any) -> None:
    """pygame looks for events every millisecond; the host, with a sleeping guest, does not look more often."""
    pygame = stage.pygame
    pygame.time.set_timer(stage.tick, 0)
    wait = stage.host.wait if stage.waits else pygame.event.wait

    def cost(wait: Any) -> float:
        ends = monotonic() + 0.3
        began = process_time()
        while (left := ends - monotonic()) > 0.001:
            wait(max(1, int(left * 1000)))
        return process_time() - began

    run = Run(stage, asyncio.sleep, 3600, then=stay)
    gc.collect()
    theirs, ours = cost(pygame.event.wait), cost(wait)
    run.guest.shutdown()
    stage.figures.update(pygame_ms_per_s=round(theirs / 0.3 * 1000, 1), host_ms_per_s=round(ours / 0.3 * 1000, 1))
    assert ours < theirs * 1.5 + 0.01, f"{ours * 1000:.1f} ms of CPU in place of {theirs * 1000:.1f}"


EXTRA = {
    function.__name__: function
    for function in (
        a_full_event_queue,
        a_program_that_clears_the_queue,
        a_program_that_blocks_all_other_events,
        pygame_quits_in_mid_run,
        guest_code_quits_pygame,
        a_display_that_goes_and_comes_back,
        sixty_frames_and_ten_thousand_messages_a_second,
        waiting_costs_no_more_than_pygame_itself,
    )
}
