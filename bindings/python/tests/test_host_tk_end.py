"""Tk ends: in every order, whoever is first (USERS rows 3, 7, 13, 32; contract 13, 15)."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import tkinter

import asyncguest
import pytest
import tkhelp
from asyncguest.hosts.tk import TkHost
from helpers import FULL
from tkhelp import TkRun

display, root = tkhelp.display, tkhelp.root


class Ending:
    """A run that writes down how it ends."""

    def __init__(self, root, drive, clean_up=0.02, host=None, **options):
        self.order = []
        self.clean_up = clean_up
        self.tasks = []
        self.host = host or TkHost(root, drive)
        self.guest = asyncguest.Guest(self.host, done_callback=self.done, **options)
        self.guest.start(self.main)

    async def main(self):
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(self.clean_up)
            self.order.append("cleaned up")

    def done(self, task):
        self.order.append("done")
        self.tasks.append(task)

    def check(self):
        assert self.order == ["cleaned up", "done"]
        assert self.tasks[0].cancelled()
        assert self.guest.state == "ended"


def close_button(root):
    """What the window manager does when the user closes the window."""
    root.tk.call(*root.tk.splitlist(root.protocol("WM_DELETE_WINDOW")) or ("destroy", "."))


ENDS = {
    "destroy": lambda root: root.destroy(),
    "close button": close_button,
    "Tcl's destroy": lambda root: root.tk.call("destroy", "."),
    "Tcl's exit of the window": lambda root: root.tk.eval("after idle {destroy .}"),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_window_goes_in_mid_run(root, drive, end):
    run = Ending(root, drive)
    root.after(20, ENDS[end], root)
    root.mainloop()
    run.check()


@pytest.mark.parametrize("end", ENDS)
def test_guest_code_destroys_the_window(root, drive, end):
    """It cannot end the run on the spot, being part of it: the run is cancelled, and ended after the delivery."""
    run = Ending(root, drive)

    async def destroyer():
        await asyncio.sleep(0.01)
        ENDS[end](root)
        run.order.append("went on")

    run.guest.start_soon(destroyer)
    root.mainloop()
    assert run.order.pop(0) == "went on"
    run.check()


def test_guest_code_in_a_dialog_whose_window_goes(root, drive):
    run = Ending(root, drive)

    async def opener():
        await asyncio.sleep(0.01)
        window = tkinter.Toplevel(root)
        root.after(20, root.destroy)
        root.wait_window(window)
        run.order.append("dialog closed")

    run.guest.start_soon(opener)
    root.mainloop()
    assert run.order.pop(0) == "dialog closed"
    run.check()


def test_the_window_stands_until_the_clean_up_is_over(root, drive):
    """The way that the documentation shows."""
    order = []

    async def main():
        label = tkinter.Label(root)
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.02)
            label["text"] = "good-bye"
            order.append(label["text"])

    guest = asyncguest.Guest(TkHost(root, drive), done_callback=lambda task: (order.append("done"), root.destroy()))
    root.protocol("WM_DELETE_WINDOW", guest.cancel)
    guest.start(main)
    root.after(20, close_button, root)
    root.mainloop()
    assert order == ["good-bye", "done"]


@pytest.mark.parametrize("leave", ["quit", "exception", "SystemExit"])
def test_mainloop_is_left_first(root, drive, leave):
    """`TkHost.mainloop` ends the runs then."""
    run = Ending(root, drive)

    def handler():
        if leave == "SystemExit":
            raise SystemExit(3)
        root.quit()
        if leave == "exception":
            raise ZeroDivisionError

    root.after(20, handler)
    if leave == "SystemExit":
        with pytest.raises(SystemExit):
            run.host.mainloop()
    else:
        run.host.mainloop()
    run.check()
    if leave == "exception":
        assert isinstance(root.reported.pop(), ZeroDivisionError)


def test_mainloop_is_left_and_entered_again(root, drive):
    run = TkRun(root, drive)

    async def main():
        await asyncio.sleep(0.05)
        return "went on"

    run.start(main)
    root.after(5, root.quit)
    root.mainloop()
    assert run.finish() == "went on"


def test_shutdown_before_mainloop(root, drive):
    run = Ending(root, drive)
    assert run.guest.shutdown(5)
    run.check()


def test_a_stubborn_run_is_abandoned_at_the_deadline(root, drive):
    run = Ending(root, drive, clean_up=3600, host=TkHost(root, drive, deadline=0.05), name="stubborn")
    root.after(5, root.destroy)
    with pytest.warns(RuntimeWarning, match="stubborn.* was abandoned"):
        root.mainloop()
    assert run.order == ["done"]
    assert isinstance(run.tasks[0].exception(), asyncguest.GuestError)


def test_the_main_task_fails(root, drive):
    async def fails():
        await asyncio.sleep(0.01)
        raise ZeroDivisionError

    run = TkRun(root, drive)
    run.start(fails)
    with pytest.raises(ZeroDivisionError):
        run.finish()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_leaves_a_program_ends_the_run_and_not_tks_frames(root, drive, error):
    """Contract 6: it arrives in the main task's outcome."""

    async def leaves():
        await asyncio.sleep(0.01)
        raise error

    run = TkRun(root, drive)
    run.start(leaves)
    with pytest.raises(type(error)):
        run.finish()
    assert len(run.done) == 1


def test_a_done_callback_that_destroys_the_window_while_it_is_destroyed(root, drive):
    done = []
    guest = asyncguest.Guest(TkHost(root, drive), done_callback=lambda task: (done.append(task), root.destroy()))
    guest.start(asyncio.sleep, 3600)
    root.after(5, root.destroy)
    root.mainloop()
    assert len(done) == 1


def test_windows_and_guests_in_every_order_many_times(display, drive):
    """USERS row 32."""
    for number in range(100 if FULL else 8):
        window = tkinter.Tk()
        first, second = Ending(window, drive, clean_up=0), Ending(window, drive, clean_up=0)
        window.update()
        if number % 4 == 0:
            window.destroy()
        elif number % 4 == 1:
            first.guest.shutdown()
            window.destroy()
        elif number % 4 == 2:
            second.guest.cancel()
            while second.guest.state != "ended":
                window.update()
            first.guest.shutdown()
            window.destroy()
        else:
            first.guest.cancel()
            second.guest.cancel()
            window.destroy()
        first.check()
        second.check()
        del window, first, second
        gc.collect()  # here: on a thread of another guest's Tk ends the process


# ---- processes: Ctrl-C and the interpreter's exit


PROGRAM = """
import asyncio, os, signal, sys, threading, time, tkinter, asyncguest
from asyncguest.hosts.tk import TkHost

async def main():
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.02)
        print("cleaned up", flush=True)

def done(task):
    print("cancelled" if task.cancelled() else repr(task.exception()), flush=True)
    done_more()

def done_more(): pass
root = tkinter.Tk()
root.update()
guest = asyncguest.Guest(TkHost(root, {drive!r}), done_callback=done)
guest.start(main)
"""


def python(display, drive, program):
    source = textwrap.dedent(PROGRAM.format(drive=drive)) + textwrap.dedent(program)
    environment = {**os.environ, "DISPLAY": display}
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def outcome(process, status=0):
    out, err = process.communicate(timeout=30)
    assert process.returncode == status, (process.returncode, out, err)
    return out.splitlines(), err


@pytest.mark.parametrize("load", ["idle", "busy guest", pytest.param("busy host", marks=pytest.mark.once)])
def test_ctrl_c_cancels_the_run_and_the_window_lives(display, drive, load):
    """USERS row 7: while nothing happens, while Tk's callbacks run without end, and while the guest's do."""
    process = python(
        display,
        drive,
        f"""
        def done_more():
            root.after(10, lambda: (print("window lives"), root.destroy()))
        def busy():
            root.after_idle(root.after, 0, busy)
        async def storm():
            while True:
                await asyncio.sleep(0)
        if {load!r} == "busy host": busy()
        if {load!r} == "busy guest": guest.start_soon(storm)
        root.after(0, threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start)
        root.mainloop()
        """,
    )
    lines, err = outcome(process)
    assert lines == ["cleaned up", "cancelled", "window lives"], err
    assert "Warning" not in err, err


@pytest.mark.parametrize(
    ("leave", "status"),
    [
        ("root.after(20, sys.exit); root.mainloop()", 0),
        ("root.after(20, sys.exit, 3); root.mainloop()", 3),
        ("root.after(20, root.quit); root.mainloop()", 0),
        ("", 0),
        ("raise ZeroDivisionError", 1),
        ("del root; import gc; gc.collect()", 0),
    ],
    ids=["sys.exit in a callback", "the same with a status", "quit", "mainloop never ran", "exception", "no reference"],
)
def test_the_interpreter_exits_while_the_run_lives(display, leave, status):
    process = python(display, "thread" if "sys.exit" in leave else "fd", leave)
    lines, err = outcome(process, status)
    assert lines == ["cleaned up", "cancelled"], err
    assert err.count("RuntimeWarning") == 1 and "the host ended before the run" in err, err
