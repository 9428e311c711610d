"""Checks of beginnings and ends: when guests start, and who ends first. Host thread."""

from __future__ import annotations

import asyncio
import logging.handlers
import os
import sys
from time import monotonic

from ._check_run import QUEUE_IT, CheckRun, Run
from ._traces import trace_of

#: Seconds that a run has when its host is gone.
_DEADLINE = 3.0


async def short() -> None:
    for _ in range(3):
        await asyncio.sleep(0.005)


def start(check: CheckRun) -> None:
    """Before the loop runs; inside it; two at once; and again in a loop that has ended."""
    check.expect(
        "a guest that was started before the main loop ran to end", "The guest's deliveries do not come. " + QUEUE_IT
    )
    check.run(lambda: check.start(short))

    def inside() -> None:
        check.expect(
            "two guests that were started inside the main loop to end", "Several guests must fit into one host."
        )
        check.start(short)
        check.start(short)

        opened[0].set_result(None)

    async def opener() -> None:
        opened.append(asyncio.get_running_loop().create_future())
        check.poke(inside)
        await opened[0]

    opened: list[asyncio.Future[None]] = []
    check.expect("a guest in a main loop that is run for the second time", "run() must work again after quit().")
    check.run(lambda: check.start(opener))


def nesting(check: CheckRun) -> None:
    """A task opens a nested main loop, inside it another one: a second task goes on ticking meanwhile."""
    seconds = 0.5
    ticks = 0
    open_dialog = check.harness.nested
    assert open_dialog is not None

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(seconds / 25)
            ticks += 1

    async def dialog(depth: int) -> None:
        if depth:
            inner = asyncio.get_running_loop().create_task(dialog(depth - 1))
            open_dialog(seconds if depth == 2 else seconds / 2)
            await inner

    async def main() -> None:
        ticking = asyncio.get_running_loop().create_task(tick())
        await asyncio.sleep(0)
        check.expect(
            "nested(seconds) to return", "nested= runs a main loop inside the one that runs, for so many seconds."
        )
        before, began = ticks, monotonic()
        await dialog(2)
        came, took = ticks - before, monotonic() - began
        ticking.cancel()
        if took < seconds * 0.9:
            check.wrong(
                f"nested({seconds}) returned after {took:.2f} s", "nested= must run a main loop for all that time."
            )
        elif came < 5:  # a busy machine loses some; where only the library's second posts are heard there are two
            check.wrong(
                f"only {came} of 25 ticks came while a task stood in a nested main loop",
                "The nested loop must serve the same queue and the same fds as the outer one. A lock or a flag that "
                "keeps the adapter from being entered twice is not needed: the guest is made for that.",
            )
        check.expect(
            "the guest to end after a nested main loop", "The outer loop must go on with what was posted meanwhile."
        )

    check.run(lambda: check.start(main))


class Marker(Exception):
    """Raised by a done_callback, to see where it turns up."""


def exceptions(check: CheckRun) -> None:
    """What a done_callback raises must be seen: out of run(), on stderr, or in an excepthook."""
    mark = f"raised on purpose by hostcheck {os.getpid()}"
    seen: list[str] = []

    def raising() -> None:
        check.quit()
        raise Marker(mark)

    before = os.fstat(2).st_size
    hooks = sys.excepthook, sys.unraisablehook
    sys.excepthook = lambda kind, error, trace: seen.append(repr(error))
    sys.unraisablehook = lambda what: seen.append(repr(what.exc_value))
    listener = logging.handlers.BufferingHandler(sys.maxsize)
    logging.getLogger("asyncguest").addHandler(listener)  # which does not print here
    check.expect(
        "the main loop to return after its done_callback had raised", "quit() had been called just before that."
    )
    try:
        check.run(lambda: check.start(short, on_done=raising))
    except Marker:
        seen.append(mark)
    finally:
        sys.excepthook, sys.unraisablehook = hooks
        logging.getLogger("asyncguest").removeHandler(listener)
    seen.extend(map(listener.format, listener.buffer))
    sys.stderr.flush()
    os.lseek(2, before, os.SEEK_SET)
    output = os.read(2, 1 << 20).decode(errors="replace")  # up to its end, where what is printed goes on
    if mark not in output and not any(mark in text for text in seen):
        check.wrong(
            "an exception of a done_callback vanished: it came out of run() nowhere, and nothing was printed",
            "Do not catch what a posted job or ready() raises, or report it: to the toolkit's own handler, to "
            "sys.excepthook(*sys.exc_info()), or to the log.",
        )
    check.expect(
        "another guest in a host whose last job had raised", "One job that raises must not end the host's queue."
    )
    check.run(lambda: check.start(short))


class Cleaning:
    """A coroutine whose clean-up takes a few deliveries."""

    def __init__(self) -> None:
        self.cleaned = False

    async def main(self) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0.02)
            await asyncio.get_running_loop().run_in_executor(None, os.getpid)
            self.cleaned = True


def left_by_its_host(check: CheckRun) -> tuple[Run, Cleaning]:
    """A run whose main loop has been told to quit, and has."""
    cleaning = Cleaning()

    async def leave() -> None:
        check.poke(check.quit)
        await cleaning.main()

    check.expect("run() to return after quit(), with a guest that has not ended", "quit= must not wait for the guest.")
    runs: list[Run] = []
    check.run(lambda: runs.append(check.start(leave, on_done=lambda: None)))
    return runs[0], cleaning


def ended_well(check: CheckRun, run: Run, cleaning: Cleaning, when: str) -> None:
    """After the run was shut down."""
    if not cleaning.cleaned:
        check.wrong(
            f"a finally block did not run to its end when {when}",
            "Nothing of the adapter may keep guest.shutdown() from working: attached(), detached() and unwatch() are "
            "called without a main loop then.",
        )
    if run.done != 1:
        check.wrong(
            f"done_callback was called {run.done} times instead of once when {when}",
            "guest.shutdown() calls it; detached() must not raise before it.",
        )


def early_quit(check: CheckRun) -> None:
    """The main loop ends first, by quit."""
    run, cleaning = left_by_its_host(check)
    check.expect("guest.shutdown() to return after the main loop had ended", "unwatch() and detached() must not wait.")
    run.guest.shutdown(_DEADLINE)
    ended_well(check, run, cleaning, "the main loop had ended")


def destroy(check: CheckRun) -> None:
    """The host is destroyed first. An adapter that knows of it has shut its guests down by then."""
    run, cleaning = left_by_its_host(check)
    close = check.harness.close
    assert close is not None
    check.harness.close = None
    check.expect("close() to return while a guest lives", "close= must not wait for the guest.")
    check.destroyed = True
    close()
    check.expect(
        "guest.shutdown() to return after the host had been destroyed", "unwatch() and detached() must not wait."
    )
    try:
        run.guest.shutdown(_DEADLINE)
    except Exception as error:
        check.wrong(
            f"shutdown() of a guest whose host had been destroyed raised {error!r}",
            "unwatch() and detached() are called after the host's end too: they must see that it is gone and do "
            "nothing.",
            trace_of(error),
        )
    ended_well(check, run, cleaning, "the host had been destroyed")
