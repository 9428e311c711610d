"""Qt on stage, by each of its bindings, on both of its dispatchers: GLib's loop and its own."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any, ClassVar

import kits
import stages
from extra_qt import EXTRA
from extra_qt_ends import ENDS
from extra_qt_events import EVENTS


class Qt(stages.Stage):
    """A window with a label, a button, and a widget in which a bar moves."""

    extra = EXTRA | ENDS | EVENTS
    kit = kits.Qt
    forks = False
    binding: ClassVar[str]
    #: Of the environment, before the application is made.
    surroundings: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls) -> None:
        cls.imports = (f"{cls.binding}.QtWidgets", "asyncguest.hosts.qt")

    def __init__(self, drive: str) -> None:
        from asyncguest.hosts.qt import QtHost

        super().__init__(drive)
        os.environ.update(self.surroundings)
        for name in ("QtCore", "QtGui", "QtWidgets"):
            setattr(self, name, importlib.import_module(f"{self.binding}.{name}"))
        QtCore, QtWidgets = self.QtCore, self.QtWidgets
        self.app = QtWidgets.QApplication(["stage"])
        self.window = QtWidgets.QWidget()
        self.window.resize(360, 120)
        layout = QtWidgets.QVBoxLayout(self.window)
        self.label, self.button = QtWidgets.QLabel(self.text), QtWidgets.QPushButton("Click")
        self.clicked: Callable[[], object] = bool
        self.button.clicked.connect(lambda *_: self.clicked())
        self.bar = self.make_bar()
        for widget in (self.label, self.button, self.bar):
            layout.addWidget(widget)
        self.window.show()
        self.timer = QtCore.QTimer(self.window)
        self.timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(lambda: self.bar.update())
        self.timer.start(16)
        self.host = QtHost(self.app, drive)

    def make_bar(self) -> Any:
        stage = self

        class Bar(self.QtWidgets.QWidget):  # type: ignore[misc, name-defined]
            def paintEvent(self, event: object) -> None:
                if not stage.frame():
                    stage.timer.stop()
                stage.label.setText(stage.text)
                painter = stage.QtGui.QPainter(self)
                painter.fillRect(self.rect(), stage.QtGui.QColor("white"))
                painter.fillRect(int(300 * stage.at), 4, 40, 24, stage.QtGui.QColor("navy"))
                painter.end()

        bar = Bar()
        bar.setMinimumHeight(32)
        return bar

    def version(self) -> str:
        binding = importlib.import_module(self.binding)
        number = getattr(binding, "__version__", None) or self.QtCore.PYQT_VERSION_STR
        return f"{self.binding} {number} / Qt {self.QtCore.qVersion()}"

    def run(self, first: object = None) -> None:
        self.host.exec()

    def quit(self) -> None:
        self.app.quit()

    def close_window(self) -> None:
        self.QtCore.QTimer.singleShot(0, self.window.close)  # which sends the event of a click on the X

    def click(self, function: Callable[[], object]) -> None:
        QtCore, QtGui = self.QtCore, self.QtGui
        self.clicked = function
        for kind in (QtCore.QEvent.Type.KeyPress, QtCore.QEvent.Type.KeyRelease):
            none = QtCore.Qt.KeyboardModifier.NoModifier
            event = QtGui.QKeyEvent(kind, QtCore.Qt.Key.Key_Space, none)
            QtCore.QCoreApplication.postEvent(self.button, event)

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        self.QtCore.QTimer.singleShot(round(seconds * 1000), lambda: function() and None)  # a precise one

    def dialog(self, seconds: float) -> None:
        dialog = self.QtWidgets.QDialog(self.window)
        self.later(seconds, dialog.accept)
        dialog.exec() if hasattr(dialog, "exec") else dialog.exec_()
        dialog.deleteLater()

    def destroy(self) -> None:
        self.clicked = bool
        window, self.window = self.window, None
        if window is None:
            return  # the scenario has done it, and on Windows PySide crashes at the second time
        if self.binding.startswith("PyQt"):
            delete = importlib.import_module(f"{self.binding}.sip").delete
            delete(window)
            delete(self.app)
        else:
            importlib.import_module(self.binding.replace("PySide", "shiboken")).delete(window)
            self.app.shutdown()


class PyQt6(Qt):
    name = "qt-pyqt6"
    binding = "PyQt6"


class PySide6(Qt):
    name = "qt-pyside6"
    binding = "PySide6"


class PyQt5(Qt):
    name = "qt-pyqt5"
    variant = True
    binding = "PyQt5"


class PyQt6WithoutGLib(Qt):
    """Qt's own dispatcher, as on systems without GLib."""

    name = "qt-pyqt6-unix"
    variant = True
    drives = ("fd",)
    binding = "PyQt6"
    surroundings = {"QT_NO_GLIB": "1"}
