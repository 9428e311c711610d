"""urwid on stage, on a terminal of its own: a pseudo-terminal, whose screen is read by a thread."""

from __future__ import annotations

import os
import pty
import termios
import threading
from collections.abc import Callable

import stages
from extra_urwid import EXTRA


class Urwid(stages.Stage):
    """A line of text and a bar, drawn anew by an alarm 60 times a second."""

    name = "urwid"
    is_found = False
    imports = ("urwid", "asyncguest.hosts.urwid")
    extra = EXTRA

    def __init__(self, drive: str) -> None:
        import urwid
        from asyncguest.hosts.urwid import UrwidHost
        from urwid.display.raw import Screen

        super().__init__(drive)
        self.urwid = urwid
        user, mine = pty.openpty()
        termios.tcsetwinsize(user, (24, 80))  # a new one has no columns, in which urwid draws nothing
        self.user = open(user, "r+b", buffering=0)
        self.files = [open(os.dup(mine), mode) for mode in "rw"]
        os.close(mine)
        #: What the terminal was sent.
        self.sent = bytearray()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.line = urwid.Text("")
        self.loop = urwid.MainLoop(
            urwid.Filler(self.line), screen=Screen(*self.files), unhandled_input=self.pressed, handle_mouse=False
        )
        self.handler: Callable[[], object] = bool
        self.host = UrwidHost(self.loop, drive)
        self.paint()

    def read(self) -> None:
        while True:
            try:
                self.sent += self.user.read(4096)
            except OSError:
                return  # nobody has the terminal any more

    def version(self) -> str:
        return f"urwid {self.urwid.__version__}"

    def paint(self, *_: object) -> None:
        self.line.set_text(f"{self.text}\n{' ' * int(60 * self.at)}#")
        if self.frame():
            self.loop.set_alarm_in(1 / 60, self.paint)

    def pressed(self, key: object) -> None:
        self.handler()

    def run(self, first: object = None) -> None:
        self.host.run()

    def quit(self) -> None:
        self.host.quit()

    def click(self, function: Callable[[], object]) -> None:
        self.handler = function
        self.later(0, lambda: self.user.write(b"x"))  # what is typed before urwid has the terminal is lost

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        self.loop.set_alarm_in(seconds, lambda *_: function() and None)

    def destroy(self) -> None:
        for file in self.files:
            file.close()
        self.reader.join()
        self.user.close()
