"""The hosts of Windows and macOS, against stand-ins for what these systems supply: their logic, not their truth."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
import threading
import types
import weakref
from ctypes import wintypes
from time import monotonic

import asyncguest
import pytest
from asyncguest.hosts import cfrunloop, win32
from fake_corefoundation import FakeCoreFoundation
from fake_user32 import FakeUser32

pytestmark = pytest.mark.once


class Stand:
    """A host over a stand-in."""

    def __init__(self, monkeypatch, kind, drive, **options):
        self.kind = kind
        if kind == "win32":
            self.fake = FakeUser32(**options)
            monkeypatch.setattr(win32, "_load", lambda: self.fake)
            self.host = win32.Win32Host(drive)
        else:
            self.fake = FakeCoreFoundation()
            monkeypatch.setattr(cfrunloop, "_load", lambda: self.fake)
            self.host = cfrunloop.CFRunLoopHost(drive)
        self.done = []

    def start(self, async_fn, *args, quits=True, **options):
        def done(task):
            self.done.append(task)
            if quits:
                self.host.quit()

        guest = asyncguest.Guest(self.host, done_callback=done, **options)
        guest.start(async_fn, *args)
        return guest

    def nested(self, seconds):
        """A modal loop of the system's own."""
        ends = monotonic() + seconds
        if self.kind == "win32":
            message = wintypes.MSG()
            threading.Timer(seconds, self.fake.input, [int]).start()
            while monotonic() < ends and self.fake.GetMessageW(ctypes.byref(message), None, 0, 0):
                self.fake.DispatchMessageW(ctypes.byref(message))
        else:
            threading.Timer(seconds, self.fake.input, [self.host.quit]).start()
            self.fake.CFRunLoopRun()

    def is_clean(self):
        """Everything was given back."""
        if self.kind == "win32":
            return not self.fake.windows and not self.fake.timers
        return not self.fake.live()


KINDS = [("win32", "thread"), ("cfrunloop", "fd"), ("cfrunloop", "thread")]


@pytest.fixture(params=KINDS, ids="-".join)
def stand(request, monkeypatch):
    stand = Stand(monkeypatch, *request.param)
    yield stand
    assert stand.is_clean()
    if stand.kind == "cfrunloop":
        stand.fake.close()


def test_a_run_from_before_the_loop(stand):
    stand.start(asyncio.sleep, 0.01, "done")
    stand.host.run()
    assert [task.result() for task in stand.done] == ["done"]


def test_a_run_from_inside_the_loop_and_again(stand):
    for _ in range(2):
        stand.fake.input(lambda: stand.start(asyncio.sleep, 0.01))
        stand.host.run()
    assert len(stand.done) == 2


def test_many_wakes_from_a_thread(stand):
    async def main():
        loop = asyncio.get_running_loop()
        woken, ready = asyncio.Event(), threading.Semaphore(0)

        def wake():
            for _ in range(200):
                ready.acquire()
                loop.call_soon_threadsafe(woken.set)

        waker = loop.run_in_executor(None, wake)
        for _ in range(200):
            ready.release()
            await woken.wait()
            woken.clear()
        await waker

    guest = stand.start(main)
    stand.host.run()
    assert stand.done[0].exception() is None
    assert guest.stats().reposts < 100, "each wake had to be asked for twice"


def test_a_busy_guest_lets_input_in(stand):
    waited = []  # in deliveries of the guest

    async def main():
        stats = asyncio.get_running_loop().guest.stats
        asked = None

        def handle():
            nonlocal asked
            waited.append(stats().batches - asked)
            asked = None

        while len(waited) < 20:
            if asked is None:
                asked = stats().batches
                stand.fake.input(handle)
            await asyncio.sleep(0)

    stand.start(main)
    stand.host.run()
    assert sorted(waited)[10] <= 10, waited


def test_many_busy_guests_all_go_on(stand):
    steps = [0] * 6

    async def main(number):
        while min(steps) < 100:
            await asyncio.sleep(0)
            steps[number] += 1

    def done(task):
        left.pop()
        if not left:
            stand.host.quit()

    left = list(range(6))
    for number in range(6):
        asyncguest.Guest(stand.host, done_callback=done).start(main, number)
    stand.host.run()
    assert left == []


def test_ticks_in_a_modal_loop(stand):
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        await asyncio.sleep(0)
        stand.nested(0.3)
        ticking.cancel()
        return ticks

    stand.start(main)
    stand.host.run()
    assert stand.done[0].result() >= 3


def test_a_busy_guest_goes_on_in_a_modal_loop_that_it_opens(stand):
    """Whatever gave the delivery in which it is opened, a message, a source or a timer."""

    async def main():
        async def work():
            while True:
                await asyncio.sleep(0)

        stats = asyncio.get_running_loop().guest.stats
        working = asyncio.create_task(work())
        await asyncio.sleep(0.05)  # the guest yields after each delivery by now
        before = stats().batches
        stand.nested(0.2)
        working.cancel()
        return stats().batches - before

    stand.start(main)
    stand.host.run()
    assert stand.done[0].result() >= 3, "it stood still"


def test_the_loop_ends_first(stand):
    order = []

    async def main():
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            order.append("clean-up")

    stand.start(main, quits=False)
    stand.fake.input(stand.host.quit)
    stand.host.run()
    assert order == ["clean-up"] and stand.done[0].cancelled()


def test_sys_exit_comes_out_of_run(stand):
    async def main():
        await asyncio.sleep(0.01)
        sys.exit(3)

    guest = asyncguest.Guest(stand.host, done_callback=lambda task: task.result())
    guest.start(main)
    with pytest.raises(SystemExit) as exit:
        stand.host.run()
    assert exit.value.code == 3


def test_a_done_callback_that_raises(stand, monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: seen.append(kind))

    def done(task):
        stand.fake.input(stand.host.quit)
        raise ZeroDivisionError

    asyncguest.Guest(stand.host, done_callback=done).start(asyncio.sleep, 0.01)
    stand.host.run()
    assert seen == [ZeroDivisionError]


def test_nothing_holds_the_host(stand):
    stand.start(asyncio.sleep, 0.01)
    stand.host.run()
    host = weakref.ref(stand.host)
    stand.host = None
    stand.done.clear()
    gc.collect()
    assert host() is None


def test_it_is_found_while_there_is_something_to_be_found(stand):
    find = (win32 if stand.kind == "win32" else cfrunloop).find
    found = []

    async def main():
        found.append(find())
        await asyncio.sleep(0.01)
        found.append(find())

    assert find() is None
    stand.start(main)
    stand.host.run()
    assert type(found[1].make()) is type(stand.host)
    assert (found[0] is None) == (stand.kind == "cfrunloop"), "only its loop tells that there is one"


def test_a_full_message_queue(monkeypatch):
    """PostMessage refuses: the program is busy with what is in the queue, and the library asks again."""
    stand = Stand(monkeypatch, "win32", None, room=1)

    async def main():
        loop = asyncio.get_running_loop()
        stand.fake.PostMessageW(0, 0, 0, 0)  # somebody else's takes all the room
        await loop.run_in_executor(None, lambda: None)
        stand.fake.posted.clear()
        await asyncio.sleep(0.05)

    stand.start(main)
    stand.host.run()
    assert stand.done[0].exception() is None
    assert stand.is_clean()


def test_what_wakes_another_toolkit(monkeypatch):
    """Once for any number, while it is on; what a full queue refuses is told, and may be asked again."""
    fake = FakeUser32(room=1)
    monkeypatch.setattr(win32, "_load", lambda: fake)
    came = []
    notifier = win32.MessageNotifier(lambda: came.append(threading.get_ident()))

    def pump():
        message = wintypes.MSG()
        fake.GetMessageW(ctypes.byref(message), None, 0, 0)
        fake.DispatchMessageW(ctypes.byref(message))

    notifier.notify()
    assert not fake.posted
    notifier.on()
    threads = [threading.Thread(target=notifier.notify) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pump()
    assert came == [threading.get_ident()] and not fake.posted
    notifier.taken()
    fake.PostMessageW(0, 0, 0, 0)  # somebody else's takes all the room
    with pytest.raises(OSError, match="takes nothing more"):
        notifier.notify()
    pump()
    notifier.notify()
    pump()
    assert len(came) == 2
    notifier.close()
    assert not fake.windows
    notifier.send()  # too late, and nobody's


def test_the_library_is_loaded_once(monkeypatch):
    """The class of windows is registered in it, and Windows takes it but once in a process."""

    class Library:
        def __getattr__(self, name):
            function = types.SimpleNamespace()
            setattr(self, name, function)
            return function

    monkeypatch.setattr(ctypes, "WinDLL", lambda name, use_last_error: Library(), raising=False)
    win32._load.cache_clear()
    try:
        assert win32._load() is win32._load()
    finally:
        win32._load.cache_clear()


def test_windows_destroys_the_window(monkeypatch):
    """It does so when the thread ends; the guest is over then."""
    stand = Stand(monkeypatch, "win32", None)
    guest = stand.start(asyncio.sleep, 3600, quits=False)
    stand.fake.input(lambda: stand.fake.DestroyWindow(stand.host._window))
    stand.fake.input(stand.host.quit)
    stand.host.run()
    assert guest.state == "ended" and stand.done[0].cancelled()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the system that one of them is for")
@pytest.mark.parametrize("kind", [win32.Win32Host, cfrunloop.CFRunLoopHost])
def test_elsewhere_they_say_so(kind):
    with pytest.raises(OSError, match="use the host of your toolkit"):
        kind()


@pytest.mark.parametrize("kind, drive", [(win32.Win32Host, "fd"), (cfrunloop.CFRunLoopHost, "pipe")])
def test_a_drive_that_there_is_not(kind, drive):
    with pytest.raises(ValueError, match="drive"):
        kind(drive)
