"""Forks (USERS 33, 41): a child ends with its own status, or shows its own exception, and its parent's run goes on."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from scenarios import scenario
from stages import Run, Stage, notes

#: Seconds after which a child that hangs is ended by a signal.
PATIENCE = 10


class Child:
    """A fork of the player. What it prints is kept."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._output = tempfile.TemporaryFile()
        faulthandler.cancel_dump_traceback_later()  # a child that exits would wait for that thread, which it has not
        self._pid = os.fork()
        if self._pid:
            return
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)
        notes.fd = -1
        for fd in (1, 2):
            os.dup2(self._output.fileno(), fd)
        act()

    async def end(self) -> tuple[int, str]:
        """In the parent: its exit status, negative for a signal, and what it has printed."""
        _, status = await asyncio.to_thread(os.waitpid, self._pid, 0)
        with self._output:
            self._output.seek(0)
            return os.waitstatus_to_exitcode(status), self._output.read().decode(errors="replace")


def exit_7() -> None:
    sys.exit(7)


def leave_7() -> None:
    os._exit(7)


def fail() -> None:
    raise ZeroDivisionError("in the child")


def interrupt() -> None:
    raise KeyboardInterrupt


async def goes_on(stage: Stage) -> None:
    """The parent's run, and its host, are what they were."""
    await asyncio.sleep(0.02)
    stage.note("parent")


def played(stage: Stage, fork: Callable[[asyncio.Future[Child]], object]) -> tuple[int, str]:
    """A run whose child `fork(made)` makes, between other tasks whose code is not the child's; how that has ended."""
    ended: list[tuple[int, str]] = []
    parent = os.getpid()

    def only_in_the_parent() -> None:
        if os.getpid() != parent:
            print("a callback of the parent's ran in the child", flush=True)

    async def beside() -> None:
        while True:
            await asyncio.sleep(0)
            only_in_the_parent()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        side = asyncio.create_task(beside())
        await asyncio.sleep(0.02)
        made: asyncio.Future[Child] = loop.create_future()
        fork(made)
        loop.call_soon(only_in_the_parent)
        child = await made
        ended.append(await child.end())
        side.cancel()
        await goes_on(stage)

    stage.play(main)
    return ended[0]


def leaves_with_7(ended: tuple[int, str]) -> None:
    """The child has ended as it wanted, and has run nothing of the parent's."""
    status, said = ended
    assert status == 7 and "a callback of the parent's" not in said, ended


def shows_its_exception(ended: tuple[int, str]) -> None:
    """The same by an exception that nobody catches."""
    status, said = ended
    assert status == 1 and "ZeroDivisionError: in the child" in said, ended
    assert "a callback of the parent's" not in said, ended


def in_a_task(act: Callable[[], object]) -> Callable[[asyncio.Future[Child]], object]:
    """For `played`: the main task itself forks."""
    return lambda made: made.set_result(Child(act))


FINE = ("parent", "done")
NO_FORKS = "Windows has no forks"


@scenario(notes=FINE, unix=NO_FORKS)
def fork_in_a_task_whose_child_leaves_by_sys_exit(stage: Stage) -> None:
    leaves_with_7(played(stage, in_a_task(exit_7)))


@scenario(notes=FINE, unix=NO_FORKS)
def fork_in_a_task_whose_child_leaves_at_once(stage: Stage) -> None:
    leaves_with_7(played(stage, in_a_task(leave_7)))


@scenario(notes=FINE, unix=NO_FORKS)
def fork_in_a_task_whose_child_raises(stage: Stage) -> None:
    shows_its_exception(played(stage, in_a_task(fail)))


@scenario(notes=FINE, unix=NO_FORKS)
def fork_in_a_task_whose_child_is_interrupted(stage: Stage) -> None:
    status, said = played(stage, in_a_task(interrupt))
    assert status in (-signal.SIGINT, 128 + signal.SIGINT), (status, said)


@scenario(notes=FINE, unix=NO_FORKS)
def fork_in_a_task_whose_child_goes_on(stage: Stage) -> None:
    """It is told that the run is not its own."""
    status, said = played(stage, in_a_task(bool))
    assert status == 1 and "this process is a fork" in said, (status, said)
    assert "a callback of the parent's" not in said, said


@scenario(notes=FINE, unix=NO_FORKS)
def fork_in_a_callback_whose_child_leaves_by_sys_exit(stage: Stage) -> None:
    def fork(made: asyncio.Future[Child]) -> None:
        made.get_loop().call_later(0.001, lambda: made.set_result(Child(exit_7)))

    leaves_with_7(played(stage, fork))


def in_a_side_task(
    stage: Stage, act: Callable[[], object], pause: int = 1
) -> Callable[[asyncio.Future[Child]], object]:
    """For `played`: another task forks, after so many suspensions."""

    async def side(made: asyncio.Future[Child]) -> None:
        for _ in range(pause):
            await asyncio.sleep(0)
        made.set_result(Child(act))

    return lambda made: stage.runs[0].guest.start_soon(side, made)


@scenario(notes=FINE, unix=NO_FORKS)
def fork_in_a_side_task_whose_child_leaves_by_sys_exit(stage: Stage) -> None:
    leaves_with_7(played(stage, in_a_side_task(stage, exit_7)))


@scenario(notes=FINE, unix=NO_FORKS)
def fork_in_a_side_task_whose_child_raises(stage: Stage) -> None:
    shows_its_exception(played(stage, in_a_side_task(stage, fail)))


@scenario("click", notes=FINE, unix=NO_FORKS)
def fork_in_a_task_that_a_click_has_started_and_whose_child_leaves_by_sys_exit(stage: Stage) -> None:
    """In its first step, inside the click."""
    click: Any = stage.click
    leaves_with_7(played(stage, lambda made: click(lambda: in_a_side_task(stage, exit_7, 0)(made))))


@scenario(notes=FINE, unix=NO_FORKS)
def fork_in_the_first_step_whose_child_leaves_by_sys_exit(stage: Stage) -> None:
    """Inside `Guest.start`."""

    async def main() -> tuple[int, str]:
        ended = await Child(exit_7).end()
        await goes_on(stage)
        return ended

    leaves_with_7(stage.play(main))


def in_a_click(stage: Stage, act: Callable[[], object]) -> Callable[[asyncio.Future[Child]], object]:
    """For `played`: the host's own handler forks."""
    click: Any = stage.click

    def fork(made: asyncio.Future[Child]) -> None:
        click(lambda: made.set_result(Child(act)))

    return fork


@scenario("click", "forks", notes=FINE, unix=NO_FORKS)
def fork_in_a_click_whose_child_leaves_by_sys_exit(stage: Stage) -> None:
    leaves_with_7(played(stage, in_a_click(stage, exit_7)))


@scenario("click", notes=FINE, unix=NO_FORKS)
def fork_in_a_click_whose_child_leaves_at_once(stage: Stage) -> None:
    leaves_with_7(played(stage, in_a_click(stage, leave_7)))


@scenario("forks", notes=FINE, unix=NO_FORKS)
def fork_before_the_loop_whose_child_leaves_by_sys_exit(stage: Stage) -> None:
    """By code of the host's that has just started the run."""
    ended: list[tuple[int, str]] = []
    child: list[Child] = []

    async def main() -> None:
        while not child:
            await asyncio.sleep(0.001)
        ended.append(await child[0].end())
        await goes_on(stage)

    stage.enter(lambda: (Run(stage, main), child.append(Child(exit_7))))
    stage.runs[0].result()
    leaves_with_7(ended[0])
