"""anyio in a Tk window: it runs on Trio, and Trio is a guest of Tk. Two downloads, each with its bar, and a button for each.

The server lives in the same guest, so that the program needs no network.
"""

from __future__ import annotations

import tkinter
from contextlib import suppress
from tkinter import ttk

import anyio
from anyio.abc import SocketAttribute, SocketStream
from asyncguest.guests.trio import GuestCancelled, start

SIZE = 2_000_000


async def serve(client: SocketStream) -> None:
    with suppress(anyio.BrokenResourceError):  # the client has gone
        async with client:
            for _ in range(20):
                await client.send(bytes(SIZE // 20))
                await anyio.sleep(0.02)


async def download(root: tkinter.Tk, port: int) -> None:
    bar = ttk.Progressbar(root, length=300, maximum=SIZE)
    bar.pack(padx=20, pady=5)
    with anyio.CancelScope() as scope:
        ttk.Button(root, text="Cancel", command=scope.cancel).pack()
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            async for chunk in stream:
                bar["value"] += len(chunk)
    print("cancelled" if scope.cancelled_caught else f"received {bar['value']:.0f}")


async def main(root: tkinter.Tk) -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as server:
        server.start_soon(listener.serve, serve)
        async with anyio.create_task_group() as downloads:
            for _ in range(2):
                downloads.start_soon(download, root, listener.extra(SocketAttribute.local_port))
        server.cancel_scope.cancel()


root = tkinter.Tk()
guest = start(main, root, done_callback=lambda outcome: root.destroy())
root.protocol("WM_DELETE_WINDOW", guest.cancel)
root.mainloop()
try:
    guest.outcome.unwrap()
except GuestCancelled:
    print("the window was closed before")
