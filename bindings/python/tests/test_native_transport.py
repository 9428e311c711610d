"""The native transport of connected sockets: it tells a protocol what CPython's own tells it, alone and as a guest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncguest
import pytest
from helpers import run_guest
from transport_scenes import SCENES
from transport_stage import Stage


async def played(scene: Callable[[Stage], Any], native: bool, debug: bool) -> list[Any]:
    stage = Stage()
    stage.loop.set_debug(debug)
    try:
        await scene(stage)
    finally:
        made = {type(transport).__module__.startswith("asyncguest") for transport in stage.transports}
        await stage.clear()
    assert made <= {native}
    return stage.log


def play(name: str, native: bool, mode: str, debug: bool = False) -> list[Any]:
    def loop() -> asyncguest.EventLoop:
        return asyncguest.EventLoop(native=native)

    main = played(SCENES[name], native, debug)
    if mode == "alone":
        with asyncio.Runner(loop_factory=loop) as runner:
            return runner.run(main)  # type: ignore[no-any-return]
    main.close()
    return run_guest(played, SCENES[name], native, debug, drive=mode, loop_factory=loop)  # type: ignore[no-any-return]


@pytest.mark.parametrize("mode", ["alone", "fd", "thread"])
@pytest.mark.parametrize("name", SCENES)
def test_a_protocol_is_told_the_same(name: str, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    wanted = play(name, False, "alone")
    said = [record.getMessage() for record in caplog.records]
    caplog.clear()
    assert play(name, True, mode) == wanted
    assert [record.getMessage() for record in caplog.records] == said
