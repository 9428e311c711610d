"""Every end: of the window, the application, the program, the main task; and Ctrl-C (USERS 3, 7, 13)."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from console import kill
from scenarios import BOTH, scenario
from stages import Run, Stage


async def sleeper(stage: Stage, act: Callable[[], object] | None = None) -> None:
    """A main task whose clean-up awaits. `act`: what it does first."""
    try:
        if act is not None:
            await stage.library.sleep(0.02)
            act()
        await stage.library.sleep(3600)
    finally:
        await stage.library.linger(0.03)
        stage.note("clean-up")


def stay(_: object) -> None:
    """For a `done_callback` that does not end the loop."""


def ends_first(stage: Stage, end: Callable[[], object]) -> None:
    """`end` ends the loop in mid-run: the guest is shut down, and the loop's function returns."""
    began = 0.0

    def act() -> None:
        nonlocal began
        began = monotonic()
        end()

    assert stage.later is not None
    stage.enter(lambda: (Run(stage, sleeper, stage, then=stay), stage.later(0.05, act)))
    took = monotonic() - began
    assert began, "the loop ended by itself"
    (run,) = stage.runs
    assert run.was_cancelled and run.guest.state == "ended", run.guest
    stage.figures["seconds"] = round(took, 2)


ENDED = ("clean-up", "done")


@scenario("close_window", "later", notes=ENDED, libraries=BOTH)
def the_window_is_closed_in_mid_run(stage: Stage) -> None:
    assert stage.close_window is not None
    ends_first(stage, stage.close_window)


@scenario("later", notes=ENDED, libraries=BOTH)
def the_application_quits_first(stage: Stage) -> None:
    ends_first(stage, stage.quit)


@scenario("close_window", notes=("after", *ENDED), libraries=BOTH)
def guest_code_closes_the_window(stage: Stage) -> None:
    def act() -> None:
        assert stage.close_window is not None
        stage.close_window()
        stage.note("after")

    stage.enter(lambda: Run(stage, sleeper, stage, act, then=stay))
    assert stage.runs[0].was_cancelled


@scenario("click", status=3, notes=ENDED, libraries=BOTH)
def sys_exit_in_a_click(stage: Stage) -> None:
    assert stage.click is not None
    stage.enter(lambda: (Run(stage, sleeper, stage, then=stay), stage.click(lambda: sys.exit(3))))


@scenario(status=3, notes=ENDED, libraries=BOTH)
def sys_exit_in_the_main_task(stage: Stage) -> None:
    """Its `done_callback` asks for the result, and so raises SystemExit again."""
    stage.enter(lambda: Run(stage, sleeper, stage, lambda: sys.exit(3), then=stage.library.result))


@scenario(status=3, notes=ENDED, libraries=BOTH)
def sys_exit_in_the_main_task_of_a_script(stage: Stage) -> None:
    """Its `done_callback` only quits; the script asks for the result after the loop."""
    stage.play(sleeper, stage, lambda: sys.exit(3))


@scenario(status=3, notes=ENDED, says="SystemExit: 3")
def sys_exit_in_a_side_task(stage: Stage) -> None:
    async def main() -> None:
        side = asyncio.create_task(exiting())
        try:
            await sleeper(stage)
        finally:
            assert side.done()

    async def exiting() -> None:
        sys.exit(3)

    def then(task: asyncio.Task[Any]) -> None:
        assert task.cancelled(), "SystemExit in a side task cancels the main task"
        stage.quit()

    stage.enter(lambda: Run(stage, main, then=then))
    sys.exit(3)


def alive_afterwards(stage: Stage, run: Run) -> Callable[[object], None]:
    """For `then`: the host goes on, which its own timer and the next frame of a moving window prove, and is quit."""

    def still_there(frames: int, looks: int = 100) -> None:
        if stage.moving and stage.later is not None and 0 < len(stage.frames) == frames:
            assert looks, "the window stands still"
            stage.later(0.06, lambda: still_there(frames, looks - 1))
            return
        stage.note("alive")
        stage.quit()

    def then(_: object) -> None:
        if stage.later is None:
            still_there(0)
        else:
            stage.later(0.06, lambda frames=len(stage.frames): still_there(frames))

    return then


@scenario(notes=("clean-up", "done", "alive"), libraries=BOTH)
def an_exception_in_the_main_task_reaches_done_callback(stage: Stage) -> None:
    def fail() -> None:
        raise ZeroDivisionError("in the main task")

    def first() -> None:
        run = Run(stage, sleeper, stage, fail)
        run.then = alive_afterwards(stage, run)

    stage.enter(first)
    try:
        stage.runs[0].result()
    except ZeroDivisionError:
        return
    raise AssertionError("it was lost")


@scenario("later", notes=("done", "alive"), says="ZeroDivisionError: in done_callback", libraries=BOTH)
def an_exception_in_done_callback_is_reported_and_the_host_lives_on(stage: Stage) -> None:
    def first() -> None:
        run = Run(stage, stage.library.sleep, 0.02)
        goes_on = alive_afterwards(stage, run)

        def then(end: Any) -> None:
            goes_on(end)
            raise ZeroDivisionError("in done_callback")

        run.then = then

    stage.enter(first)


def ctrl_c(stage: Stage, busy: bool) -> None:
    """SIGINT from outside ends the main task, which nothing else would wake, and leaves the host as it was."""
    sent = cancelled = 0.0

    def send() -> None:
        nonlocal sent
        sent = monotonic()
        kill(signal.SIGINT)

    async def main() -> None:
        nonlocal cancelled
        await stage.library.sleep(0.1)
        try:
            threading.Timer(0.1, send).start()
            while True:  # with a condition, its jump back is outside of the `try` in Python 3.13 (gh-130279)
                await stage.library.sleep(0 if busy else 3600)
        finally:
            cancelled = monotonic()
            await stage.library.linger(0.01)
            stage.note("clean-up")

    def first() -> None:
        run = Run(stage, main)
        run.then = alive_afterwards(stage, run)

    stage.moving = busy
    stage.enter(first)
    (run,) = stage.runs
    assert stage.library.was_interrupted(run.guest, run.end), run.end
    stage.figures["cancelled_ms"] = round((cancelled - sent) * 1000, 1)


@scenario("ctrl_c", notes=("clean-up", "done", "alive"), libraries=BOTH)
def ctrl_c_while_all_is_idle(stage: Stage) -> None:
    ctrl_c(stage, busy=False)


@scenario("ctrl_c", notes=("clean-up", "done", "alive"), libraries=BOTH)
def ctrl_c_while_guest_and_window_are_busy(stage: Stage) -> None:
    ctrl_c(stage, busy=True)
