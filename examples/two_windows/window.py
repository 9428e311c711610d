"""One window, one download, written in two ways: in the button's handler, and in a task of a guest.

    python window.py URL            urlopen() in the handler: the window stands still until the file is there
    python window.py URL --guest    await in a task of asyncio, a guest of Qt's loop
    ... --alone                     presses its button itself, and ends after the download

What is drawn and what the dialog does is the same. `record.py` films both, side by side. The window says in the end how long
it stood still, and stdout how many frames it painted meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import urllib.parse
import urllib.request
from time import monotonic

import asyncguest
from PyQt6.QtCore import QPointF, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QApplication, QDialog, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

PIECE = 1 << 16
MIB = 1 << 20


class Chart(QWidget):
    """A curve that is painted 60 times a second, if the window lives; and the longest pause between two frames."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(110)
        self._timer = QTimer(self, interval=16, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.update)
        self._timer.start()
        self.begin()

    def begin(self) -> None:
        """Counts anew."""
        self.frames, self.longest_gap, self._last = 0, 0.0, monotonic()

    def paintEvent(self, event: QPaintEvent) -> None:
        now = monotonic()
        self.frames += 1
        self.longest_gap, self._last = max(self.longest_gap, now - self._last), now
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(24, 28, 36))
        points = []
        for x in range(0, self.width() + 4, 4):
            t = now + x / 160
            points.append(QPointF(x, self.height() * (0.5 - 0.4 * math.sin(3 * t) * math.cos(1.1 * t))))
        painter.setPen(QPen(QColor(46, 194, 126), 2))
        painter.drawPolyline(QPolygonF(points))


class Window(QWidget):
    """The window. `guest`: it downloads in a task; else in the handler of its button."""

    ended = pyqtSignal()

    def __init__(self, url: str, guest: bool) -> None:
        super().__init__()
        self.url = url
        self.setFixedWidth(400)
        self.setWindowTitle("asyncio, a guest of Qt" if guest else "Download in the button's handler")
        self.chart, self.bar = Chart(), QProgressBar(maximum=1000, textVisible=False)
        self.status = QLabel("Nothing downloaded yet")
        self.button = QPushButton("Download")
        layout = QVBoxLayout(self)
        code = "data = await reader.read()" if guest else "data = urlopen(url).read()"
        for widget in (QLabel(f"<h3><code>{code}</code></h3>"), self.chart, self.status, self.bar, self.button):
            layout.addWidget(widget)
        self.dialog = QDialog(self, windowTitle="Please wait")
        self.dialog.resize(230, 0)
        inside = QVBoxLayout(self.dialog)
        inside.addWidget(QLabel("The file is on its way."))
        hide = QPushButton("Hide this")
        hide.clicked.connect(self.dialog.accept)
        inside.addWidget(hide)
        self.button.clicked.connect(asyncguest.slot(self.fetch, busy="drop") if guest else self.begin_to_block)

    def begin_to_block(self) -> None:
        """Shows the dialog, and has it painted before the window stands still."""
        self.dialog.open()
        QTimer.singleShot(250, self.block)

    def block(self) -> None:
        """The download in a handler: nothing is painted and no click is heard before it is over."""
        self.begin()
        try:
            with urllib.request.urlopen(self.url) as response:
                self.total = int(response.headers["Content-Length"])
                self.arrived(response.read())
        finally:
            self.end()

    async def fetch(self) -> None:
        """The same as a coroutine."""
        self.dialog.open()
        self.begin()
        at = urllib.parse.urlsplit(self.url)
        try:
            reader, writer = await asyncio.open_connection(at.hostname, at.port)
            writer.write(f"GET {at.path}?{at.query} HTTP/1.1\r\nHost: {at.hostname}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.total = int(head.split("Content-Length:")[1].split()[0])
            while piece := await reader.read(PIECE):
                self.arrived(piece)
            writer.close()
        finally:
            self.end()

    def begin(self) -> None:
        """Nothing is here yet."""
        self.received = self.total = self.frames = 0
        self.chart.begin()

    def arrived(self, piece: bytes) -> None:
        """Shows how far it is."""
        self.received += len(piece)
        self.frames = self.chart.frames  # now: the bar paints at once, and with it all that waits to be painted
        self.bar.setValue(1000 * self.received // self.total)
        self.status.setText(f"{self.received / MIB:.1f} of {self.total / MIB:.1f} MiB")

    def end(self) -> None:
        """The last piece is here, or none will come."""
        print(f"{self.received} bytes, {self.frames} frames painted meanwhile", flush=True)
        self.dialog.accept()
        QTimer.singleShot(100, self.tell)

    def tell(self) -> None:
        """A frame more has been painted, so that the pause before it counts."""
        gap = self.chart.longest_gap
        stood = f"{gap:.1f} s" if gap >= 1 else f"{1000 * gap:.0f} ms"
        self.status.setText(f"{self.received / MIB:.1f} MiB · the longest this window stood still: <b>{stood}</b>")
        self.ended.emit()


def show(options: argparse.Namespace) -> Window:
    """Makes the window that was asked for."""
    window = Window(options.url, options.guest)
    window.show()
    if options.alone:
        window.ended.connect(window.close)
        QTimer.singleShot(0, window.button.click)
    return window


async def main(options: argparse.Namespace) -> None:
    """A guest that lives as long as its window."""
    window = show(options)
    await asyncguest.event(app.lastWindowClosed)
    del window


parser = argparse.ArgumentParser()
parser.add_argument("url", metavar="URL")
parser.add_argument("--guest", action="store_true")
parser.add_argument("--alone", action="store_true")
options = parser.parse_args()
app = QApplication([])
app.setStyle("Fusion")
if options.guest:
    asyncguest.start(main, options)
else:
    window = show(options)
app.exec()
