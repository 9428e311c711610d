"""wxPython on stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import extra_wx
import kits
import stages
import xclick


class Wx(stages.Stage):
    """A frame with a text, a button, and a panel on which a bar moves."""

    name = "wx"
    kit = kits.Wx
    python = "system"
    extra = extra_wx.ALL
    again = False  # wx allows one wx.App per process
    kept: Any = None

    def __init__(self, drive: str) -> None:
        super().__init__(drive)
        import wx
        from asyncguest.hosts.wx import WxHost

        self.wx = wx
        # hostcheck makes a stage several times in a process, and wx crashes now and then in the second wx.App.
        self.app = wx.GetApp() or wx.App(clearSigInt=False)
        type(self).kept = self.app
        self.frame_window = frame = wx.Frame(None, title="asyncguest", size=(300, 140), pos=(0, 0))
        self.label = wx.StaticText(frame, label=self.text)
        self.button = wx.Button(frame, label="Click")
        self.button.Bind(wx.EVT_BUTTON, lambda event: self.clicked())
        self.clicked: Callable[[], object] = lambda: None
        self.canvas = wx.Panel(frame, size=(280, 40))
        self.canvas.SetBackgroundStyle(wx.BG_STYLE_PAINT)
        self.canvas.Bind(wx.EVT_PAINT, self.paint)
        box = wx.BoxSizer(wx.VERTICAL)
        for widget in (self.label, self.button, self.canvas):
            box.Add(widget, 0, wx.EXPAND | wx.ALL, 4)
        frame.SetSizer(box)
        frame.Layout()
        frame.Show()
        self.dialogs: list[Any] = []
        self.timer = wx.Timer(frame)
        frame.Bind(wx.EVT_TIMER, lambda event: self.canvas.Refresh(), self.timer)
        # On Windows wx crashes in a timer whose owner is gone.
        frame.Bind(wx.EVT_WINDOW_DESTROY, lambda event: (event.Skip(), self.timer.Stop()))
        self.timer.Start(16)
        loop = wx.GUIEventLoop()
        with wx.EventLoopActivator(loop):  # on Windows wx.Yield() does nothing without one
            while not self.frames:
                wx.Yield()
        self.host: Any = WxHost(self.app, drive)

    def version(self) -> str:
        return f"wxPython {self.wx.version().replace(' (phoenix) wxWidgets', ', wxWidgets')}"

    def paint(self, event: Any) -> None:
        if not self.frame():
            self.timer.Stop()
        wx = self.wx
        dc = wx.PaintDC(self.canvas)
        dc.SetBackground(wx.Brush("white"))
        dc.Clear()
        dc.SetBrush(wx.Brush("navy"))
        dc.DrawRectangle(int(240 * self.at), 5, 40, 30)
        if self.label.GetLabel() != self.text:
            self.label.SetLabel(self.text)

    def run(self, first: object = None) -> None:
        self.host.MainLoop()

    def quit(self) -> None:
        self.app.ExitMainLoop()

    def close_window(self) -> None:
        self.wx.PostEvent(self.frame_window, self.wx.CloseEvent(self.wx.wxEVT_CLOSE_WINDOW))

    def click(self, function: Callable[[], object]) -> None:
        self.clicked = function
        xclick.click(*self.button.ClientToScreen((10, 10)))

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        self.wx.CallLater(max(1, round(seconds * 1000)), function)

    def dialog(self, seconds: float) -> None:
        wx = self.wx
        with wx.Dialog(self.frame_window) as dialog:

            def end() -> None:
                others = (window for window in list(wx.GetTopLevelWindows()) if window not in self.dialogs)
                inner = any(isinstance(window, wx.Dialog) and window.IsModal() for window in others)
                if self.dialogs[-1] is dialog and not inner:
                    dialog.EndModal(wx.ID_OK)
                else:
                    self.later(0.01, end)  # wx hangs if they do not end from the inside out

            self.dialogs.append(dialog)
            self.later(seconds, end)
            assert dialog.ShowModal() == wx.ID_OK
            self.dialogs.remove(dialog)

    def destroy(self) -> None:
        if self.frame_window:
            self.frame_window.Destroy()
            loop = self.wx.GUIEventLoop()
            with self.wx.EventLoopActivator(loop):
                loop.ProcessIdle()  # then it goes
        assert not self.frame_window
        self.app = None
