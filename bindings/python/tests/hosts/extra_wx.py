"""What only wx can do: yield, pop up menus that do not return, and be without a GLib.

Owns: nothing.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import stages
import xclick
from asyncguest import event, events
from extra_threads import another_thread_cannot_start_a_guest_here, nothing_is_found_on_another_thread

__all__ = ["ALL"]


def yielding_comes_to_an_end(stage: Any) -> None:
    """`wx.Yield()` in a program whose guest is never idle."""
    came_back = False

    async def main() -> None:
        while not came_back:
            await asyncio.sleep(0)

    def look() -> None:
        nonlocal came_back
        stage.wx.Yield()
        came_back = True

    stage.later(0.05, look)
    stage.play(main)


def a_menu_is_up(stage: Any) -> None:
    """PopupMenu does not return before the menu is gone."""

    async def main() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        def leave() -> None:
            if ticks >= 3:  # or it hangs
                xclick.click(600, 500)
            else:
                stage.later(0.02, leave)

        ticker = asyncio.create_task(tick())
        menu = stage.wx.Menu()
        menu.Append(-1, "Item")
        stage.later(0.2, leave)
        stage.frame_window.PopupMenu(menu, 20, 20)
        ticker.cancel()
        return ticks

    stage.figures["ticks"] = stage.play(main)


def posted_events_alone(stage: Any) -> None:
    """As on macOS, where there is no GLib under wx."""
    from asyncguest.hosts import _wxgtk
    from asyncguest.hosts.wx import WxHost

    _wxgtk.glib = lambda: None
    try:
        WxHost(stage.app, "fd")
    except ValueError as error:
        assert "GTK" in str(error)
    else:
        raise AssertionError("fds cannot be watched")
    stage.host = WxHost(stage.app)

    async def main() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticker = asyncio.create_task(tick())
        stage.dialog(0.2)
        in_dialog = ticks
        before = len(stage.frames)
        while len(stage.frames) < before + 6:  # or it hangs
            await asyncio.sleep(0)
        ticker.cancel()
        return in_dialog

    stage.play(main)
    stage.figures["ticks"] = ticks = stage.runs[0].result()
    assert ticks >= 3, ticks  # on GTK events that are posted wait for idle moments


def guest_code_destroys_the_last_window(stage: Any) -> None:
    """What wx leaves for an idle moment is done, although nothing happens that wx knows of: or the loop would go on."""
    stage.moving = False
    stages.Run(stage, asyncio.sleep, 0.3, then=lambda _: stage.frame_window.Close())
    stage.run()


def sys_exit_in_done_callback_without_the_wrapper(stage: Any) -> None:
    """It is wxPython's affair, which ends the process, with the right status. Before there is a wx.App, no host is."""
    program = """
import asyncio, sys, wx, asyncguest
from asyncguest.hosts.wx import WxHost
try:
    WxHost()
except asyncguest.GuestError as error:
    assert "there is no wx.App" in str(error)
else:
    sys.exit("a host without an application")
app = wx.App()
frame = wx.Frame(None)
guest = asyncguest.Guest(WxHost(drive=sys.argv[1]), done_callback=lambda task: sys.exit(3))
guest.start(asyncio.sleep, 0.01)
app.MainLoop()
"""
    done = subprocess.run([sys.executable, "-c", program, stage.drive], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (3, b""), done


def bad_arguments_say_what_to_do(stage: Any) -> None:
    for arguments, error, says in (
        ((stage.frame_window,), TypeError, "app must be a wx.App"),
        ((None, "fast"), ValueError, '"fd", "thread" or None'),
        ((None, None, -1), ValueError, "deadline is in seconds"),
    ):
        try:
            type(stage.host)(*arguments)
        except error as raised:
            assert says in str(raised), raised
        else:
            raise AssertionError(f"{arguments} were taken")


def a_clone_outlives_its_event_and_a_filter_may_veto(stage: Any) -> None:
    """With "break", or by itself; an event of a program's own keeps its attributes."""
    wx = stage.wx
    from wx.lib.newevent import NewEvent

    Told, EVT_TOLD = NewEvent()

    def veto(event: Any) -> bool:
        event.Veto()
        return True

    async def main() -> None:
        window = wx.Frame(stage.frame_window)
        window.Show()
        with events(window, EVT_TOLD) as stream:
            for number in range(5):
                window.ProcessEvent(Told(number=number))
            for number in range(5):
                assert (await stream.next()).number == number
        for filter in (veto, lambda _: "break"):
            with events(window, wx.EVT_CLOSE, filter=filter) as stream:
                assert not window.Close()
                assert isinstance(await stream.next(), wx.CloseEvent)
                assert window.IsShown()
        asyncio.get_running_loop().call_soon(window.Close)
        await event(window, wx.EVT_CLOSE)
        assert not window or not window.IsShown()

    stage.play(main)


ALL = {
    function.__name__: function
    for function in (
        a_clone_outlives_its_event_and_a_filter_may_veto,
        yielding_comes_to_an_end,
        a_menu_is_up,
        posted_events_alone,
        guest_code_destroys_the_last_window,
        sys_exit_in_done_callback_without_the_wrapper,
        bad_arguments_say_what_to_do,
        another_thread_cannot_start_a_guest_here,
        nothing_is_found_on_another_thread,
    )
}
if sys.platform == "win32":
    del ALL["posted_events_alone"]  # there the host is woken by messages
