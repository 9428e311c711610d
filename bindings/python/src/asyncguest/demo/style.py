"""How it looks: colours, fonts and ttk styles. Owns the style of the process's Tk. Everything is on Tk's thread."""

from __future__ import annotations

import tkinter
from tkinter import font, ttk

PAGE = "#eef1f6"
CARD = "#ffffff"
LINE = "#d7dde7"
INK = "#1c2536"
FAINT = "#6b778c"
BLUE = "#2f6fed"
GREEN = "#1f9d63"
AMBER = "#d98a00"
RED = "#d23f4b"
VIOLET = "#8a4fd6"
TROUGH = "#e4e9f1"
SHADE = "#fdf1d3"

# Colour of a progress bar, by what is to be said of the download.
BARS = {"running": BLUE, "complete": GREEN, "stalled": AMBER, "cancelled": "#a3adbd", "failed": RED}


def apply(root: tkinter.Tk) -> None:
    """Fonts are in pixels: the layout is the same on every screen, and so is a screenshot."""
    for name, size in (("TkDefaultFont", 13), ("TkTextFont", 13), ("TkCaptionFont", 14)):
        font.nametofont(name, root).configure(size=-size)
    for name, size, weight in (("DemoTitle", 20, "bold"), ("DemoStrong", 13, "bold"), ("DemoSmall", 11, "normal")):
        made = font.Font(root, font.nametofont("TkDefaultFont", root), name=name)
        made.configure(size=-size, weight="bold" if weight == "bold" else "normal")
        made.delete_font = False  # it lives as long as the root, not as long as this object
    root.configure(background=PAGE)
    # The message box is a window of class Dialog: a frame and room, also where no window manager gives it one.
    root.option_add("*Dialog.background", CARD)
    root.option_add("*Dialog.highlightThickness", 1)
    root.option_add("*Dialog.highlightBackground", FAINT)
    root.option_add("*Dialog.msg.font", "DemoStrong")
    root.option_add("*Dialog.dtl.font", "TkDefaultFont")
    style = ttk.Style(root)
    style.theme_use("clam")
    style.configure(".", background=CARD, foreground=INK, font="TkDefaultFont", bordercolor=LINE, focuscolor=LINE)
    style.configure("Page.TFrame", background=PAGE)
    style.configure("Card.TFrame", background=CARD, relief="solid", borderwidth=1, bordercolor=LINE)
    style.configure("TLabel", background=CARD, foreground=INK)
    style.configure("Strong.TLabel", font="DemoStrong")
    style.configure("Faint.TLabel", foreground=FAINT)
    style.configure("Title.TLabel", background=PAGE, font="DemoTitle")
    style.configure("Page.TLabel", background=PAGE, foreground=FAINT)
    style.configure("Status.TLabel", background=PAGE, foreground=FAINT, font="DemoSmall")
    button(style, "TButton", CARD, INK, "#f3f6fb", "#e6ebf4")
    button(style, "Main.TButton", BLUE, "#ffffff", "#4680f2", "#255bc7")
    for name, colour in BARS.items():
        style.configure(
            f"{name}.Horizontal.TProgressbar",
            thickness=9,
            troughcolor=TROUGH,
            background=colour,
            bordercolor=TROUGH,
            lightcolor=colour,
            darkcolor=colour,
        )
        style.configure(f"{name}.TLabel", foreground=colour)
    style.configure("running.TLabel", foreground=FAINT)
    style.configure("cancelled.TLabel", foreground=FAINT)


def button(style: ttk.Style, name: str, back: str, ink: str, over: str, pressed: str) -> None:
    edge = LINE if back == CARD else back
    style.configure(
        name, background=back, foreground=ink, bordercolor=edge, lightcolor=back, darkcolor=back, padding=(12, 4)
    )
    style.map(
        name,
        background=[("disabled", PAGE), ("pressed", pressed), ("active", over)],
        lightcolor=[("disabled", PAGE), ("pressed", pressed), ("active", over)],
        darkcolor=[("disabled", PAGE), ("pressed", pressed), ("active", over)],
        foreground=[("disabled", "#a3adbd")],
    )


def bytes_text(size: float) -> str:
    """12.3 MiB"""
    for unit in ("B", "KiB", "MiB"):
        if size < 1000:
            break
        size /= 1024
    else:
        unit = "GiB"
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def seconds_text(seconds: float) -> str:
    """34 µs, 1.2 ms, 3.4 s"""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"
