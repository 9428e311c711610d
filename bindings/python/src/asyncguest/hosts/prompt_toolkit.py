"""prompt_toolkit: a guest that lives while a prompt, or an application in the terminal, waits.

Owns: a small loop of fds and jobs (a `QueueHost`), which is run as prompt_toolkit's input hook: on prompt_toolkit's
thread, inside the `select` of its asyncio loop, while a thread of prompt_toolkit looks at keyboard and timers.

Between two deliveries of a guest the hook looks whether that thread has found something, and goes back if so: keys and
redraws come first, and wait for one delivery at the most. Each call of the hook gives at least one round of deliveries,
so that an application that draws all the time does not starve the guest. Nothing is polled: the guests' fds and
prompt_toolkit's own are waited for together.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from prompt_toolkit.application import Application
from prompt_toolkit.application.current import get_app_or_none
from prompt_toolkit.eventloop.inputhook import InputHookContext
from prompt_toolkit.patch_stdout import StdoutProxy

from .._compat import running_loop
from .base import LoopHost, watches
from .queue import QueueHost

__all__ = ["PromptToolkitHost"]


class PromptToolkitHost(LoopHost):
    """prompt_toolkit's blocking `prompt()` and `Application.run()` on this thread, one after the other if need be.

    `drive`: "fd" (or None) waits for the guest's fd; "thread" has a thread of the library wait and post. `deadline`:
    seconds that a run has for its clean-up when `host.run` returns before it has ended.

    Example: docs/hosts/prompt-toolkit.md

    Between two prompts the guest stands still, as any main loop does. An application inside a program of asyncio
    (`run_async`, `prompt_async`) needs no hook: there `AsyncioHost()` is the host. Ctrl-C is a key at the prompt:
    prompt_toolkit raises KeyboardInterrupt out of it. What a `done_callback` raises is shown as prompt_toolkit shows
    what its own callbacks raise; SystemExit and KeyboardInterrupt end the prompt, and come out of it.
    """

    name = "prompt_toolkit"
    is_async = True
    uses_wakeup_fd = True

    def __init__(self, drive: str | None = None, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        self.watches_fds = watches(drive)
        self._queue = QueueHost()
        weakref.finalize(self, self._queue.close).atexit = False

    def run(self, application: Application[Any], **options: Any) -> Any:
        """`application.run(inputhook=..., **options)`. Runs that have not ended when it returns are shut down."""
        return self.run_mainloop(partial(application.run, inputhook=self.inputhook, **options))

    def inputhook(self, context: InputHookContext) -> None:
        """Gives deliveries until prompt_toolkit has something to do: what `prompt(inputhook=...)` and the like take."""
        queue, fd, loop, waits = self._queue, context.fileno(), running_loop(), True

        def found() -> bool:
            nonlocal waits
            waits = False
            return False

        timers = _timers(loop)
        queue.watch(fd, found)
        try:
            queue.run_once(0)
            # Ctrl-C would leave `while waits:` past the `finally`: CPython 3.13 has no entry for its jump back.
            while True:
                if not waits:
                    break
                if loop is not None and (getattr(loop, "_ready", False) or _timers(loop) != timers):
                    timers = _timers(loop)
                    loop.call_soon_threadsafe(bool)
                queue.run_once()
        finally:
            queue.unwatch(fd)

    # ---- what a guest asks for

    def watch(self, fd: int, ready: Callable[[], bool]) -> None:
        self._queue.watch(fd, partial(self.deliver, ready))

    def unwatch(self, fd: int) -> None:
        self._queue.unwatch(fd)

    def post(self, job: Callable[[], object]) -> None:
        """Runs `job()` in the hook, soon. Any thread."""
        self._queue.post(partial(self.deliver, job))

    # ---- the end

    def leave(self, error: BaseException) -> None:
        # Out of the hook it would leave prompt_toolkit's thread behind, which waits for a key.
        application = get_app_or_none()
        if application is None or application.future is None:
            raise error
        if not application.future.done():
            application.exit(exception=error)

    def end_child(self, error: BaseException) -> NoReturn:
        for name in ("stdout", "stderr"):
            if isinstance(getattr(sys, name), StdoutProxy):  # it prints by a thread, which the child has not
                setattr(sys, name, getattr(sys, f"__{name}__"))
        super().end_child(error)

    def report(self) -> None:
        loop = running_loop()
        if loop is None:
            super().report()
        else:
            loop.call_exception_handler({"message": "a done_callback raised", "exception": sys.exc_info()[1]})


def _timers(loop: Any) -> int:
    """How many timers an asyncio loop has, by the attribute that prompt_toolkit looks at too."""
    return len(getattr(loop, "_scheduled", ()))
