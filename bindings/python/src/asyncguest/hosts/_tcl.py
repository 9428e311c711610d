"""What Tcl can watch for a guest: an fd, and a notifier where it has no file handlers.

Owns: the connection of that. Tk's own thread, except `notify`.
"""

from __future__ import annotations

import socket
import tkinter
from collections.abc import Callable
from typing import Any

# Tcl 8 waits with select(), which knows no higher fds and does not check.
_FD_SETSIZE = 1024


def can_watch_fds(tk: Any) -> bool:
    """Whether this Tcl has file handlers: everywhere but on Windows."""
    return hasattr(tk, "createfilehandler")


class FdWatch:
    """Calls `ready()` whenever `fd` is readable, while it is on."""

    def __init__(self, tk: Any, fd: int, ready: Callable[[], object]) -> None:
        if fd >= _FD_SETSIZE and tkinter.TkVersion < 9:
            raise OSError(
                f"Tcl {tkinter.TclVersion} cannot watch fd {fd}, only those below {_FD_SETSIZE}: start the guest before "
                'the program opens so many files, or give it TkHost(root, drive="thread"), made early'
            )
        self._tk = tk
        self._fd = fd
        self._ready = ready
        self.is_on = False

    def on(self) -> None:
        self._tk.createfilehandler(self._fd, tkinter.READABLE, lambda fd, mask: self._ready())
        self.is_on = True

    def off(self) -> None:
        if self.is_on:
            self.is_on = False
            self._tk.deletefilehandler(self._fd)

    def close(self) -> None:
        """`off` was all."""


class SocketNotifier:
    """A notifier where Tcl has no file handlers: it reads from a connection of its own, on the local host."""

    def __init__(self, tk: Any, arrived: Callable[[], object]) -> None:
        self._tk = tk
        self._name = f"asyncguest_notifier_{id(self)}"
        self._channel = ""
        self.is_on = False
        tk.createcommand(f"{self._name}_accept", self._accept)
        tk.createcommand(f"{self._name}_arrived", arrived)
        self._server = tk.call("socket", "-server", f"{self._name}_accept", "-myaddr", "127.0.0.1", 0)
        port = tk.splitlist(tk.call("fconfigure", self._server, "-sockname"))[2]
        self._socket = socket.create_connection(("127.0.0.1", int(port)))
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _accept(self, channel: str, host: str, port: str) -> None:
        if (host, int(port)) != self._socket.getsockname():
            self._tk.call("close", channel)  # somebody else's
            return
        self._tk.call("close", self._server)
        self._channel, self._server = channel, ""
        self._tk.call("fconfigure", channel, "-blocking", 0, "-translation", "binary")
        if self.is_on:
            self.on()

    def on(self) -> None:
        self.is_on = True
        if self._channel:
            self._tk.call("fileevent", self._channel, "readable", f"{self._name}_arrived")

    def off(self) -> None:
        self.is_on = False
        if self._channel:
            self._tk.call("fileevent", self._channel, "readable", "")

    def notify(self) -> None:
        try:
            self._socket.send(b"\0")
        except BlockingIOError:
            pass  # it is full of them

    def taken(self) -> None:
        self._tk.call("read", self._channel)

    def close(self) -> None:
        self._socket.close()
        for channel in (self._channel, self._server):
            if channel:
                self._tk.call("close", channel)
        for command in ("accept", "arrived"):
            self._tk.deletecommand(f"{self._name}_{command}")
