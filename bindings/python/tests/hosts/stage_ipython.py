"""IPython on stage: its terminal shell, on a terminal that is a pipe; and a Jupyter kernel beside it."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from extra_ipython import EXTRA
from stage_prompt_toolkit import PromptToolkit


class IPython(PromptToolkit):
    """The shell, which reads lines and runs them until it is told `exit`. It has no timers of its own."""

    name = "ipython"
    variant = True
    inside = False
    again = False
    #: What a line typed at the prompt calls is no handler of a toolkit: IPython reports SystemExit, and goes on.
    click = None  # type: ignore[assignment]
    later = None  # type: ignore[assignment]
    imports = ("IPython.terminal.interactiveshell", "asyncguest.hosts.ipython")
    extra = EXTRA

    def __init__(self, drive: str) -> None:
        from asyncguest.hosts.ipython import IPythonHost
        from IPython.terminal.interactiveshell import TerminalInteractiveShell
        from prompt_toolkit.output.plain_text import PlainTextOutput
        from traitlets.config import Config

        super().__init__(drive)
        self.opened = ExitStack()
        self.opened.enter_context(self.terminal(PlainTextOutput(sys.stderr)))
        config = Config()
        config.HistoryManager.enabled = False
        config.TerminalInteractiveShell.update(confirm_exit=False, simple_prompt=False)
        self.shell = TerminalInteractiveShell.instance(config=config)
        self.application = self.shell.pt_app.app
        self.host = IPythonHost(self.shell, drive)

    def version(self) -> str:
        import IPython

        return f"IPython {IPython.__version__} / {super().version()}"

    def run(self, first: object = None) -> None:
        self.shell.interact()  # `mainloop` is that and the end, after which there is no second time
        self.forget()

    def quit(self) -> None:
        self.type("exit")

    def type(self, line: str) -> None:
        """As the user's keys do it."""
        self.keys.send_text(line + "\r")

    def destroy(self) -> None:
        self.opened.close()
        type(self.shell).clear_instance()
