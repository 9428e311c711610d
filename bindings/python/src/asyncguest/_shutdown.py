"""The end of a run whose host cannot drive it any more.

Owns: the deadline. Host thread only.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from ._compat import settle_abandoned

if TYPE_CHECKING:
    from ._delivery import Deliveries
    from ._run import Run

# Of the deadline.
_LAST_PART = 0.2


def drive_to_end(run: Run, deliveries: Deliveries, deadline: float) -> bool:
    """Cancels the main task and runs the loop here until the clean-up is over, or the deadline. See `Guest.shutdown`."""
    loop, until = deliveries.loop, monotonic() + deadline
    # A task that is being cancelled already may be in its finally blocks, which a second time would cut off; or it may
    # have swallowed the first one, so that near the end it is asked again.
    insist_at = monotonic() + deadline * (1 - _LAST_PART) if run.is_cancelling else until
    if not run.is_cancelling:
        run.cancel("the host has ended")
    impatient: KeyboardInterrupt | None = None
    # The first Ctrl-C of a run cancels it; whoever presses once more does not want to wait for its clean-up.
    interrupts = max(2, run.interrupted_count + 1)
    with loop.reactor.delivery(), deliveries.inside():
        loop.idle = False
        while not (run.is_over or run.forked) and monotonic() < until:
            if monotonic() >= insist_at:
                insist_at = until
                run.cancel("the host has ended")
            try:
                loop.run_waiting(insist_at)
            except (SystemExit, KeyboardInterrupt) as error:
                run.interrupted(error)
                if isinstance(error, KeyboardInterrupt):
                    impatient, until = error, 0.0
            except Exception as error:
                run.break_down(error)
            if run.interrupted_count >= interrupts:
                impatient, until = KeyboardInterrupt(), 0.0
    finished = run.is_over and run.failure is None
    if not run.is_over:
        abandon(run, loop)
    run.conclude()
    if impatient is not None:
        try:
            raise impatient
        finally:
            del impatient  # its traceback leads to this frame
    return finished


def abandon(run: Run, loop: asyncio.AbstractEventLoop) -> None:
    """Names what has not finished and gives it an outcome, so that `done_callback` gets a task that is done."""
    tasks = asyncio.all_tasks(loop)
    left = [task.get_name() for task in tasks if task is not run.clean_up_task]
    settle_all(run, loop, run.given_up(left or ["the default executor"]))


def settle_all(run: Run, loop: asyncio.AbstractEventLoop, error: Exception) -> None:
    """Gives all tasks that are left an outcome: their loop will not run again."""
    for task in {*asyncio.all_tasks(loop), run.task}:
        if task is not None and not task.done():
            settle_abandoned(task, error)
            task.exception()  # it has been told: nobody need say "never retrieved"
