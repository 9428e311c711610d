"""What only GLib and GTK can do: other threads' contexts, their own Ctrl-C, menus, applications.

Owns: nothing.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import asyncguest
import stages
from extra_gtk_events import EVENTS
from extra_threads import another_thread_cannot_start_a_guest_here
from scenarios_end import stay

__all__ = ["APPLICATION", "GTK3", "LOOP"]


async def storm() -> None:
    """Is never idle."""
    while True:
        await asyncio.sleep(0)


def a_context_of_another_thread(stage: Any) -> None:
    """A thread that has pushed a context of its own: the host finds it."""
    glib, results = stage.glib, []

    async def main() -> str:
        await asyncio.sleep(0.01)
        await asyncio.to_thread(time.sleep, 0.01)
        return "done"

    def thread() -> None:
        context = glib.MainContext()
        context.push_thread_default()
        try:
            loop = glib.MainLoop(context)
            host = stage.make_host(stage.drive)
            guest = asyncguest.Guest(host, done_callback=lambda task: (results.append(task.result()), loop.quit()))
            guest.start(main)
            host.run(loop)
        finally:
            context.pop_thread_default()

    worker = threading.Thread(target=thread)
    worker.start()
    worker.join(5)
    assert results == ["done"], results


def ctrl_c_between_guests_ends_the_loop(stage: Any) -> None:
    """The guest has given SIGINT back. KeyboardInterrupt comes out of `host.run`, and all is as it was."""

    def interrupt(_: object) -> None:
        stage.later(0.02, lambda: os.kill(os.getpid(), signal.SIGINT))

    for start_inside in (False, True):
        stage.runs.clear()

        def start() -> None:
            stages.Run(stage, asyncio.sleep, 0.01, then=interrupt)

        if start_inside:
            stage.later(0.01, start)
        else:
            start()
        try:
            stage.run()
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("KeyboardInterrupt was lost")
        assert stage.runs[0].guest.interrupted_count == 0
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.set_wakeup_fd(-1) == -1, "a wake-up fd was left behind"


def the_loop_is_run_without_the_wrapper(stage: Any) -> None:
    """PyGObject's own Ctrl-C and wake-up fd beside a guest that starts and ends inside."""
    stage.later(0.01, lambda: stages.Run(stage, asyncio.sleep, 0.01))
    stage.loop.run()
    assert stage.runs[0].done
    assert signal.set_wakeup_fd(-1) == -1, "a wake-up fd was left behind"


def asking_for_pending_events_comes_to_an_end(stage: Any) -> None:
    """`while Gtk.events_pending():` in a program whose guest is never idle."""
    asked = 0

    def look() -> None:
        nonlocal asked
        while stage.gtk.events_pending():
            stage.gtk.main_iteration()
            asked += 1
        stage.runs[0].guest.cancel()

    stage.later(0.05, look)
    try:
        stage.play(storm)
    except asyncio.CancelledError:
        pass
    stage.figures["asked"] = asked


def a_menu_is_up(stage: Any) -> None:
    async def main() -> int:
        gtk = stage.gtk
        menu, ticks = gtk.Menu(), 0
        menu.append(gtk.MenuItem(label="Item"))
        menu.show_all()
        menu.popup_at_widget(stage.button, stage.gi.Gdk.Gravity.SOUTH_WEST, stage.gi.Gdk.Gravity.NORTH_WEST, None)
        for _ in range(10):
            await asyncio.sleep(0.01)
            ticks += menu.get_mapped()
        menu.popdown()
        menu.destroy()
        return ticks

    assert stage.play(main) >= 5


def the_application_is_run_without_the_wrapper(stage: Any) -> None:
    """Its "shutdown" signal ends the guests."""
    order: list[str] = []

    async def main() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            order.append("clean-up")

    stage.host = type(stage.host)(drive=stage.drive)
    stage.application.connect("activate", lambda _: stages.Run(stage, main, then=lambda task: order.append("done")))
    stage.later(0.05, stage.window.close)
    stage.application.run()
    assert order == ["clean-up", "done"], order


def what_ends_the_clean_up_comes_out_of_run(stage: Any) -> None:
    """A `done_callback` raises in the application's "shutdown" signal, and the other guest is ended all the same."""

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    stage.application.connect("activate", lambda _: stages.Run(stage, asyncio.sleep, 3600, then=interrupted))
    stage.application.connect("activate", lambda _: stages.Run(stage, asyncio.sleep, 3600, then=stay))
    stage.later(0.05, stage.window.close)
    try:
        stage.run()
    except KeyboardInterrupt:
        assert [run.guest.state for run in stage.runs] == ["ended", "ended"]
    else:
        raise AssertionError("KeyboardInterrupt was lost")


def a_context_that_its_thread_has_not_pushed(stage: Any) -> None:
    """It is found while it runs there."""
    from asyncguest.hosts.glib import find

    glib, found = stage.glib, []
    context = glib.MainContext()
    loop = glib.MainLoop(context)

    def dispatched(_: object) -> bool:
        what = find()
        found.append(what is not None and what.running and what.make()._context == context)
        loop.quit()
        return False

    source = glib.Idle()
    source.set_callback(dispatched)
    source.attach(context)
    thread = threading.Thread(target=loop.run)
    thread.start()
    thread.join(5)
    assert found == [True], found


def sys_exit_in_done_callback_without_the_wrapper(stage: Any) -> None:
    """It is PyGObject's affair, which ends the process, with the right status."""
    program = """
import asyncio, sys, asyncguest
from asyncguest.hosts.glib import GLib, GLibHost
guest = asyncguest.Guest(GLibHost(drive=sys.argv[1]), done_callback=lambda task: sys.exit(3))
guest.start(asyncio.sleep, 0.01)
GLib.MainLoop().run()
"""
    done = subprocess.run([sys.executable, "-c", program, stage.drive], capture_output=True, timeout=10)
    assert (done.returncode, done.stderr) == (3, b""), done


def bad_arguments_say_what_to_do(stage: Any) -> None:
    host = type(stage.host)
    for arguments, error, says in (
        ((stage.loop,), TypeError, "context must be a GLib.MainContext"),
        ((None, "application"), TypeError, "application must be a Gio.Application"),
        ((None, None, "fast"), ValueError, '"fd", "thread" or None'),
        ((None, None, None, -1), ValueError, "deadline is in seconds"),
    ):
        try:
            host(*arguments)
        except error as raised:
            assert says in str(raised), raised
        else:
            raise AssertionError(f"{arguments} were taken")


def _named(*functions: Callable[[Any], None]) -> dict[str, Callable[[Any], None]]:
    return {function.__name__: function for function in functions}


LOOP = _named(
    a_context_of_another_thread,
    ctrl_c_between_guests_ends_the_loop,
    the_loop_is_run_without_the_wrapper,
    sys_exit_in_done_callback_without_the_wrapper,
    bad_arguments_say_what_to_do,
    another_thread_cannot_start_a_guest_here,
    a_context_that_its_thread_has_not_pushed,
)
GTK3 = EVENTS | _named(asking_for_pending_events_comes_to_an_end, a_menu_is_up, ctrl_c_between_guests_ends_the_loop)
APPLICATION = _named(the_application_is_run_without_the_wrapper, what_ends_the_clean_up_comes_out_of_run)
