"""SDL on stage, by pygame-ce and by pygame: three ways in which their programs are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import stages
from extra_sdl import EXTRA


class Waiting(stages.Stage):
    """`for event in host.events()`: a program that acts when something happens."""

    name = "pygame-ce"
    idles = False  # pygame itself looks for events all the time
    imports = ("pygame", "asyncguest.hosts.sdl")
    extra = EXTRA
    forks = False
    #: It is pygame-ce, or else the older pygame.
    ce = True
    #: The host waits, not pygame.
    waits = True
    #: A wake is served at once, not in the next frame.
    wakes = True

    def __init__(self, drive: str) -> None:
        import pygame
        from asyncguest.hosts.sdl import SdlHost

        if getattr(pygame, "IS_CE", False) != self.ce:
            raise ImportError(f"the installed pygame is {'not ' if self.ce else ''}pygame-ce")
        super().__init__(drive)
        self.pygame = pygame
        pygame.display.init()
        pygame.font.init()
        self.screen = pygame.display.set_mode((360, 120))
        self.font = pygame.font.Font(None, 24)
        self.host = SdlHost(drive)
        self.tick = pygame.event.custom_type()
        self.goes_on = True
        pygame.time.set_timer(self.tick, 16)
        self.paint()

    def version(self) -> str:
        pygame = self.pygame
        name = "pygame-ce" if self.ce else "pygame"
        return f"{name} {pygame.version.ver} / SDL {'.'.join(map(str, pygame.get_sdl_version()))}"

    def run(self, first: object = None) -> None:
        self.goes_on = True
        with self.host:
            self.loop()

    def loop(self) -> None:
        for event in self.host.events():
            self.handle(event)
            if not self.goes_on:
                break

    def handle(self, event: Any) -> None:
        pygame = self.pygame
        if not self.goes_on:
            return  # guest code has had its turn since, and may have quit pygame
        if event.type == pygame.QUIT:
            self.goes_on = False
        elif hasattr(event, "function"):
            event.function()
        elif event.type == self.tick:
            self.paint()

    def paint(self) -> None:
        pygame = self.pygame
        if not self.frame():
            pygame.time.set_timer(self.tick, 0)
        self.screen.fill("white")
        self.screen.blit(self.font.render(self.text, True, "black"), (10, 10))
        self.screen.fill("navy", (int(300 * self.at), 60, 60, 40))
        pygame.display.flip()

    def quit(self) -> None:
        self.goes_on = False
        self.pygame.event.post(self.pygame.event.Event(self.pygame.USEREVENT, function=int))  # ends a wait

    def close_window(self) -> None:
        self.pygame.event.post(self.pygame.event.Event(self.pygame.QUIT))

    def click(self, function: Callable[[], object]) -> None:
        pygame = self.pygame
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=(5, 5), button=1, function=function))

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        pygame = self.pygame
        event = pygame.event.Event(pygame.event.custom_type(), function=function)  # pygame has one timer per type
        pygame.time.set_timer(event, max(1, round(seconds * 1000)), 1)

    def destroy(self) -> None:
        self.pygame.quit()


class Frames(Waiting):
    """`for event in host.get()` once per frame, by pygame's clock."""

    name = "pygame-ce-frames"
    variant = True
    wakes = False

    def loop(self) -> None:
        pygame = self.pygame
        pygame.time.set_timer(self.tick, 0)
        clock = pygame.time.Clock()
        while self.goes_on:
            for event in self.host.get():
                self.handle(event)
            if self.goes_on:
                self.paint()
                clock.tick(60)


class Raw(Waiting):
    """pygame's own `event.wait()`; the host is shown each event."""

    name = "pygame-ce-handle"
    variant = True
    drives = ("thread",)
    waits = False

    def loop(self) -> None:
        while self.goes_on:
            event = self.pygame.event.wait()
            if not self.host.handle(event):
                self.handle(event)


class OldWaiting(Waiting):
    """The older pygame."""

    name = "pygame"
    variant = True
    python = "system"  # the two pygames have one module name, so they cannot share an interpreter
    ce = False


class OldRaw(Raw):
    """The older pygame."""

    name = "pygame-handle"
    variant = True
    python = "system"
    ce = False
