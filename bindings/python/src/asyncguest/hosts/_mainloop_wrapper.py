"""Main loops that no exception can leave: the toolkit prints what its handlers raise, and goes on.

Owns: what the main loop is left with, and SIGINT between guests. Host thread only.

There is one exception to it: at SystemExit Python prints nothing, and ends the process right there in the handler.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from ._yielding import Switch, YieldingHost

__all__ = ["WrappedHost"]


class WrappedHost(YieldingHost):
    """Base of an adapter with a wrapper of the toolkit's main loop, which raises when that has ended."""

    def __init__(self, deadline: float = 5.0) -> None:
        super().__init__(deadline)
        self._quit: Callable[[], object] | None = None
        self._leaving: BaseException | None = None

    def _run_loop(self, start: Callable[[], Any], leave: Callable[[], object]) -> Any:
        """The main loop: `start()`, which returns when it has ended; `leave()` ends it. Then the guests are over too.

        Returns what `start()` does, or raises SystemExit or KeyboardInterrupt that came out of a `done_callback`.
        """
        before, self._quit = self._quit, leave
        self.ends_with_interpreter = True
        self._take_ctrl_c(not self._guests)
        try:
            result = start()
            if self._leaving is not None:
                raise self._leaving
            return result
        finally:
            self._quit = before
            if before is None:
                self.ends_with_interpreter = False
                self._leaving = None
                self._take_ctrl_c(False)
                self._shut_down()

    def _served(self, switch: Switch, ready: Callable[[], object]) -> None:
        try:
            super()._served(switch, ready)
        except (SystemExit, KeyboardInterrupt) as error:
            self._leave(error)

    def _leave(self, error: BaseException) -> None:
        """Has the wrapper end the main loop and raise."""
        if self._quit is None:
            raise error  # it is not in use: the toolkit's affair
        self._leaving = self._leaving or error
        self._quit()

    def _over(self) -> None:
        try:
            super()._over()
        except (SystemExit, KeyboardInterrupt) as error:  # the toolkit tells of its end by a handler, too
            self._leave(error)

    # ---- Ctrl-C: the first guest has it, and between guests it would be an exception in any handler

    def _hook(self) -> None:
        super()._hook()
        self._take_ctrl_c(False)

    def _unhook(self) -> None:
        super()._unhook()
        self._take_ctrl_c(self._quit is not None)

    def _take_ctrl_c(self, take: bool) -> None:
        """Whether SIGINT ends the wrapped main loop, unless somebody else has it."""
        if threading.current_thread() is not threading.main_thread():
            return
        handler = signal.getsignal(signal.SIGINT)
        if take and handler is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupted)
        elif not take and handler == self._interrupted:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _interrupted(self, signum: int, frame: FrameType | None) -> None:
        self._leave(KeyboardInterrupt())
