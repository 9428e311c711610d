"""What the adapters share, after faults that were found in them: ends of several guests, threads, late posts."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading

import asyncguest
import pytest
import tkhelp
from asyncguest.hosts.frames import FramesHost
from asyncguest.hosts.tk import TkHost

display, root = tkhelp.display, tkhelp.root
pytestmark = pytest.mark.once


def test_sys_exit_in_one_done_callback_leaves_no_other_run_behind():
    """It came out at once, and the runs after it were left to the end of the interpreter."""
    guests = []
    with pytest.raises(SystemExit):
        with FramesHost() as host:
            for _ in range(3):
                guests.append(asyncguest.Guest(host, done_callback=lambda task: sys.exit(4)))
                guests[-1].start(asyncio.sleep, 3600)
    assert [guest.state for guest in guests] == ["ended"] * 3


def test_a_guest_error_of_a_done_callback_is_reported(monkeypatch):
    """It was taken for the refusal of a shutdown, and lost."""
    seen = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: seen.append(str(error)))

    def again(task):
        guest.start(asyncio.sleep, 0)

    with FramesHost() as host:
        guest = asyncguest.Guest(host, done_callback=again)
        guest.start(asyncio.sleep, 3600)
    assert len(seen) == 1 and "make another for the next" in seen[0], seen


def test_two_threads_in_one_host():
    """The second one's deliveries came on the first one's thread, and its run stood still."""
    refused = []

    def other():
        guest = asyncguest.Guest(host)
        try:
            guest.start(asyncio.sleep, 3600)
        except asyncguest.GuestError as error:
            refused.append((str(error), guest.state))

    with FramesHost() as host:
        guest = asyncguest.Guest(host)
        guest.start(asyncio.sleep, 0.05, "done")
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        while guest.state != "ended":
            host.sleep(0.01)
    assert guest.task.result() == "done"
    assert len(refused) == 1 and "each thread's loop needs its own" in refused[0][0] and refused[0][1] == "ended", (
        refused
    )


def test_a_post_that_fails_because_the_run_has_just_ended(caplog):
    """It was logged as a fault of the host, which has nothing to post to any more."""
    inside, gone = threading.Event(), threading.Event()

    class Host(asyncguest.Host):
        def post(self, job):
            inside.set()
            assert gone.wait(10)
            raise RuntimeError("no guest lives here")

        def detached(self, guest):
            gone.set()

    guest = asyncguest.Guest(Host())
    guest.start(asyncio.sleep, 0.01)
    assert inside.wait(10)
    with caplog.at_level(logging.ERROR, logger="asyncguest"):
        guest.shutdown()
    assert not caplog.records, caplog.text


def test_tk_refuses_another_thread_and_keeps_nothing(root):
    """It spoke of Tcl's apartments, and left its binding in the window."""
    before, refused = root.bindtags(), []

    def other():
        try:
            asyncguest.Guest(host).start(asyncio.sleep, 0)
        except asyncguest.GuestError as error:
            refused.append(str(error))
        root.after(0, root.quit)

    host = TkHost(root)
    thread = threading.Thread(target=other)
    root.after(0, thread.start)
    root.mainloop()
    thread.join()
    assert len(refused) == 1 and "on the thread" in refused[0], refused
    assert root.bindtags() == before
