"""Tk as a host: starting, progress beside a living window, idleness, several guests."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
import tkinter
import weakref

import asyncguest
import pytest
import tkhelp
from asyncguest.hosts.tk import TkHost
from tkhelp import TkRun, dialog_until, run_in_tk

display, root = tkhelp.display, tkhelp.root


async def three_ticks():
    for _ in range(3):
        await asyncio.sleep(0.01)
    return "done"


# ---- starting


def test_started_before_mainloop(root, drive):
    assert run_in_tk(root, three_ticks, drive=drive) == "done"


def test_started_by_a_handler_inside_mainloop(root, drive):
    run = TkRun(root, drive)
    button = tkinter.Button(root, command=lambda: run.start(three_ticks))
    root.after(1, button.invoke)
    assert run.finish() == "done"


def test_update_alone_drives_it(root, drive):
    run = TkRun(root, drive)
    run.start(three_ticks)
    while not run.done:
        root.update()
    assert run.finish() == "done"


def test_wait_variable_alone_drives_it(root, drive):
    run = TkRun(root, drive)
    over = tkinter.BooleanVar(root)

    async def main():
        await three_ticks()
        over.set(True)

    run.start(main)
    root.wait_variable(over)
    run.finish()


def test_update_idletasks_runs_no_delivery(root):
    ran = []

    async def main():
        asyncio.get_running_loop().call_soon(ran.append, 1)
        for _ in range(3):
            root.update_idletasks()
            assert not ran
        await asyncio.sleep(0)
        assert ran

    run_in_tk(root, main)


def test_any_widget_stands_for_its_window(root):
    run = TkRun(root, host=TkHost(tkinter.Frame(tkinter.Toplevel(root))))
    run.start(three_ticks)
    assert run.finish() == "done"


def test_a_post_from_any_thread_arrives_on_tks(root):
    seen = []
    host = TkHost(root)
    with pytest.raises(asyncguest.GuestError, match="while a guest lives in it"):
        host.post(lambda: None)

    async def main():
        over = asyncio.Event()

        def arrived():
            seen.append(threading.get_ident())
            over.set()

        thread = threading.Thread(target=host.post, args=(arrived,))
        thread.start()
        await over.wait()
        thread.join()

    TkRun(root, host=host).start(main)
    root.mainloop()
    assert seen == [threading.get_ident()]


@pytest.fixture
def without_file_handlers(monkeypatch):
    """Tcl as it is on Windows: no file handlers, so that a connection of Tcl's own is what wakes it."""
    monkeypatch.setattr("asyncguest.hosts.tk.can_watch_fds", lambda tk: False)


def test_tcl_without_file_handlers(without_file_handlers, root):
    with pytest.raises(ValueError, match='drive="thread"'):
        TkHost(root, "fd")
    host = TkHost(root)
    assert host.watches_fds is False
    assert run_in_tk(root, three_ticks, host=host) == "done"


def test_the_same_under_load_and_with_a_dialog(without_file_handlers, root):
    ticks = []

    async def tick():
        while True:
            await asyncio.sleep(0.01)
            ticks.append(1)

    async def main():
        keep = asyncio.ensure_future(tick())
        for _ in range(2000):
            await asyncio.sleep(0)
        before = len(ticks)
        went_on = dialog_until(root, lambda: len(ticks) >= before + 4)
        keep.cancel()
        return went_on

    assert run_in_tk(root, main, drive=None) is True


def test_a_stranger_cannot_ring_the_bell(without_file_handlers, root, monkeypatch):
    """The port is open until Tcl has accepted the one connection that it is for. Here somebody else comes first."""
    strangers = []
    connect = socket.create_connection

    def connect_second(address):
        strangers.append(connect(address))
        return connect(address)

    monkeypatch.setattr("asyncguest.hosts._tcl.socket.create_connection", connect_second)
    assert run_in_tk(root, three_ticks, drive=None) == "done"
    (stranger,) = strangers
    with stranger:
        assert stranger.recv(1) == b"", "it should have been closed"


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (("root",), TypeError, "a tkinter.Tk or one of its widgets"),
        ((None, "fast"), ValueError, '"fd", "thread" or None'),
    ],
)
def test_bad_arguments_say_what_to_do(root, arguments, error, says):
    with pytest.raises(error, match=says):
        TkHost(*(argument if argument is not None else root for argument in arguments))


def test_a_window_that_is_gone_cannot_be_a_host(root):
    host = TkHost(root)
    root.destroy()
    with pytest.raises(tkinter.TclError, match="destroyed"):
        asyncguest.Guest(host).start(three_ticks)


def test_an_fd_that_tcl_cannot_watch_is_refused(root):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1200:
        pytest.skip("the limit of open files is too low here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    many = [os.open("/dev/null", os.O_RDONLY) for _ in range(1040)]
    try:
        with pytest.raises(OSError, match="below 1024"):
            asyncguest.Guest(TkHost(root)).start(three_ticks)
    finally:
        for fd in many:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ---- a living window


def test_timers_and_sockets_go_on_while_the_window_animates(root, drive):
    canvas = tkinter.Canvas(root)
    canvas.pack()
    ball = canvas.create_oval(0, 0, 10, 10)
    frames = []

    def animate():
        canvas.move(ball, 1, 0)
        frames.append(time.monotonic())
        root.after(5, animate)

    async def echo(reader, writer):
        writer.write(await reader.readexactly(5))
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            for _ in range(20):
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(b"hello")
                assert await reader.read() == b"hello"
                writer.close()
                await writer.wait_closed()
                await asyncio.sleep(0.005)
        return len(frames)

    animate()
    assert run_in_tk(root, main, drive=drive) >= 5


# ---- idleness, several guests, cycles


def test_idle_is_free(root, drive):
    """USERS row 4: with a sleeping task and an open connection no delivery and no look at the poller."""
    near, far = socket.socketpair()
    figures = []

    async def main():
        reader, writer = await asyncio.open_connection(sock=near)
        sleeper = asyncio.ensure_future(asyncio.sleep(3600))
        over = asyncio.Event()

        def measure():
            stats = run.guest.stats()
            root.after(1000, lambda: finish(stats.batches, stats.polls))

        def finish(*before):
            stats = run.guest.stats()
            figures.append([b - a for a, b in zip(before, (stats.batches, stats.polls))])
            # A thread that stood still goes to sleep late; one that wakes up for nothing never stays asleep.
            if figures[-1] == [0, 0] or len(figures) == 10:
                over.set()
            else:
                measure()

        root.after(50, measure)
        await over.wait()
        sleeper.cancel()
        writer.close()
        await writer.wait_closed()

    run = TkRun(root, drive)
    with far:
        run.start(main)
        run.finish()
    assert figures[-1] == [0, 0], figures


def test_several_guests_in_one_window(root, drive):
    """USERS row 17, contract 11: started and ended in any order."""
    ended = []
    runs = {}
    host = TkHost(root, drive)
    baton = [asyncio.Event() for _ in range(5)]

    async def main(number):
        if number != 2:
            await baton[number].wait()
        for _ in range(50):
            await asyncio.sleep(0)

    def done(number):
        ended.append(number)
        following = {2: 0, 0: 4, 4: 1, 1: 3}.get(number)
        if following is None:
            root.quit()
        else:
            baton[following].set()

    for number in range(5):
        runs[number] = asyncguest.Guest(
            host if number % 2 else TkHost(root, drive), done_callback=lambda task, number=number: done(number)
        )
        runs[number].start(main, number)
    root.mainloop()
    assert ended == [2, 0, 4, 1, 3]
    assert len(root.bindtags()) == 3  # Tk's own: the window, its class, "all"


def test_nothing_keeps_the_application_alive(display, drive):
    window = tkinter.Tk()
    host = TkHost(window, drive)
    assert run_in_tk(window, three_ticks, host=host) == "done"
    gone = [weakref.ref(window), weakref.ref(host)]
    window.destroy()
    del window, host
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
