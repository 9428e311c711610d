"""prompt_toolkit on stage, on a terminal that is a pipe: a full-screen application, and a prompt with an input hook."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import stages


class PromptToolkit(stages.Stage):
    """A full-screen application in which something moves, in a program of asyncio."""

    name = "prompt_toolkit"
    inside = True
    ctrl_c = False
    imports = ("prompt_toolkit.shortcuts", "asyncguest.hosts.asyncio")

    def __init__(self, drive: str) -> None:
        import prompt_toolkit
        from prompt_toolkit.key_binding import KeyBindings

        super().__init__(drive)
        self.toolkit = prompt_toolkit
        self.bindings = KeyBindings()
        self.handler: Callable[[], object] = bool
        self.bindings.add("x")(lambda event: self.handler())
        self.early: list[tuple[float, Callable[[], object]]] = [(0, self.paint)]

    @contextmanager
    def terminal(self, output: Any = None) -> Iterator[None]:
        from prompt_toolkit.application import create_app_session
        from prompt_toolkit.input import create_pipe_input
        from prompt_toolkit.output import DummyOutput

        with create_pipe_input() as self.keys, create_app_session(self.keys, output or DummyOutput()):
            yield

    def version(self) -> str:
        return f"prompt_toolkit {self.toolkit.__version__}"

    def paint(self) -> None:
        self.application.invalidate()
        self.tick()

    def tick(self) -> None:
        if self.frame():
            self.later(1 / 60, self.paint)

    def run(self, first: Callable[[], object] | None = None) -> None:
        asyncio.run(self.program(first))
        self.forget()

    async def program(self, first: Callable[[], object] | None) -> None:
        from asyncguest.hosts.asyncio import AsyncioHost
        from prompt_toolkit.layout import FormattedTextControl, Layout, Window

        bar = FormattedTextControl(lambda: self.text + "\n" + " " * int(60 * self.at) + "#")
        with self.terminal():
            self.application: Any = self.toolkit.Application(Layout(Window(bar)), key_bindings=self.bindings)
            self.host = AsyncioHost(drive=self.drive)
            if first is not None:
                first()
            await self.application.run_async(pre_run=self.begin, set_exception_handler=False)

    def forget(self) -> None:
        # It keeps the traceback of its last timeout, and so the frames of whoever has called it, until a key comes.
        self.application.key_processor._flush_wait_task = None

    def begin(self) -> None:
        """The application's loop runs."""
        while self.early:
            self.application.loop.call_later(*self.early.pop(0))

    def quit(self) -> None:
        if self.application.future is None:
            self.later(0, self.quit)  # it has not begun yet, and refuses
        else:
            self.application.exit()

    def click(self, function: Callable[[], object]) -> None:
        self.handler = function
        self.keys.send_text("x")

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        self.early.append((seconds, function))
        if self.application.loop is not None:
            self.begin()


class Prompt(PromptToolkit):
    """A prompt that waits for its line. Nothing moves there: what stands for frames are timers of its loop."""

    name = "prompt"
    variant = True
    inside = False
    is_found = False
    imports = ("prompt_toolkit.shortcuts", "asyncguest.hosts.prompt_toolkit")

    def __init__(self, drive: str) -> None:
        from asyncguest.hosts.prompt_toolkit import PromptToolkitHost
        from prompt_toolkit.shortcuts import PromptSession

        super().__init__(drive)
        self.opened = ExitStack()
        self.opened.enter_context(self.terminal())
        self.application = PromptSession("> ", key_bindings=self.bindings).app
        self.host = PromptToolkitHost(drive)

    def begin(self) -> None:
        self.loop = self.application.loop
        super().begin()

    def paint(self) -> None:
        self.tick()

    def run(self, first: object = None) -> None:
        try:
            self.host.run(self.application, pre_run=self.begin, set_exception_handler=False)
        except SystemExit:
            self.loop.close()  # prompt_toolkit leaves it open
            raise
        self.forget()

    def destroy(self) -> None:
        self.opened.close()
