"""Hosts whose loop belongs to one thread, of which a guest that starts on another one would get no delivery.

Owns: nothing. For the stages of GLib, wx, pyglet, GLFW and Tk.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from typing import Any

import asyncguest

__all__ = ["another_thread_cannot_start_a_guest_here", "nothing_is_found_on_another_thread"]


def on_another_thread(stage: Any, function: Any) -> Any:
    """What `function()` returns on a thread beside the running main loop."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function()))

    def look() -> None:
        if thread.is_alive():
            stage.later(0.005, look)
        else:
            stage.quit()

    def begin() -> None:
        thread.start()
        look()

    stage.later(0.01, begin)
    stage.run()
    return found[0]


def another_thread_cannot_start_a_guest_here(stage: Any) -> None:
    """It is told where to start it."""

    def start() -> str:
        guest = asyncguest.Guest(stage.host)
        try:
            guest.start(asyncio.sleep, 0)
        except asyncguest.GuestError as error:
            assert guest.state == "ended"
            return str(error)
        return "it was taken"

    said = on_another_thread(stage, start)
    assert "start the guest" in said, said
    assert stage.play(asyncio.sleep, 0.01, "done") == "done"


def nothing_is_found_on_another_thread(stage: Any) -> None:
    """The toolkit's loop is the main thread's."""
    find = importlib.import_module(type(stage.host).__module__).find
    assert find() is not None
    assert on_another_thread(stage, find) is None
