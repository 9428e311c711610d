"""A page in CEF, fed by asyncio, with one thread for both: how late does asyncio come while Chromium paints?

asyncio is the guest of the Chromium Embedded Framework's main loop. It serves the page, and twenty times a second an event
for it; Chromium's other processes fetch both over a socket, as from any server. Everything here is called on the thread of
that loop, CEF's "UI thread", but `CefHost.post`.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import asyncguest

PAGE = Path(__file__).with_name("page.html")
capi: Any = import_module("cef_capi")  # ctypes: nothing of it has a type
app_client: Any = import_module("cef_capi.app_client")
cef: Any = capi.header


class CefHost(asyncguest.Host):
    """The loop of `cef_run_message_loop`. Any thread may post a task to it."""

    name = "CEF"

    def post(self, job: Callable[[], object]) -> None:
        def execute() -> None:
            job()

        if not cef.cef_post_task(cef.TID_UI, capi.task_factory(execute)()):
            raise RuntimeError("CEF takes no task: it is not initialised, or has been shut down")


def run(first: Callable[[], object]) -> None:
    """Initialises CEF, calls `first()`, and runs its loop until `cef_quit_message_loop`. Once per process."""
    settings, arguments = app_client.settings_main_args_ctor()
    settings.no_sandbox = (
        1  # its helper is set-user-ID root, which a wheel cannot bring; here only a page of ours is shown
    )
    settings.disable_signal_handlers = 1  # Ctrl-C is Python's, and the guest's
    settings.log_severity = cef.LOGSEVERITY_ERROR
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        capi.cef_string_ctor(profile, settings.root_cache_path)
        if not cef.cef_initialize(arguments, settings, app_client.app_ctor(disable_gpu=True), None):
            raise RuntimeError("CEF does not start: it has said why on stderr")
        try:
            first()
            cef.cef_run_message_loop()
        finally:
            cef.cef_shutdown()


class Window:
    """A window of CEF's own with one page in it. `closed` is set when it is gone, whoever closed it."""

    def __init__(self, url: str, title: str, width: int, height: int) -> None:
        self.closed = asyncio.Event()
        client = capi.base_ctor(capi.struct.cef_client_t)
        capi.handler(client)(self.get_life_span_handler)
        info = capi.struct.cef_window_info_t()
        info.window_name = capi.cef_string_ctor(title)
        info.bounds.width, info.bounds.height = width, height
        info.runtime_style = cef.CEF_RUNTIME_STYLE_ALLOY
        settings = capi.size_ctor(capi.struct.cef_browser_settings_t)
        address = capi.cef_string_ctor(url)
        self._browser = cef.cef_browser_host_create_browser_sync(info, client, address, settings, None, None)
        if not self._browser:
            raise RuntimeError("CEF makes no window")

    def get_life_span_handler(self) -> Any:
        life_span = capi.base_ctor(capi.struct.cef_life_span_handler_t)
        capi.handler(life_span)(self.on_before_close)
        return life_span

    def on_before_close(self, browser: Any) -> None:
        self.closed.set()  # a handler of the host calls asyncio as it is: both live on this thread

    def close(self) -> None:
        if not self.closed.is_set():
            host = self._browser.contents.get_host(self._browser)
            host = ctypes.cast(host, ctypes.POINTER(capi.struct.cef_browser_host_t))
            host.contents.close_browser(host, 1)


async def events(writer: asyncio.StreamWriter) -> None:
    """Measures `asyncio.sleep`, for as long as the page is there."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 0.05
        await asyncio.sleep(0.05)
        sample = {"late": (loop.time() - due) * 1000, "on_ui_thread": bool(cef.cef_currently_on(cef.TID_UI))}
        writer.write(b"data: %s\n\n" % json.dumps(sample).encode())
        await writer.drain()


async def main() -> None:
    """Ends when the window is closed, by the user or by the page's button; cancelled, it closes the window itself."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            request = await reader.readuntil(b"\r\n\r\n")
            streams = request.startswith(b"GET /events ")
            kind = b"text/event-stream" if streams else b"text/html; charset=utf-8"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nConnection: close\r\n\r\n" % kind)
            if streams:
                await events(writer)
            elif request.startswith(b"POST /close "):
                window.close()
            else:
                writer.write(PAGE.read_bytes())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    window = Window(f"http://127.0.0.1:{port}/", "asyncio in CEF", 640, 400)
    try:
        await window.closed.wait()
    finally:
        window.close()
        await window.closed.wait()
        server.close()


guest = asyncguest.Guest(CefHost(), done_callback=lambda task: cef.cef_quit_message_loop())
run(lambda: guest.start(main))
if guest.interrupted_count:
    print("Ctrl-C")
else:
    guest.task.result()
    print("closed")
