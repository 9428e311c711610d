"""Adapters: one module for each main loop that a guest can live in.

Windows: `tk` (tkinter), `qt` (PySide6, PyQt6, PyQt5), `glib` (GTK 3 and 4), `wx` (wxPython), `webview` (pywebview).
Games and tools: `sdl` (pygame), `pyglet`, `glfw`, `kivy`, `imgui` (imgui-bundle), and `frames` for a loop of your own, which
draws all the time or waits for fds. Programs that are asynchronous themselves: `asyncio`, `tornado`, `trio`. Terminals:
`prompt_toolkit`, `ipython`, `urwid`. The system's own loops: `win32`, `cfrunloop`. A plain thread with a queue: `queue`.

`asyncguest.start` finds the one that is there. Each module imports its toolkit, so import just the one you need.
`chaos` makes any of them fail on purpose, for tests. For any other loop derive from `asyncguest.Host` and let
`asyncguest.hostcheck` look at it.
"""
