"""One check under way: the harness, the runs in it, what is being waited for, and what was found.

Owns: the harness. Host thread, except `wrong`, `note`, `poke` and `hung`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from .._guest import Guest
from .._host import Host, can_post
from ._harness import Harness
from ._spy import Spy
from ._traces import stack_of, trace_of

QUEUE_IT = (
    "post() must put the job into the host's queue for the host thread and come back at once, from any thread: by the "
    "host's own thread-safe way (call_soon_threadsafe, a queued signal, an event), or a deque and a pipe that it "
    "watches."
)


class Run:
    """A guest in the host that is checked, and how it ended."""

    def __init__(self, check: CheckRun, host: Host, on_done: Callable[[], object] | None) -> None:
        self.check = check
        self.on_done = on_done
        self.done = 0
        self.guest = Guest(host, done_callback=self._done)

    def _done(self, task: Any) -> None:
        check = self.check
        self.done += 1
        if threading.get_ident() != check.thread:
            check.wrong("done_callback was called on another thread than the host's", QUEUE_IT)
        if self.done > 1:
            check.wrong(
                "done_callback was called twice", "Nothing of the adapter may call guest.conclude or done_callback."
            )
        if not task.cancelled() and task.exception() is not None:
            check.wrong(
                f"a coroutine that runs well elsewhere failed here with {task.exception()!r}",
                "What follows is where. Look at what the host does to asyncio's state between the guest's deliveries.",
                trace_of(task.exception()),
            )
        check.running -= 1
        if self.on_done is not None:
            self.on_done()
        elif check.running == 0:
            check.quit()


def _once(function: Callable[[], object]) -> Callable[[], object]:
    """A job that a host may run twice."""
    left = [function]
    return lambda: left.pop()() if left else None


class CheckRun:
    def __init__(self, drive: str, timeout: float, answer: Callable[..., None], give_up: Callable[[str], None]) -> None:
        self.drive = drive
        self.timeout = timeout
        self.thread = threading.get_ident()
        self.running = 0
        #: Something is wrong.
        self.found = False
        #: The host has been destroyed: it may refuse everything.
        self.destroyed = False
        self._told: BaseException | None = None
        self._answer = answer
        self._give_up = give_up
        self._has_quit = False
        self._poke_fds: tuple[int, int] | None = None
        self._pokes: list[Callable[[], object]] = []
        self.expect("the harness to be made", "The factory must come back: it must not run the main loop.")

    def make(self, factory: Callable[[], Any]) -> None:
        self.harness = Harness.of(factory())
        if not self.harness.inside:
            self._adopt()

    def _adopt(self) -> None:
        self.adapter = self.harness.make_host()
        #: The adapter, watched over: what guests and checks use.
        self.host = Spy(self.adapter, self.drive, self)

    # ---- what was found

    def wrong(self, what: str, remedy: str, where: str = "") -> None:
        """The adapter breaks a rule. Any thread."""
        self.found = True
        self._answer(wrong=True, what=what, remedy=remedy, where=where)

    def note(self, what: str, remedy: str) -> None:
        """The guest copes with it. Any thread."""
        self._answer(wrong=False, what=what, remedy=remedy)

    def expect(self, what: str, remedy: str) -> None:
        """From here on this is waited for, and it is what was missing if the check hangs. Any thread."""
        self._expected = what, remedy

    def hung(self) -> None:
        """The time is over: says so and ends the process. The watchdog's thread."""
        what, remedy = self._expected
        where = f"The host thread then:\n{stack_of(self.thread)}"
        self.wrong(f"waited {self.timeout:g} s in vain for {what}", remedy, where)
        self._give_up("hung")

    def raised(self, error: BaseException) -> None:
        """The check cannot go on after this: ends the process. Any thread."""
        if self._told is None:
            self.wrong(
                f"{error!r} came out of the host", "Neither the adapter nor run() may raise here.", trace_of(error)
            )
        self.abort()

    def failed(self, what: str, remedy: str, error: BaseException) -> None:
        """The adapter's own function has raised, and the exception goes on. Any thread."""
        self._told = error
        self.wrong(f"{what} raised {error!r}", remedy, trace_of(error))

    def abort(self) -> None:
        """Nothing more can be tried: ends the process. Any thread."""
        self._give_up("failed")

    # ---- the main loop

    def start(
        self,
        async_fn: Callable[[], Any],
        *,
        host: Host | None = None,
        on_done: Callable[[], object] | None = None,
    ) -> Run:
        """Starts a guest. When the last one is done, the main loop is told to quit, unless `on_done` says otherwise."""
        run = Run(self, host or self.host, on_done)
        self.running += 1
        run.guest.start(async_fn)
        if run.done:
            self.wrong("done_callback was called inside start()", QUEUE_IT)
        return run

    def run(self, begin: Callable[[], object]) -> None:
        """Runs the main loop until `quit`. `begin()` starts what is to run in it: before, or inside if need be."""

        def first() -> None:
            if self.harness.inside:
                self._adopt()
            self._open_poke()
            begin()

        self._has_quit = False
        try:
            self.harness.enter(first)
        finally:
            self._close_poke()
        if not self._has_quit:
            self.wrong(
                "run() returned, but quit() had not been called",
                "run= must be a function that stays in the main loop until quit= is called.",
            )
            self.abort()

    def quit(self) -> None:
        """Makes `run` return."""
        self._has_quit = True
        self.expect("run() to return after quit()", "quit= is called inside the loop and must make run= return.")
        self.harness.quit()

    def poke(self, function: Callable[[], object]) -> None:
        """Runs a function in the host's loop, as code of the host's own. Any thread."""
        if self._poke_fds is None:
            self.host.post(_once(function))
        else:
            self._pokes.append(function)
            os.write(self._poke_fds[1], b"x")

    def _open_poke(self) -> None:
        """Makes `poke` work in a host without `post`: by a pipe that it watches."""
        if not can_post(self.adapter):
            self._poke_fds = os.pipe()
            self.adapter.watch(self._poke_fds[0], self._poked)

    def _close_poke(self) -> None:
        if self._poke_fds is not None:
            self.adapter.unwatch(self._poke_fds[0])
            for fd in self._poke_fds:
                os.close(fd)
            self._poke_fds = None

    def _poked(self) -> bool:
        assert self._poke_fds is not None
        os.read(self._poke_fds[0], 1)
        self._pokes.pop(0)()
        return False

    def worker(self, function: Callable[[], object]) -> threading.Thread:
        """Runs a function on another thread. What it raises is a finding and ends the check."""

        def work() -> None:
            try:
                function()
            except BaseException as error:
                self.raised(error)

        thread = threading.Thread(target=work, name="hostcheck worker", daemon=True)
        thread.start()
        return thread

    def finish(self) -> None:
        """The check is over: destroys the host."""
        self.expect(
            "close() to return", "close= destroys the host after the loop has ended; nothing of a guest is left then."
        )
        if self.harness.close is not None:
            self.harness.close()
