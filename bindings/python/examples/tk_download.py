"""Downloads in a Tk window: several at once, each with its bar, and a button that cancels them.

The server lives in the same guest, so that the program needs no network.
"""

from __future__ import annotations

import asyncio
import tkinter
from contextlib import suppress
from tkinter import ttk

import asyncguest
from asyncguest.hosts.tk import TkHost

SIZE = 2_000_000


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.CancelledError):  # the client has gone, or the run ends
        for _ in range(20):
            writer.write(bytes(SIZE // 20))
            await writer.drain()
            await asyncio.sleep(0.05)
    writer.close()


async def download(bar: ttk.Progressbar, port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        received = 0
        while chunk := await reader.read(65536):
            received += len(chunk)
            bar["value"] = 100 * received / SIZE
        return received
    finally:
        writer.close()


async def main(root: tkinter.Tk) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bars = [ttk.Progressbar(root, length=300) for _ in range(3)]
    downloads = asyncio.gather(*(download(bar, port) for bar in bars), return_exceptions=True)
    cancel = ttk.Button(root, text="Cancel", command=downloads.cancel)
    for widget in (*bars, cancel):
        widget.pack(padx=20, pady=5)
    try:
        print("received", await downloads)
    except asyncio.CancelledError:
        print("cancelled")
    server.close()


root = tkinter.Tk()
guest = asyncguest.Guest(TkHost(root), done_callback=lambda task: root.destroy())
guest.start(main, root)
root.protocol("WM_DELETE_WINDOW", guest.cancel)
root.mainloop()
