"""pyglet on stage."""

from __future__ import annotations

import os
from collections.abc import Callable

import stages
from extra_pyglet import EXTRA

# Without it, importing pyglet's windows opens one. With it, all that is slow to import can be imported once.
os.environ.setdefault("PYGLET_SHADOW_WINDOW", "0")


class Pyglet(stages.Stage):
    """A window with a label and a rectangle that moves, redrawn by pyglet's clock."""

    name = "pyglet"
    imports = ("pyglet.window", "pyglet.text", "pyglet.shapes", "asyncguest.hosts.pyglet")
    extra = EXTRA

    def __init__(self, drive: str) -> None:
        import pyglet
        import pyglet.window
        from asyncguest.hosts.pyglet import PygletHost

        super().__init__(drive)
        self.pyglet = pyglet
        self.window = pyglet.window.Window(360, 120, caption=self.name, vsync=False)
        pyglet.gl.glClearColor(1, 1, 1, 1)
        self.label = pyglet.text.Label(self.text, x=10, y=90, color=(0, 0, 0, 255))
        self.bar = pyglet.shapes.Rectangle(0, 20, 60, 40, color=(0, 0, 128))
        self.window.push_handlers(on_draw=self.draw)
        self.host = PygletHost(drive)
        pyglet.clock.schedule_interval(self.move, 1 / 60)
        self.move(0)

    def version(self) -> str:
        return f"pyglet {self.pyglet.version}"

    def move(self, dt: float) -> None:
        if not self.frame():
            self.pyglet.clock.unschedule(self.move)
        self.window.draw(dt)

    def draw(self) -> None:
        self.window.clear()
        self.label.text = self.text
        self.bar.x = 300 * self.at
        self.label.draw()
        self.bar.draw()

    def run(self, first: object = None) -> None:
        self.host.run(None)  # the windows are drawn by `move`

    def quit(self) -> None:
        self.pyglet.app.exit()

    def close_window(self) -> None:
        self.pyglet.app.platform_event_loop.post_event(self.window, "on_close")

    def click(self, function: Callable[[], object]) -> None:
        def pressed(x: int, y: int, button: int, modifiers: int) -> None:
            self.window.pop_handlers()
            function()

        self.window.push_handlers(on_mouse_press=pressed)
        self.pyglet.app.platform_event_loop.post_event(self.window, "on_mouse_press", 5, 5, 1, 0)

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        # In one go pyglet's clock calls what is due, and what has become due by that: in a storm of timers without any
        # delay there are neither events nor frames.
        self.pyglet.clock.schedule_once(lambda dt: function(), max(seconds, 0.004))

    def destroy(self) -> None:
        self.pyglet.clock.unschedule(self.move)
        if self.window in self.pyglet.app.windows:
            self.window.close()
