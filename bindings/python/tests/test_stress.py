"""Random things in a random order: see `stress.py`, which also plays more of them, or one seed again."""

from __future__ import annotations

import pytest
from helpers import FULL
from stress import World

SEEDS = 1_000 if FULL else 8


@pytest.mark.slow
@pytest.mark.timeout(3600 if FULL else 120)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of connections that a run's end has cut, as asyncio has them
# asyncio's own: a connection that is accepted while its server closes counts itself out without having been counted in.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <function _SelectorTransport.__del__:pytest.PytestUnraisableExceptionWarning"
)
def test_whatever_a_program_does(caplog):
    caplog.set_level("CRITICAL")  # asyncio tells of slow callbacks, and the library of connections that are lost
    for seed in range(SEEDS):
        world = World(seed)
        wrong = world.play()
        assert not wrong, f"seed {seed}: {wrong[0]}\n" + "\n".join(world.log[-20:])
