"""A program of asyncio on stage: it has no window, so its frames are timers, and its clicks a byte on a socket; on Windows,
whose loop watches no sockets, callbacks."""

from __future__ import annotations

import asyncio
import platform
import socket
import sys
from collections.abc import Callable
from typing import Any

import stages

WATCHES = sys.platform != "win32"


class Asyncio(stages.Stage):
    """A program that runs its loop by itself."""

    name = "asyncio"
    imports = ("asyncguest.hosts.asyncio",)

    def __init__(self, drive: str) -> None:
        super().__init__(drive)
        self.loop = self.make_loop()
        self.host: Any = self.make_host()
        self.hand, self.button = socket.socketpair()
        self.button.setblocking(False)
        self.handler: Callable[[], object] = bool
        if WATCHES:
            self.loop.add_reader(self.button, self.pressed)
        self.later(0, self.paint)

    def make_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()

    def make_host(self) -> Any:
        from asyncguest.hosts.asyncio import AsyncioHost

        return AsyncioHost(self.loop, self.drive)

    def version(self) -> str:
        return f"Python {platform.python_version()}"

    def paint(self) -> None:
        if self.frame():
            self.later(1 / 60, self.paint)

    def pressed(self) -> None:
        self.button.recv(1)
        self.handler()

    def run(self, first: object = None) -> None:
        try:
            self.host.run_forever()
        except BaseException:
            self.destroy()  # as asyncio.run does
            raise

    def play(self, *args: Any, **options: Any) -> Any:
        try:
            return super().play(*args, **options)
        except SystemExit:
            self.destroy()  # a script closes its loop, however it is left
            raise

    def quit(self) -> None:
        self.loop.stop()

    def click(self, function: Callable[[], object]) -> None:
        self.handler = function
        if WATCHES:
            self.hand.send(b"x")
        else:
            self.loop.call_soon(function)

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        self.loop.call_later(seconds, function)

    def destroy(self) -> None:
        if not self.loop.is_closed():
            if WATCHES:
                self.loop.remove_reader(self.button)
            self.hand.close()
            self.button.close()
            self.loop.close()
