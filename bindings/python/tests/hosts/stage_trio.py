"""A program of Trio on stage: its frames are those of a task that sleeps in between."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import stages


def a_block_without_guests_and_one_that_fails(stage: Any) -> None:
    """`TrioHost.open` lets exceptions of its block pass, and cancels nothing by itself."""
    import trio
    from asyncguest.hosts.trio import TrioHost

    async def program() -> None:
        async with TrioHost.open() as host:
            assert await host.run(asyncio.sleep, 0.01, "slept") == "slept"
            await trio.sleep(0)
        async with TrioHost.open(stage.drive):
            raise ZeroDivisionError

    try:
        trio.run(program)
    except ZeroDivisionError:
        return
    raise AssertionError("the block's exception was to pass")


class Trio(stages.Stage):
    """`trio.run(program)`, which lasts until it is quit."""

    name = "trio"
    inside = True
    ctrl_c = False
    forks = False
    takes_trio = False
    imports = ("trio", "asyncguest.hosts.trio")
    extra = {"a_block_without_guests_and_one_that_fails": a_block_without_guests_and_one_that_fails}

    def __init__(self, drive: str) -> None:
        import trio

        super().__init__(drive)
        self.trio = trio

    def version(self) -> str:
        return f"Trio {self.trio.__version__}"

    def run(self, first: Callable[[], object] | None = None) -> None:
        try:
            self.trio.run(self.program, first)
        except BaseException as group:
            (error,) = getattr(
                group, "exceptions", (group,)
            )  # a nursery makes a group of SystemExit in one of its tasks
            raise error from None

    async def program(self, first: Callable[[], object] | None) -> None:
        from asyncguest.hosts.trio import TrioHost

        trio = self.trio
        self.end = trio.Event()
        self.hand, self.button = map(trio.socket.from_stdlib_socket, socket.socketpair())
        with self.hand, self.button:
            async with TrioHost.open(self.drive) as self.host, trio.open_nursery() as self.nursery:
                self.nursery.start_soon(self.paint)
                if first is not None:
                    first()
                await self.end.wait()
                self.nursery.cancel_scope.cancel()
        del self.nursery

    async def paint(self) -> None:
        while self.frame():
            await self.trio.sleep(1 / 60)

    def quit(self) -> None:
        self.end.set()

    def click(self, function: Callable[[], object]) -> None:
        async def pressed() -> None:
            await self.button.recv(1)
            function()

        async def press() -> None:
            await self.hand.send(b"x")

        self.nursery.start_soon(pressed)
        self.nursery.start_soon(press)

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        async def wait() -> None:
            await self.trio.sleep(seconds)
            function()

        self.nursery.start_soon(wait)

    #: Trio wants none: with `trio.run` all is gone.
    destroy: Any = None
