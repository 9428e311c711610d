"""A modal dialog that a task opens: the clock goes on meanwhile."""

from __future__ import annotations

import asyncio
import tkinter
from datetime import datetime
from tkinter import messagebox, ttk

import asyncguest
from asyncguest.hosts.tk import TkHost


async def show_time(label: ttk.Label) -> None:
    while True:
        label["text"] = f"{datetime.now():%H:%M:%S.%f}"[:-5]
        await asyncio.sleep(0.1)


async def ask(label: ttk.Label) -> None:
    before = label["text"]
    messagebox.showinfo(message="Does the clock stand still?")  # returns when the button is pressed
    print("the clock went on" if label["text"] != before else "the clock stood still")


async def main(root: tkinter.Tk) -> None:
    label = ttk.Label(root, font=("monospace", 24))
    button = ttk.Button(root, text="Ask", command=lambda: guest.start_soon(ask, label))
    for widget in (label, button):
        widget.pack(padx=40, pady=10)
    await show_time(label)


root = tkinter.Tk()
guest = asyncguest.Guest(TkHost(root), done_callback=lambda task: root.destroy())
guest.start(main, root)
root.protocol("WM_DELETE_WINDOW", guest.cancel)
root.mainloop()
