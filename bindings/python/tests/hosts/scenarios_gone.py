"""What is left of host and guest when one of them, or both, are gone (USERS 32)."""

from __future__ import annotations

import gc
import logging
import os
import weakref

from scenarios import BOTH, scenario
from scenarios_end import sleeper, stay
from stages import Run, Stage


def destroyed_before_the_guest(stage: Stage) -> None:
    """The loop has never run, and the application goes: the guest is told, or can be ended by hand."""
    # That it could not be posted to any more is true, and not of interest here.
    logging.getLogger("asyncguest").setLevel(logging.CRITICAL)
    run = Run(stage, sleeper, stage, then=stay)
    assert stage.destroy is not None
    stage.destroy()
    assert run.guest.shutdown(10)  # a limit: it ends as soon as its clean-up has
    assert run.was_cancelled


def destroyed_after_the_guest(stage: Stage) -> None:
    stage.play(stage.library.sleep, 0.01)
    assert stage.destroy is not None
    stage.destroy()


@scenario("destroy", libraries=BOTH)
def the_application_is_destroyed_before_its_loop_ever_ran(stage: Stage) -> None:
    destroyed_before_the_guest(stage)


@scenario("destroy", "again", libraries=BOTH)
def made_and_destroyed_again_and_again(stage: Stage) -> None:
    for _ in range(3):
        destroyed_after_the_guest(stage)
        stage.runs.clear()
        gc.collect()
        destroyed_before_the_guest(stage := stage.another())
        stage.runs.clear()
        gc.collect()
        stage = stage.another()
    stage.destroy()  # type: ignore[misc]


@scenario(libraries=BOTH)
def host_and_guest_are_garbage_afterwards(stage: Stage) -> None:
    """The application still stands: nothing of it holds them."""
    stage.play(stage.library.sleep, 0.01)
    guest = stage.runs[0].guest
    alive = [weakref.ref(thing) for thing in (stage.host, *stage.library.parts(guest))]
    del guest
    stage.runs.clear()
    stage.host = None
    gc.collect()
    gc.collect()
    left = [thing for ref in alive if (thing := ref()) is not None]
    assert not left, f"{left[0]!r} is held by {gc.get_referrers(left[0])!r:.600}"


@scenario("again", "destroy", libraries=BOTH, unix="nobody lists a process's handles")
def fds_are_given_back(stage: Stage) -> None:
    """As many fds after seven guests as after two."""

    def play() -> int:
        stage.runs.clear()
        stage.play(stage.library.sleep, 0.002)
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    play()
    after_two, *_, after_many = [play() for _ in range(6)]
    assert after_many <= after_two, f"{after_two} fds after two guests, {after_many} after seven"
