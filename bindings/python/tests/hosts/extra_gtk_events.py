"""Waiting for GTK's signals: what a filter answers, and what outlives an emission.

Owns: nothing. Each function is a scenario on a stage of `stage_glib`.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

from asyncguest import SourceGone, event, events


def break_vetoes_and_stops(stage: Any) -> None:
    """A signal that asks is answered True; of another one the rest of the emission is left out."""
    is_4 = stage.gtk.get_major_version() >= 4

    async def main() -> None:
        window = stage.gtk.Window()
        window.show()
        asked = "close-request" if is_4 else "delete-event"
        with events(window, asked, filter=lambda *_: "break") as stream:
            for _ in range(2):
                window.close()
                await stream.next()
                assert window.get_visible()
        button, seen = stage.gtk.Button(), []
        with events(button, "clicked", filter=lambda *_: "break") as stream:
            button.connect("clicked", lambda _: seen.append("after"))
            button.emit("clicked")
            await stream.next()
        assert not seen
        asyncio.get_running_loop().call_soon(window.close)
        await event(window, asked)
        try:
            await event(window, asked)
        except SourceGone:
            pass
        else:
            raise AssertionError("it was closed")

    stage.play(main)


def a_value_outlives_its_emission(stage: Any) -> None:
    gobject = stage.gi.GObject

    class Sender(gobject.Object):
        __gsignals__ = {"told": (gobject.SignalFlags.RUN_LAST, None, (stage.gi.Gdk.RGBA, int))}

    async def main() -> None:
        sender = Sender()
        with events(sender, "told") as stream:
            for number in range(10):
                color = stage.gi.Gdk.RGBA()
                color.red = number / 10
                sender.emit("told", color, number)
                del color
            gc.collect()
            for number in range(10):
                color, got = await stream.next()
                assert got == number and abs(color.red - number / 10) < 0.001, color.red

    stage.play(main)


def a_property_and_its_owners_end(stage: Any) -> None:
    """An object that is no widget ends with its last reference; a signal that it has not is no source."""

    async def main() -> None:
        adjustment = stage.gtk.Adjustment(upper=10)
        asyncio.get_running_loop().call_soon(adjustment.set_value, 5)
        await event(adjustment, "notify::value")
        try:
            event(adjustment, "no-such-signal")
        except TypeError as error:
            assert 'event(button, "clicked")' in str(error)
        with events(adjustment, "value-changed") as stream:
            adjustment.set_value(6)
            del adjustment
            gc.collect()
            assert [value async for value in stream] == [None]

    stage.play(main)


def a_button_of_a_window_that_the_program_still_holds(stage: Any) -> None:
    """GTK 4 tells the window and what is in it of no destruction then."""

    async def main() -> None:
        window, button = stage.gtk.Window(), stage.gtk.Button()
        (window.set_child if stage.gtk.get_major_version() >= 4 else window.add)(button)
        window.show()
        with events(button, "clicked") as clicks, events(window, "notify::title") as titles:
            window.destroy()
            for stream in (clicks, titles):
                assert [value async for value in stream] == []

    stage.play(main)


EVENTS: dict[str, Callable[[Any], None]] = {
    function.__name__: function
    for function in (
        break_vetoes_and_stops,
        a_value_outlives_its_emission,
        a_property_and_its_owners_end,
        a_button_of_a_window_that_the_program_still_holds,
    )
}
