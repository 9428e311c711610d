"""The toolkits that need no adapter, or one that they cannot be asked for: what a program writes for them.

Owns: the table that `asyncguest.start` names in its error. Any thread; nothing is asked of the toolkits.
"""

from __future__ import annotations

from typing import NamedTuple


class Recipe(NamedTuple):
    label: str
    #: The module in `sys.modules` that shows that the program has imported it.
    shown_by: str
    #: What to write.
    advice: str
    #: The page in docs/hosts.
    page: str

    def __str__(self) -> str:
        return f"{self.label} is imported: {self.advice} (docs/hosts/{self.page}.md)"


_PER_FRAME = "give host=asyncguest.hosts.frames.FramesHost() and call its step() "

RECIPES = (
    Recipe(
        "matplotlib",
        "matplotlib.pyplot",
        "its windows are those of Tk, Qt, GTK or wx, which is found when the first figure is made",
        "matplotlib",
    ),
    Recipe("OpenCV", "cv2", _PER_FRAME + "between two calls of cv2.waitKey()", "opencv"),
    Recipe(
        "Textual", "textual.app", "call start() while the app runs, as in its on_mount: asyncio is found", "textual"
    ),
    Recipe(
        "prompt_toolkit",
        "prompt_toolkit.application",
        "give host=asyncguest.hosts.prompt_toolkit.PromptToolkitHost(), and its inputhook to the prompt",
        "prompt-toolkit",
    ),
    Recipe("urwid", "urwid", "give host=asyncguest.hosts.urwid.UrwidHost(main_loop)", "urwid"),
    Recipe("curses", "curses", "give host=asyncguest.hosts.frames.FramesHost() and wait in its sleep()", "curses"),
    Recipe("VTK", "vtkmodules.vtkRenderingCore", _PER_FRAME + "in a repeating timer of the interactor", "vtk"),
    Recipe(
        "pystray",
        "pystray",
        "its icon has a thread of its own: start the guest in the main loop beside it, or in asyncguest.run(...)",
        "pystray",
    ),
    Recipe("Panda3D", "direct.showbase.ShowBase", _PER_FRAME + "in a task of its task manager", "panda3d"),
    Recipe("DearPyGui", "dearpygui.dearpygui", _PER_FRAME + "once per frame", "dearpygui"),
    Recipe(
        "rendercanvas", "rendercanvas", "call start() while its loop runs: what it stands on is found", "rendercanvas"
    ),
    Recipe("raylib", "raylib", _PER_FRAME + "once per frame", "raylib"),
    Recipe("Slint", "slint", "call start() while its loop runs: asyncio is found", "slint"),
    Recipe(
        "webview_python",
        "webview.webview",
        "it is not pywebview, and its run() is that of the system's main loop: on Linux import GLib from gi.repository "
        "and give host=asyncguest.hosts.glib.GLibHost()",
        "webview-python",
    ),
)
