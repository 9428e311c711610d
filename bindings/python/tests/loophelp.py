"""What tests of the loop's native core have in common. What asyncio's own loop does is what is wanted, so most of it is played
on both.

A test file makes the fixture known with `loop = loophelp.loop`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import asyncguest
import pytest

BOTH = (asyncio.SelectorEventLoop, asyncguest.EventLoop)


@pytest.fixture
def loop() -> Iterator[asyncguest.EventLoop]:
    loop = asyncguest.EventLoop()
    yield loop
    loop.close()


def turn(loop: asyncio.AbstractEventLoop, iterations: int = 1) -> None:
    """Runs some iterations."""
    for _ in range(iterations):
        loop.call_soon(loop.stop)
        loop.run_forever()


def on_both(scene: Callable[[asyncio.AbstractEventLoop], object]) -> None:
    """Plays a scene on asyncio's loop and on ours: what it returns is the same."""
    seen = []
    for make in BOTH:
        loop = make()
        try:
            seen.append(scene(loop))
        finally:
            loop.close()
    assert seen[0] == seen[1]
    assert seen[0] is not None


def function(*args: object) -> None:
    """A callback."""
