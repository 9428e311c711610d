"""The demo: the window, the guest inside it, and the downloads, from the first to the last moment.

Owns: root, guest, server and downloads. Everything is on Tk's thread, asyncio too.

    start --> mainloop --> close: the main task is cancelled --> its downloads end, then the server,
                                                                 then the run, then the window
"""

from __future__ import annotations

import asyncio
import platform
import tkinter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from time import monotonic
from tkinter import messagebox

import asyncguest
from asyncguest.hosts.tk import TkHost

from .download import Download
from .fetch import best_fetcher
from .meter import Meter
from .server import FileServer
from .style import seconds_text
from .window import Window

STATUS = 500  # milliseconds between two status lines


class Demo:
    """`urls`: what to download, or none for a local server whose longest file takes `seconds`."""

    def __init__(self, root: tkinter.Tk, urls: Sequence[str], drive: str | None, seconds: float) -> None:
        self.root = root
        self.host = TkHost(root, drive)
        self.guest = asyncguest.Guest(self.host, done_callback=self._done, name="demo")
        self.meter = Meter(self.guest)
        self.downloads = [Download(url) for url in urls]
        self.server = FileServer(seconds) if not urls else None
        self.fetcher = best_fetcher(local=not urls)
        self.tasks: set[asyncio.Task[None]] = set()
        #: When message boxes opened and closed (None: it still stands).
        self.dialogs: list[tuple[float, float | None]] = []
        self.dialog_seconds = 0.0
        #: Bytes that arrived, and deliveries that the guest had, while message boxes stood.
        self.dialog_bytes = 0
        self.dialog_deliveries = 0
        self.window = Window(
            root,
            self.downloads,
            self.meter,
            self.dialogs,
            again=self.begin,
            again_all=self.begin_all,
            dialog=self.open_dialog,
            close=self.close,
        )

    @property
    def drive(self) -> str:
        return "FD" if self.host.watches_fds else "THREAD"

    @property
    def arrived(self) -> int:
        return sum(download.arrived for download in self.downloads)

    def run(self, script: Callable[[], Coroutine[object, object, None]] | None = None) -> None:
        """Shows the window until it is closed. `script`: a task of the guest that acts in the user's place."""
        self.window.start()
        self.guest.start(self._main, script)
        self._status_timer = self.root.after(STATUS, self._paint_status)
        self.host.mainloop()

    # ---- the guest

    async def _main(self, script: Callable[[], Coroutine[object, object, None]] | None) -> None:
        async with AsyncExitStack() as stack:
            if self.server is not None:
                await stack.enter_async_context(self.server)
                self.downloads += [Download(url) for url in self.server.urls]
                self.window.show(self.downloads)
            await stack.enter_async_context(self.fetcher)
            stack.push_async_callback(self._end_downloads)
            self.guest.start_soon(self.meter.tick)
            self.begin_all()
            if script is not None:
                await script()
                self.root.after(1, self.close)
            await asyncio.Event().wait()  # until the window is closed

    async def _end_downloads(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        """The run is over and cleaned up: nothing is left but the window."""
        self.window.stop()
        self.root.after_cancel(self._status_timer)
        self.root.destroy()

    # ---- what buttons do: plain handlers of Tk, which call asyncio as if they were part of it

    def begin(self, download: Download) -> None:
        """Starts a download, or starts it again. When this returns, it has begun."""
        if not download.is_active and self.guest.state == "running":
            task = self.guest.start_soon(download.run, self.fetcher, eager=True, name=download.name)
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def begin_all(self) -> None:
        for download in self.downloads:
            self.begin(download)

    def open_dialog(self) -> None:
        """A modal message box: this handler stands here until it is answered, and the downloads go on."""
        before, deliveries = self.arrived, self.guest.stats().batches
        opened, place = monotonic(), len(self.dialogs)
        self.dialogs.append((opened, None))
        try:
            messagebox.showinfo(
                "A modal message box",
                "The downloads go on behind this message box.",
                detail="The handler of its button stands still until you answer; asyncio does not.",
                parent=self.root,
            )
        except tkinter.TclError:
            if self.guest.state != "ended":  # else the window went away underneath
                raise
        finally:
            closed = monotonic()
            self.dialogs[place] = (opened, closed)
            self.dialog_seconds += closed - opened
            self.dialog_bytes += self.arrived - before
            self.dialog_deliveries += self.guest.stats().batches - deliveries

    def close(self) -> None:
        """Ends the run; the window goes when all `finally` blocks have run."""
        self.guest.cancel()

    def _paint_status(self) -> None:
        parts = [f"drive {self.drive}"]
        if self.meter.samples:
            recent = list(self.meter.samples)[-4:]
            events = sum(sample.events for sample in recent) / len(recent)
            deliveries = sum(sample.deliveries for sample in recent) / len(recent)
            parts += [f"{events:.0f} events/s", f"{deliveries:.0f} deliveries/s"]
        stats = self.guest.stats()
        parts.append(f"deliveries p50 {seconds_text(stats.delivery_duration.percentile(50))}")
        if stats.delivery_latency.total:
            parts.append(f"token to delivery p50 {seconds_text(stats.delivery_latency.percentile(50))}")
        parts.append(f"Python {platform.python_version()}, Tk {self.root.tk.call('info', 'patchlevel')}")
        parts.append(self.fetcher.name)
        self.window.say("   ·   ".join(parts))
        self._status_timer = self.root.after(STATUS, self._paint_status)
