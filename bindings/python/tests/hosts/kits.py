"""What the scenarios about a toolkit's events need of it: a widget that can be clicked, a window, a dialog.

Owns: nothing but what it makes in a stage's window. Host thread only.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from asyncguest import SourceGone

__all__ = ["Gtk3", "Gtk4", "Kit", "Qt", "Tk", "Wx"]


class Kit:
    """On a stage."""

    #: What an await of a click gives, by type.
    value: type = type(None)

    def __init__(self, stage: Any) -> None:
        self.stage = stage

    def make_button(self) -> Any:
        """In the stage's window."""
        raise NotImplementedError

    def clicks(self, button: Any) -> tuple[Any, ...]:
        """What `event` takes."""
        raise NotImplementedError

    def click(self, button: Any) -> None:
        """The toolkit emits it, inside of this call."""
        raise NotImplementedError

    def connect(self, button: Any, function: Any) -> None:
        """By the toolkit's own means."""
        raise NotImplementedError

    def destroy(self, widget: Any) -> None:
        """By the toolkit's own means."""
        raise NotImplementedError

    def is_going(self, widget: Any) -> bool:
        """It was destroyed, and the toolkit has still to delete it."""
        return False

    def dead(self) -> tuple[Any, ...]:
        """A source whose sender has been destroyed. Raises RuntimeError if the toolkit itself gives none."""
        button = self.make_button()
        self.destroy(button)
        return self.clicks(button)

    def make_window(self) -> Any:
        """A second one, on the screen."""
        raise NotImplementedError

    def close(self, window: Any) -> None:
        """As its close button."""
        raise NotImplementedError

    def is_open(self, window: Any) -> bool:
        """It has not been closed."""
        raise NotImplementedError

    def is_shown(self, window: Any) -> bool:
        """It is on the screen."""
        return self.is_open(window)

    #: What awaiting the dialog gives when the user has agreed.
    agreed: Any = 1
    #: The same when it is destroyed; SourceGone: it raises that.
    destroyed: Any = SourceGone

    def make_dialog(self) -> Any:
        """Not shown yet."""
        raise NotImplementedError

    def agree(self, dialog: Any) -> None:
        """As its OK button."""
        raise NotImplementedError


class Qt(Kit):
    """Each binding."""

    @property
    def value(self) -> type:  # type: ignore[override]
        return type(None) if self.stage.binding.startswith("PySide") else bool  # clicked() and clicked(bool)

    def make_button(self) -> Any:
        return self.stage.QtWidgets.QPushButton("Button", self.stage.window)

    def clicks(self, button: Any) -> tuple[Any, ...]:
        return (button.clicked,)

    def click(self, button: Any) -> None:
        button.click()

    def connect(self, button: Any, function: Any) -> None:
        button.clicked.connect(function)

    def destroy(self, widget: Any) -> None:
        if self.stage.binding.startswith("PyQt"):
            importlib.import_module(f"{self.stage.binding}.sip").delete(widget)
        else:
            importlib.import_module(self.stage.binding.replace("PySide", "shiboken")).delete(widget)

    def make_window(self) -> Any:
        window = self.stage.QtWidgets.QWidget()
        window.setAttribute(self.stage.QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        window.show()
        return window

    def close(self, window: Any) -> None:
        window.close()

    def is_open(self, window: Any) -> bool:
        try:
            return bool(window.isVisible())
        except RuntimeError:
            return False

    def make_dialog(self) -> Any:
        return self.stage.QtWidgets.QDialog(self.stage.window)

    def agree(self, dialog: Any) -> None:
        dialog.accept()


class Tk(Kit):
    """tkinter."""

    @property
    def value(self) -> type:  # type: ignore[override]
        import tkinter

        return tkinter.Event

    def make_button(self) -> Any:
        import tkinter

        button = tkinter.Button(self.stage.root, text="Button")
        button.place(x=0, y=0)
        self.stage.root.update_idletasks()  # what has no window yet gets no events
        return button

    def clicks(self, button: Any) -> tuple[Any, ...]:
        return button, "<<Click>>"

    def click(self, button: Any) -> None:
        button.event_generate("<<Click>>")

    def connect(self, button: Any, function: Any) -> None:
        button.bind("<<Click>>", lambda _: function() and None, add="+")

    def destroy(self, widget: Any) -> None:
        widget.destroy()

    def make_window(self) -> Any:
        import tkinter

        window = tkinter.Toplevel(self.stage.root)
        window.update_idletasks()
        return window

    def close(self, window: Any) -> None:
        handler = window.protocol("WM_DELETE_WINDOW")
        if handler:
            window.tk.eval(handler)
        else:
            window.destroy()

    def is_open(self, window: Any) -> bool:
        return bool(window.winfo_exists())

    def is_shown(self, window: Any) -> bool:
        return bool(window.winfo_exists() and window.winfo_viewable())

    agreed = "yes"
    destroyed = None

    def make_dialog(self) -> Any:
        import tkinter

        window = tkinter.Toplevel(self.stage.root)
        window.withdraw()
        return window

    def agree(self, dialog: Any) -> None:
        dialog.result = "yes"
        dialog.destroy()


class Gtk3(Kit):
    """PyGObject."""

    @property
    def agreed(self) -> int:  # type: ignore[override]
        return int(self.stage.gtk.ResponseType.OK)

    def make_button(self) -> Any:
        button = self.stage.gtk.Button(label="Button")
        self.stage.window.get_child().pack_start(button, True, True, 0)
        button.show()
        return button

    def clicks(self, button: Any) -> tuple[Any, ...]:
        return button, "clicked"

    def click(self, button: Any) -> None:
        button.emit("clicked")

    def connect(self, button: Any, function: Any) -> None:
        button.connect("clicked", function)

    def destroy(self, widget: Any) -> None:
        widget.destroy()

    def dead(self) -> tuple[Any, ...]:
        window = self.stage.gtk.Window()  # of other widgets it cannot be known
        window.destroy()
        return window, "notify::title"

    def make_window(self) -> Any:
        window = self.stage.gtk.Window(title="second")
        window.show()
        return window

    def close(self, window: Any) -> None:
        window.close()

    def is_open(self, window: Any) -> bool:
        return bool(window.get_visible())

    def make_dialog(self) -> Any:
        return self.stage.gtk.Dialog(title="dialog", transient_for=self.stage.window)

    def agree(self, dialog: Any) -> None:
        dialog.response(self.stage.gtk.ResponseType.OK)


class Gtk4(Gtk3):
    """A widget alone is never destroyed there: its window is."""

    def make_button(self) -> Any:
        window = self.stage.gtk.Window()
        button = self.stage.gtk.Button(label="Button")
        window.set_child(button)
        return button

    def destroy(self, widget: Any) -> None:
        widget.get_root().destroy()


class Wx(Kit):
    """wxPython."""

    @property
    def value(self) -> type:  # type: ignore[override]
        found: type = self.stage.wx.CommandEvent
        return found

    @property
    def agreed(self) -> int:  # type: ignore[override]
        return int(self.stage.wx.ID_OK)

    @property
    def destroyed(self) -> int:  # type: ignore[override]
        return int(self.stage.wx.ID_CANCEL) if sys.platform != "win32" else 0

    def make_button(self) -> Any:
        return self.stage.wx.Button(self.stage.frame_window, label="Button")

    def clicks(self, button: Any) -> tuple[Any, ...]:
        return button, self.stage.wx.EVT_BUTTON

    def click(self, button: Any) -> None:
        event = self.stage.wx.CommandEvent(self.stage.wx.EVT_BUTTON.typeId, button.GetId())
        event.SetEventObject(button)
        button.ProcessEvent(event)

    def connect(self, button: Any, function: Any) -> None:
        button.Bind(self.stage.wx.EVT_BUTTON, lambda event: (event.Skip(), function(event)) and None)

    def destroy(self, widget: Any) -> None:
        widget.Destroy()

    def is_going(self, widget: Any) -> bool:
        return bool(widget)  # wx deletes windows at top level in its next idle moment

    def make_window(self) -> Any:
        window = self.stage.wx.Frame(self.stage.frame_window, title="second")
        window.Show()
        return window

    def close(self, window: Any) -> None:
        window.Close()

    def is_open(self, window: Any) -> bool:
        return bool(window) and not window.IsBeingDeleted() and window.IsShown()

    def make_dialog(self) -> Any:
        return self.stage.wx.Dialog(self.stage.frame_window, title="dialog")

    def is_shown(self, window: Any) -> bool:
        return bool(window) and (window.IsModal() if isinstance(window, self.stage.wx.Dialog) else window.IsShown())

    def agree(self, dialog: Any) -> None:
        dialog.EndModal(self.stage.wx.ID_OK)
