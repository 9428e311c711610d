"""GLib, GTK 3 and GTK 4 on stage, by PyGObject."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable
from typing import Any

import extra_glib
import kits
import stages
import xclick
from extra_gtk_events import EVENTS


def repository(**versions: str) -> Any:
    """`gi.repository`, with these versions of its modules."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # Debian's PyGObject comes from a time before Python 3.11
        import gi
        from gi import repository

        for name, version in versions.items():
            gi.require_version(name, version)
        from gi.repository import Gio, GLib  # noqa: F401

        if versions:
            from gi.repository import Gdk, Gtk  # noqa: F401
    return repository


def closes(loop: Any) -> Callable[[object], bool]:
    """A handler that ends a nested loop."""

    def close(_: object = None) -> bool:
        loop.quit()
        return False

    return close


class GLibStage(stages.Stage):
    """A GLib.MainLoop without a window."""

    name = "glib"
    python = "system"
    extra = extra_glib.LOOP
    #: For `repository`.
    versions: dict[str, str] = {}

    def __init__(self, drive: str) -> None:
        super().__init__(drive)
        self.gi = repository(**self.versions)
        self.glib = self.gi.GLib
        self.set_up()
        self.host = self.make_host(drive)

    def set_up(self) -> None:
        self.loop = self.glib.MainLoop()

    def make_host(self, drive: str, **options: Any) -> Any:
        from asyncguest.hosts.glib import GLibHost

        return GLibHost(drive=drive, **options)

    def version(self) -> str:
        glib, pygobject = self.glib, importlib.import_module("gi").__version__
        return f"GLib {glib.MAJOR_VERSION}.{glib.MINOR_VERSION}.{glib.MICRO_VERSION}, PyGObject {pygobject}"

    def run(self, first: object = None) -> None:
        self.host.run(self.loop)

    def quit(self) -> None:
        self.loop.quit()

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        self.glib.timeout_add(round(seconds * 1000), lambda: function() and False)

    def dialog(self, seconds: float) -> None:
        loop = self.glib.MainLoop()
        self.glib.timeout_add(round(seconds * 1000), closes(loop))
        loop.run()


class Gtk3(GLibStage):
    """A window of GTK 3, and Gtk.main."""

    name = "gtk3"
    variant = True  # of GTK 4: the adapter is GLib's
    kit: Any = kits.Gtk3
    versions = {"Gtk": "3.0", "Gdk": "3.0"}
    extra = extra_glib.GTK3

    def set_up(self) -> None:
        self.gtk = gtk = self.gi.Gtk
        self.window = gtk.Window(title="asyncguest")
        self.window.connect("destroy", lambda _: gtk.main_level() and gtk.main_quit())
        self.fill(self.window.add, lambda box, widget: box.pack_start(widget, True, True, 0))
        self.window.show_all()
        while not self.window.get_window().is_visible() or gtk.events_pending():
            gtk.main_iteration()

    def fill(self, put: Callable[[Any], object], pack: Callable[[Any, Any], object]) -> None:
        """The window: a text, a button, and a bar that moves."""
        gtk = self.gtk
        self.window.set_default_size(300, 120)
        self.label, self.bar, self.button = gtk.Label(label=self.text), gtk.ProgressBar(), gtk.Button(label="Click")
        box = gtk.Box(orientation=gtk.Orientation.VERTICAL)
        for widget in (self.label, self.bar, self.button):
            pack(box, widget)
        put(box)
        self.button.connect("clicked", lambda _: self.clicked())
        self.clicked: Callable[[], object] = lambda: None
        self.window.add_tick_callback(self.paint)

    def paint(self, widget: object, clock: object) -> bool:
        """GTK's frame clock is about to paint."""
        goes_on = self.frame()
        self.label.set_text(self.text)
        self.bar.set_fraction(self.at)
        return goes_on

    def version(self) -> str:
        gtk = self.gtk
        version = ".".join(str(getattr(gtk, f"get_{part}_version")()) for part in ("major", "minor", "micro"))
        return f"GTK {version}, {super().version()}"

    def run(self, first: object = None) -> None:
        self.host.run(self.gtk)

    def quit(self) -> None:
        self.gtk.main_quit()

    def close_window(self) -> None:
        self.window.close()  # queues the event

    def click(self, function: Callable[[], object]) -> None:
        self.clicked = function
        place = self.button.get_allocation()
        xclick.click(place.x + place.width // 2, place.y + place.height // 2)

    def dialog(self, seconds: float) -> None:
        gtk = self.gtk
        dialog = gtk.Dialog(title="dialog", transient_for=self.window, modal=True)
        dialog.add_button("OK", gtk.ResponseType.OK)
        self.later(seconds, lambda: dialog.response(gtk.ResponseType.OK))
        assert dialog.run() == gtk.ResponseType.OK
        dialog.destroy()

    def destroy(self) -> None:
        self.window.destroy()


class Gtk4(Gtk3):
    """A window of GTK 4, and a GLib.MainLoop."""

    name = "gtk4"
    variant = False
    kit = kits.Gtk4
    versions = {"Gtk": "4.0", "Gdk": "4.0"}
    extra = EVENTS

    def set_up(self) -> None:
        os.environ.setdefault("GSK_RENDERER", "cairo")  # there is no GPU in a test
        self.gtk = self.gi.Gtk
        self.loop = self.glib.MainLoop()
        self.window = self.make_window()
        self.fill(self.window.set_child, lambda box, widget: box.append(widget))
        self.window.present()
        while not self.frames:
            self.glib.MainContext.default().iteration(True)

    def make_window(self) -> Any:
        window = self.gtk.Window(title="asyncguest")
        window.connect("close-request", closes(self.loop))
        return window

    def run(self, first: object = None) -> None:
        self.host.run(self.loop)

    def quit(self) -> None:
        self.loop.quit()

    def close_window(self) -> None:
        self.later(0, self.window.close)

    def click(self, function: Callable[[], object]) -> None:
        self.clicked = function
        x, y = self.button.translate_coordinates(self.window, 10, 10)[-2:]
        xclick.click(round(x), round(y))

    def dialog(self, seconds: float) -> None:
        loop = self.glib.MainLoop()
        dialog = self.gtk.Window(title="dialog", transient_for=self.window, modal=True)
        dialog.connect("close-request", closes(loop))
        dialog.present()
        self.later(seconds, dialog.close)
        loop.run()


class Gtk4Application(Gtk4):
    """The same window in a Gtk.Application, whose end is told."""

    name = "gtk4-application"
    variant = True
    drives = ("fd",)
    again = False  # GApplication runs once
    extra = extra_glib.APPLICATION

    def make_window(self) -> Any:
        flags = self.gi.Gio.ApplicationFlags.NON_UNIQUE
        self.application = self.gtk.Application(application_id="org.example.asyncguest", flags=flags)
        self.application.register(None)
        self.application.connect("activate", lambda _: None)
        return self.gtk.ApplicationWindow(application=self.application)

    def make_host(self, drive: str, **options: Any) -> Any:
        return super().make_host(drive, application=self.application)

    def run(self, first: object = None) -> None:
        self.host.run(self.application)

    def quit(self) -> None:
        self.application.quit()
