"""tkinter on stage."""

from __future__ import annotations

import tkinter
from collections.abc import Callable

import kits
import stages


class Tk(stages.Stage):
    """A window with a label, a button and a canvas in which a bar moves."""

    name = "tk"
    imports = ("tkinter", "asyncguest.hosts.tk")
    kit = kits.Tk

    def __init__(self, drive: str) -> None:
        from asyncguest.hosts.tk import TkHost

        super().__init__(drive)
        self.root = tkinter.Tk()
        self.root.geometry("300x120+0+0")
        self.label = tkinter.Label(self.root, text=self.text)
        self.label.pack()
        self.button = tkinter.Button(self.root, text="Click")
        self.button.pack()
        self.canvas = tkinter.Canvas(self.root, width=280, height=40, background="white")
        self.canvas.pack()
        self.bar = self.canvas.create_rectangle(0, 5, 40, 35, fill="navy")
        self.root.update()  # on the screen, so that it can be clicked
        self.host = TkHost(self.root, drive)
        self.paint()

    def version(self) -> str:
        return f"Tk {self.root.tk.call('info', 'patchlevel')}"

    def paint(self) -> None:
        goes_on = self.frame()
        self.label["text"] = self.text
        self.canvas.moveto(self.bar, int(240 * self.at), 5)
        if goes_on:
            self.timer = self.root.after(16, self.paint)

    def run(self, first: object = None) -> None:
        self.host.mainloop()

    def quit(self) -> None:
        self.root.quit()

    def close_window(self) -> None:
        # What tkinter does when the window manager says WM_DELETE_WINDOW and the program has not asked for it.
        self.root.after_idle(self.root.destroy)

    def click(self, function: Callable[[], object]) -> None:
        self.button["command"] = function
        for event in ("<Enter>", "<ButtonPress-1>", "<ButtonRelease-1>"):
            self.button.event_generate(event, x=5, y=5, when="tail")

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        self.root.after(round(seconds * 1000), function)

    def dialog(self, seconds: float) -> None:
        window = tkinter.Toplevel(self.root)
        window.wait_visibility()
        window.after(round(seconds * 1000), window.destroy)
        before = window.grab_current()  # the dialog below this one
        window.grab_set()
        self.root.wait_window(window)
        if before is not None and before.winfo_exists():
            before.grab_set()

    def destroy(self) -> None:
        try:
            self.root.after_cancel(self.timer)
            self.root.destroy()
        except tkinter.TclError:
            pass  # the scenario has closed it
