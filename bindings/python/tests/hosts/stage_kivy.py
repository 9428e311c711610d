"""Kivy on stage: SDL's window and software OpenGL."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import stages
from extra_kivy import EXTRA

# Else Kivy takes the command line and stderr for its own, and has its home in the user's.
os.environ.update(KIVY_NO_ARGS="1", KIVY_LOG_MODE="PYTHON", KIVY_NO_FILELOG="1", KIVY_HOME=os.path.abspath("kivy"))


class Kivy(stages.Stage):
    """An app with a label and a rectangle that moves, by Kivy's clock."""

    name = "kivy"
    drives = ("thread",)
    variant = True
    idles = False
    again = False
    imports = ("kivy.app", "kivy.uix.label", "asyncguest.hosts.kivy")
    extra = EXTRA

    def __init__(self, drive: str) -> None:
        super().__init__(drive)
        from asyncguest.hosts.kivy import KivyHost
        from kivy.app import App
        from kivy.clock import Clock
        from kivy.config import Config

        Config.set("graphics", "width", "360")
        Config.set("graphics", "height", "120")
        from kivy.core.window import Window
        from kivy.graphics import Color, Rectangle
        from kivy.uix.label import Label

        self.clock = Clock
        self.window = Window
        self.label = Label(text=self.text)
        with self.label.canvas.before:
            Color(0.3, 0.3, 0.9)
            self.bar = Rectangle(pos=(0, 10), size=(60, 30))
        stage = self

        class StageApp(App):  # type: ignore[misc]
            def build(self) -> Any:
                return stage.label

        self.app = StageApp()
        self.host = KivyHost(drive)
        self.clock.schedule_interval(self.paint, 1 / 60)

    def version(self) -> str:
        import kivy

        return f"Kivy {kivy.__version__}"

    def paint(self, seconds: float) -> bool:
        goes_on = self.frame()
        self.label.text = self.text
        self.bar.pos = (300 * self.at, 10)
        return goes_on  # False: the clock forgets it

    def run(self, first: object = None) -> None:
        self.host.run(self.app)

    def quit(self) -> None:
        self.app.stop()

    def close_window(self) -> None:
        # What Kivy's own handler of the close button does.
        from kivy.base import EventLoop

        EventLoop.quit = True

    def click(self, function: Callable[[], object]) -> None:
        def pressed(window: Any, key: int, scancode: int, text: str, modifiers: list[str]) -> bool:
            self.window.unbind(on_key_down=pressed)
            function()
            return True

        self.window.bind(on_key_down=pressed)
        self.later(0, lambda: self.window.dispatch("on_key_down", 97, 4, "a", []))

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        self.clock.schedule_once(lambda _: function() and None, seconds)

    def destroy(self) -> None:
        self.clock.unschedule(self.paint)  # Kivy has one window per process
        for child in list(self.window.children):
            self.window.remove_widget(child)
