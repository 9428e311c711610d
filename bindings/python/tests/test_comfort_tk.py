"""`event` and `events` on Tk: bindings that are nobody else's, a window's widgets, variables."""

from __future__ import annotations

import asyncio
import gc
import tkinter
from typing import Any

import pytest
import tkhelp
from asyncguest import SourceGone, event, events
from tkhelp import run_in_tk

display, root = tkhelp.display, tkhelp.root


@pytest.fixture
def button(root: tkinter.Tk) -> tkinter.Button:
    button = tkinter.Button(root, text="Click")
    button.pack()
    root.update()
    return button


def soon(widget: Any, function: Any, *args: Any) -> None:
    widget.after_idle(function, *args)


def commands(widget: Any) -> set[str]:
    """All that Tcl can call; those of the guest's host come and go."""
    found = widget.tk.splitlist(widget.tk.call("info", "commands"))
    return {name for name in found if not name.startswith("asyncguest")}


def test_the_unbind_of_others_takes_nothing_away_and_nothing_of_theirs_is(root, button):
    """Up to CPython 3.12 `unbind(sequence, id)` takes all away."""
    seen = []

    async def main():
        mine = button.bind("<<Click>>", lambda _: seen.append("mine"), add="+")
        with events(button, "<<Click>>") as stream:
            button.event_generate("<<Click>>")
            button.unbind("<<Click>>", mine)
            button.event_generate("<<Click>>")
            await stream.next()
            await stream.next()
            button.bind("<<Click>>", lambda _: seen.append("other"))
        button.event_generate("<<Click>>")

    run_in_tk(root, main)
    assert seen == ["mine", "other"]


def test_a_window_has_the_events_of_what_is_in_it_and_only_its_own_end(root):
    async def main():
        window = tkinter.Toplevel(root)
        one, other = tkinter.Frame(window), tkinter.Frame(window)
        for frame in (one, other):
            frame.pack()
        root.update()
        mine = window.bind("<<Click>>", lambda _: None, add="+")
        with events(window, "<<Click>>") as stream:
            one.event_generate("<<Click>>")
            assert (await stream.next()).widget is one
            one.destroy()
            other.event_generate("<<Click>>")
            assert (await stream.next()).widget is other
            window.destroy()
            with pytest.raises(SourceGone):
                await stream.next()
        return mine

    run_in_tk(root, main)


def test_what_a_window_has_bound_is_left_when_a_wait_for_it_ends(root):
    seen = []

    async def main():
        root.bind("<<Click>>", lambda _: seen.append("window"))
        soon(root, lambda: root.event_generate("<<Click>>"))
        await event(root, "<<Click>>")
        root.event_generate("<<Click>>")

    run_in_tk(root, main)
    assert seen == ["window", "window"]
    assert "arrived" not in root.bind("<<Click>>") and not root.bind("<Destroy>")


def test_break_keeps_the_event_from_the_next_bindings(root, button):
    seen = []
    button.bind("<<Click>>", lambda _: seen.append("widget"))
    button.bind_class("Button", "<<Click>>", lambda _: seen.append("class"))

    async def main():
        with events(button, "<<Click>>", filter=lambda _: "break") as stream:
            button.event_generate("<<Click>>")
            await stream.next()
        button.event_generate("<<Click>>")

    run_in_tk(root, main)
    assert seen == ["widget", "widget", "class"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [(tkinter.StringVar, "text"), (tkinter.IntVar, 7), (tkinter.DoubleVar, 0.5), (tkinter.BooleanVar, True)],
)
def test_a_variable_gives_its_value(root, kind, value):
    async def main():
        variable = kind(root)
        soon(root, variable.set, value)
        got = await event(variable)
        with events(variable, "read") as stream:
            variable.get()
            assert await stream.next() == value
        return got

    assert run_in_tk(root, main) == value


def test_a_variable_that_its_program_lets_go(root):
    async def main():
        variable = tkinter.StringVar(root)
        with events(variable) as stream:
            variable.set("last")
            del variable
            gc.collect()
            assert [value async for value in stream] == ["last"]

    run_in_tk(root, main)


def test_a_variable_of_a_window_that_goes(root):
    async def main():
        other = tkinter.Tk()
        variable = tkinter.StringVar(other)
        frame = tkinter.Frame(other)
        with events(variable) as stream:
            frame.destroy()
            variable.set("last")
            other.destroy()
            assert [value async for value in stream] == ["last"]
        with pytest.raises(SourceGone, match="before this began to wait"):
            await event(variable)

    run_in_tk(root, main)


def test_nothing_is_left_in_tcl(root, button):
    async def main():
        variable = tkinter.StringVar(root)
        before, tags, bound = commands(root), button.bindtags(), root.bind()
        for _ in range(3):
            for source in ((button, "<<Click>>"), (root, "<<Click>>"), (variable,)):
                with events(*source):
                    assert commands(root) != before
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(event(*source), 0.001)
        assert (commands(root), button.bindtags()) == (before, tags)
        assert set(root.bind()) == set(bound)

    run_in_tk(root, main)


def test_a_sequence_that_tk_does_not_know_is_tks_error_and_leaves_nothing(root, button):
    async def main():
        before, tags = commands(root), button.bindtags()
        with pytest.raises(tkinter.TclError, match="bad event type"):
            await event(button, "<Nonsense>")
        with pytest.raises(TypeError, match="with 'nonsense'"):
            event(tkinter.StringVar(root), "nonsense")
        assert commands(root) - before == set() and button.bindtags() == tags

    run_in_tk(root, main)


def test_a_widget_without_a_name_is_no_source(root, button):
    with pytest.raises(TypeError, match=r'event\(widget, "<Button-1>"\)'):
        event(button)  # type: ignore[call-overload]
