"""pywebview: a guest in the main loop that draws its windows, GTK's or Qt's.

Owns: nothing of its own. pywebview's back end says whose loop it is, and the adapter of that does the work; there is
also said how a busy guest leaves the window its time. Main thread only, except `post`: it is pywebview's GUI thread.
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from .._errors import GuestError
from .._host import HostAround
from .base import Found

__all__ = ["WebviewHost", "find"]

webview: Any = import_module("webview")


class WebviewHost(HostAround):
    """pywebview's GUI loop. Make it, and start guests, on the main thread before `webview.start()`, or in guest code.

    `gui`: the back end, "gtk" or "qt", as for `webview.start`; None: what pywebview finds. `drive`: "fd" has the GUI's
    loop watch the guest's fd; "thread" has a thread of the library wake it; None takes the better one. `deadline`:
    seconds that a run has for its clean-up when the last window is closed before it has ended.

    Example: docs/hosts/pywebview.md

    pywebview runs event handlers and `js_api` methods on threads of its own: from there reach the guest by
    `guest.loop.call_soon_threadsafe` or `asyncio.run_coroutine_threadsafe`. Its methods that return something, such as
    `evaluate_js`, wait for the GUI thread, which is the guest's: call them by `asyncio.to_thread`, and before a window
    is shown all of them, because they wait for that. `host.quit` does not. When the last window is closed the guests
    are shut down: their `finally` blocks run, but find no windows any more.
    """

    inner: Any

    def __init__(self, gui: str | None = None, drive: str | None = None, deadline: float = 5.0) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise GuestError("pywebview's GUI thread is the main thread: make the WebviewHost, and start guests, there")
        self._gui = gui
        webview.initialize(gui)
        inner: Any
        if (gtk := _back_end("gtk")) is not None:
            from .glib import GLibHost

            inner = GLibHost(application=gtk, drive=drive, deadline=deadline)
        elif (qt := _back_end("qt")) is not None:
            from .qt import QtHost

            inner = QtHost(qt, drive, deadline)
        else:
            raise GuestError('this back end of pywebview has no adapter: choose another one, gui="gtk" or gui="qt"')
        super().__init__(inner)
        self.name = "pywebview"

    def start(self, **options: Any) -> None:
        """`webview.start(**options)`. Runs that have not ended when it returns, for whatever reason, are shut down.

        Raises SystemExit or KeyboardInterrupt that came out of a `done_callback`.
        """
        start = partial(webview.start, gui=self._gui, **options)
        if hasattr(self.inner, "exec"):  # a QtHost
            self.inner.exec(start)
        else:
            self.inner.run(SimpleNamespace(run=start, quit=self.quit))

    def quit(self, *_: object) -> None:
        """Has all windows closed, which ends `start()`. Any thread. Takes any arguments, to be a `done_callback`."""
        # A window takes this when it is shown, and until then `destroy` waits: not on the thread that shows it.
        threading.Thread(target=_close_windows, name="asyncguest closes windows", daemon=True).start()


def _close_windows() -> None:
    for window in list(webview.windows):
        window.destroy()


def _back_end(name: str) -> Any:
    """The application that this back end has made, if it is the one that pywebview has chosen."""
    return getattr(sys.modules.get(f"webview.platforms.{name}"), "_app", None)


def find() -> Found | None:
    """Windows that are created; pywebview draws them on the main thread, when it is started."""
    if not webview.windows or threading.current_thread() is not threading.main_thread():
        return None
    return Found("pywebview", False, WebviewHost)
