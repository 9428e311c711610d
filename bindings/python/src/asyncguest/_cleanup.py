"""What `asyncio.run` does after its main task, in two steps: a function, and a coroutine that waits.

It runs inside the loop that it cleans up, so that a host lives on meanwhile.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ._compat import end_executor

# As asyncio.constants.THREAD_JOIN_TIMEOUT: how long the executor's threads may take.
_EXECUTOR_SECONDS = 300


def cancel_all(loop: asyncio.BaseEventLoop) -> set[asyncio.Task[Any]]:
    """Cancels the tasks that are left, and returns them. One whose cancel raises is reported, and not waited for.

    To be called when the iteration is over in which the main task's callbacks run, and before the next, as by
    `asyncio.run`: whether a task has had its first step by then makes a difference to it.
    """
    tasks = asyncio.all_tasks(loop)
    for task in list(tasks):
        try:
            task.cancel()
        except Exception as error:
            tasks.remove(task)
            told = {
                "message": "a task cannot be cancelled while the run is being ended",
                "exception": error,
                "task": task,
            }
            loop.call_soon(loop.call_exception_handler, told)  # which may raise SystemExit
    return tasks


async def clean_up(loop: asyncio.BaseEventLoop, cancelled: set[asyncio.Task[Any]]) -> None:
    """Waits for the tasks that `cancel_all` has cancelled, then ends asynchronous generators and the default executor.

    What a task raises while it is cancelled goes to the loop's exception handler, as in `asyncio.run`.
    """
    try:
        await _end(loop, cancelled)
    finally:
        try:
            await _iterations(1)
            await loop.shutdown_asyncgens()
        finally:
            await _iterations(2)
            await end_executor(loop, _EXECUTOR_SECONDS)
            await _iterations(1)


async def _iterations(count: int) -> None:
    """Lets the loop go on for as long as in `asyncio.run`, where each step is a run of its own."""
    for _ in range(count):
        await asyncio.sleep(0)


async def _end(loop: asyncio.BaseEventLoop, tasks: set[asyncio.Task[Any]]) -> None:
    if not tasks:
        return
    gathered = asyncio.gather(*tasks, return_exceptions=True)
    while not gathered.done():
        try:
            await asyncio.shield(gathered)
        except asyncio.CancelledError:
            # By a task that cancels all there are, which in asyncio.run does not hit the clean-up: it is no task there.
            continue
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            loop.call_exception_handler(
                {
                    "message": "unhandled exception while the run was being ended",
                    "exception": error,
                    "task": task,
                }
            )
