"""Dialogs in Tk: other tasks go on while a task or a callback stands in a nested loop (contract 14, USERS row 1)."""

from __future__ import annotations

import asyncio
import itertools
import socket
import tkinter
from tkinter import messagebox, simpledialog

import asyncguest
import pytest
import tkhelp
from asyncguest.hosts.tk import TkHost
from tkhelp import TkRun, dialog_until, run_in_tk

display, root = tkhelp.display, tkhelp.root


class Ticker:
    """A task that ticks every 20 ms beside whatever stands in a dialog, and looks at who is the current task."""

    def __init__(self):
        self.count = 0
        self.task = asyncio.ensure_future(self.run())

    async def run(self):
        while True:
            await asyncio.sleep(0.02)
            assert asyncio.current_task() is self.task
            self.count += 1

    async def end(self):
        self.task.cancel()
        await asyncio.wait([self.task])
        assert self.task.cancelled()


def looks(count):
    """A condition that holds when it has been looked at so often."""
    looked = itertools.count(1)
    return lambda: next(looked) > count


def press(root, answer):
    """Presses a button of Tk's own message box, once it is on the screen."""
    box = ".__tk__messagebox"
    if root.getint(root.tk.call("winfo", "exists", box)) and root.getint(root.tk.call("winfo", "viewable", box)):
        root.tk.call(f"{box}.{answer}", "invoke")
    else:
        root.after(10, press, root, answer)


def test_ticks_go_on_while_a_task_stands_in_a_dialog(root, drive):
    """Nearly as many as Tk's own timer of 10 ms has at the most. A thread that stands still misses some: then once more."""
    counts = []

    async def main():
        ticker = Ticker()
        while len(counts) < 20 and max(counts, default=0) < 9:
            before = ticker.count
            dialog_until(root, looks(20))
            counts.append(ticker.count - before)
        assert asyncio.current_task().get_name() == "main"
        await ticker.end()

    run_in_tk(root, main, drive=drive, name="main")
    assert max(counts) >= 9, counts


def test_tks_own_message_box_in_a_coroutine(root, drive):
    async def main():
        ticker = Ticker()
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        connected = []

        async def connect():
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            connected.append(await reader.read())
            writer.close()
            await writer.wait_closed()
            press(root, "yes")

        task = asyncio.ensure_future(connect())
        assert not connected
        answer = messagebox.askyesno("asyncguest", "Does the guest go on?", parent=root)
        await asyncio.sleep(0)
        assert connected == [b""], "the box is closed by a task that had to go on meanwhile"
        await task
        await ticker.end()
        server.close()
        await server.wait_closed()
        return answer

    assert run_in_tk(root, main, drive=drive) is True


def test_a_dialog_with_an_entry(root):
    async def main():
        def fill_in():
            for child in root.winfo_children():
                # It waits until it is visible, then takes the grab, then waits for the answer: not before that.
                if isinstance(child, simpledialog.Dialog) and child.grab_status():
                    child.entry.insert(0, "42")
                    child.ok()
                    return
            root.after(10, fill_in)

        asyncio.get_running_loop().call_later(0.01, fill_in)
        return simpledialog.askinteger("asyncguest", "A number", parent=root)

    assert run_in_tk(root, main) == 42


def test_a_dialog_opened_by_a_hosts_handler(root, drive):
    """No delivery is on the stack there: the guest just goes on."""

    async def main():
        ticker, closed = Ticker(), asyncio.Event()
        root.after(1, lambda: (went_on.append(dialog_until(root, lambda: ticker.count >= 3)), closed.set()))
        await closed.wait()
        await ticker.end()

    went_on = []
    run_in_tk(root, main, drive=drive)
    assert went_on == [True]


@pytest.mark.parametrize("opener", ["task", "call_soon", "timer", "reader"])
def test_every_kind_of_callback_may_open_one(root, drive, opener):
    async def main():
        loop = asyncio.get_running_loop()
        ticker, closed = Ticker(), loop.create_future()

        def open_it():
            before = ticker.count
            closed.set_result(dialog_until(root, lambda: ticker.count >= before + 2))

        async def task():
            open_it()

        if opener == "task":
            keep = loop.create_task(task())
        elif opener == "call_soon":
            loop.call_soon(open_it)
        elif opener == "timer":
            loop.call_later(0.001, open_it)
        else:
            near, far = socket.socketpair()
            with near, far:
                far.send(b"x")
                loop.add_reader(near, lambda: (loop.remove_reader(near), open_it()))
                await closed
        went_on = await closed
        if opener == "task":
            await keep
        await ticker.end()
        return went_on

    assert run_in_tk(root, main, drive=drive) is True


@pytest.mark.parametrize("depth", [3, pytest.param(50, marks=pytest.mark.once)])
def test_dialogs_in_dialogs(root, drive, depth):
    """Each dialog is opened by a task of its own while the ones before stand; they close from the inside out."""
    entered, left = [], []

    async def open_level(level):
        task = asyncio.current_task()
        window = tkinter.Toplevel(root)
        entered.append(level)
        if level + 1 < depth:
            asyncio.ensure_future(open_level(level + 1)).add_done_callback(lambda _: window.destroy())
        else:
            asyncio.get_running_loop().call_later(0.05, window.destroy)
        root.wait_window(window)
        left.append(level)
        assert asyncio.current_task() is task

    async def main():
        ticker = Ticker()
        await asyncio.ensure_future(open_level(0))
        await ticker.end()

    run = TkRun(root, drive)
    run.start(main)
    run.finish()
    assert entered == list(range(depth))
    assert left == list(reversed(range(depth)))


def test_the_depth_has_a_limit_with_a_clear_error(root, drive):
    reports = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: reports.append(context["exception"]))
        ticker = Ticker()
        await asyncio.sleep(0.03)
        before, after_it = ticker.count, looks(10)
        dialog_until(root, lambda: reports and after_it())
        refused = ticker.count - before
        await asyncio.sleep(0.05)  # after the dialog it goes on
        await ticker.end()
        return refused

    assert run_in_tk(root, main, drive=drive, max_nesting=0) == 0
    assert [type(error) for error in reports] == [asyncguest.NestingLimit]
    assert "max_nesting" in str(reports[0])


def test_the_opener_is_cancelled_while_it_stands(root, drive):
    """It hears of it when its dialog is closed and it awaits the next time."""
    order = []

    async def opener():
        try:
            dialog_until(root, looks(10))
            order.append("closed")
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            order.append("cancelled")
            raise

    async def main():
        task = asyncio.ensure_future(opener())
        asyncio.get_running_loop().call_later(0.02, task.cancel)
        await asyncio.wait([task])
        return task.cancelled()

    assert run_in_tk(root, main, drive=drive) is True
    assert order == ["closed", "cancelled"]


def test_the_run_ends_while_another_task_stands_in_a_dialog(root, drive):
    """done_callback waits until the dialog is closed: its frames are below."""
    order = []

    async def main():
        asyncio.ensure_future(opener())
        await asyncio.sleep(0.02)
        order.append("main is done")

    async def opener():
        dialog_until(root, lambda: order)
        order.append("dialog closed")

    run_in_tk(root, main, drive=drive)
    assert order == ["main is done", "dialog closed"]


def test_two_guests_take_turns_in_each_others_dialogs(root, drive):
    """Each opens a dialog that the other one's task closes."""
    host = TkHost(root, drive)
    windows, closed = {}, []

    async def main(me, other):
        await asyncio.sleep(0)  # both have to be started
        windows[me] = window = tkinter.Toplevel(root)

        async def close_the_other():
            while other not in windows:
                await asyncio.sleep(0.005)
            windows[other].after(1, windows[other].destroy)

        task = asyncio.ensure_future(close_the_other())
        root.wait_window(window)
        closed.append(me)
        await task

    def ended(task):
        ends.append(task.result())
        if len(ends) == 2:
            root.quit()

    ends = []
    guests = [asyncguest.Guest(host, done_callback=ended) for _ in range(2)]
    guests[0].start(lambda: main("a", "b"))
    guests[1].start(lambda: main("b", "a"))
    root.mainloop()
    assert sorted(closed) == ["a", "b"]
