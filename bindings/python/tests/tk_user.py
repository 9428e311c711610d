"""Somebody who sits before a tkinter program: presses every button once, answers dialogs, then closes the window.

    python tk_user.py PROGRAM.py

So that the programs of the documentation end by themselves, in the way in which their users end them.
"""

from __future__ import annotations

import runpy
import sys
import tkinter

MESSAGE_BOX = ".__tk__messagebox"
PAUSE = 60  # milliseconds between two acts: the program does something meanwhile
IDLE = (
    10  # that many times in a row there was nothing to do: the program waits to be closed, however slow the machine is
)


class User:
    """The user of one window."""

    def __init__(self, root: tkinter.Tk) -> None:
        self.root = root
        self.pressed: set[str] = set()
        self.acts_before_dialog = 0
        self.idle = 0
        root.after(PAUSE, self.act)

    def act(self) -> None:
        # First: pressing a button may open a dialog, and comes back when that is closed.
        again = self.root.after(PAUSE, self.act)
        self.idle = 0 if self.answer_dialog() or self.press_button() else self.idle + 1
        if self.idle == IDLE:
            self.root.after_cancel(again)
            self.close()

    def answer_dialog(self) -> bool:
        """Reads a message box for a while and answers it. They are Tcl's own windows: tkinter does not know them."""
        for button in (f"{MESSAGE_BOX}.ok", f"{MESSAGE_BOX}.yes"):
            if self.root.tk.getboolean(self.root.tk.call("winfo", "exists", button)):
                self.acts_before_dialog += 1
                if self.acts_before_dialog > 5:
                    self.acts_before_dialog = 0
                    self.root.tk.call(button, "invoke")
                return True
        return False

    def press_button(self) -> bool:
        for path in self.buttons("."):
            if path not in self.pressed:
                self.pressed.add(path)
                self.root.tk.call(path, "invoke")
                return True
        return False

    def buttons(self, path: str) -> list[str]:
        """The buttons below a window that can be pressed."""
        tk, found = self.root.tk, []
        for child in tk.splitlist(tk.call("winfo", "children", path)):
            if tk.call("winfo", "class", child) in ("Button", "TButton") and "disabled" not in str(
                tk.call(child, "cget", "-state")
            ):
                found.append(child)
            found += self.buttons(child)
        return found

    def close(self) -> None:
        """As the window manager does it."""
        handler = self.root.protocol("WM_DELETE_WINDOW")
        if handler:
            self.root.tk.eval(handler)
        else:
            self.root.destroy()


def watched(self: tkinter.Tk, *args: object, **options: object) -> None:
    _init(self, *args, **options)  # type: ignore[arg-type]
    User(self)


_init = tkinter.Tk.__init__

if __name__ == "__main__":
    tkinter.Tk.__init__ = watched  # type: ignore[assignment,method-assign]
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
