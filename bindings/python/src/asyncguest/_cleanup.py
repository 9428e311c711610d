"""What `asyncio.run` does after its main task, as a coroutine.

Owns: nothing. It runs inside the loop that it cleans up, so that a host lives on meanwhile.
"""

from __future__ import annotations

import asyncio

from ._compat import end_executor

__all__ = ["clean_up"]

# As asyncio.constants.THREAD_JOIN_TIMEOUT: how long the executor's threads may take.
_EXECUTOR_SECONDS = 300


async def clean_up(loop: asyncio.BaseEventLoop) -> None:
    """Cancels the remaining tasks and waits for them, then ends asynchronous generators and the default executor.

    What a task raises while it is cancelled goes to the loop's exception handler, as in `asyncio.run`.
    """
    try:
        await _cancel_others(loop)
    finally:
        try:
            await loop.shutdown_asyncgens()
        finally:
            await end_executor(loop, _EXECUTOR_SECONDS)


async def _cancel_others(loop: asyncio.BaseEventLoop) -> None:
    others = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    if not others:
        return
    for task in others:
        task.cancel()
    gathered = asyncio.gather(*others, return_exceptions=True)
    while not gathered.done():
        try:
            await asyncio.shield(gathered)
        except asyncio.CancelledError:
            # By a task that cancels all there are, which in asyncio.run does not hit the clean-up: it is no task there.
            continue
    for task in others:
        if not task.cancelled() and (error := task.exception()) is not None:
            loop.call_exception_handler(
                {
                    "message": "unhandled exception while the run was being ended",
                    "exception": error,
                    "task": task,
                }
            )
