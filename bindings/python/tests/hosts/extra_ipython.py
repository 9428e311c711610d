"""Scenarios of IPython alone: what is typed while a guest lives, and a Jupyter kernel."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import asyncguest
from stages import Run

KERNEL = """
import asyncio, threading, asyncguest
ticks = []
cleaned_up = False
async def main():
    global cleaned_up
    try:
        while True:
            ticks.append(threading.current_thread() is threading.main_thread())
            await asyncio.sleep(0.01)
    finally:
        await asyncio.sleep(0.02)
        cleaned_up = True
guest = asyncguest.start(main)
guest.host.name
"""


def start_finds_the_shell_and_a_second_one_joins(stage: Any) -> None:
    """Typed at the prompt: each line is a cell, and the guest goes on while the next one is awaited."""
    from asyncguest.hosts.ipython import IPythonHost

    seen: dict[str, Any] = {"start": asyncguest.start, "sleep": asyncio.sleep}
    stage.shell.user_ns.update(seen=seen)
    ends = []

    async def main(number: int) -> int:
        await asyncio.sleep(0.05)
        return number

    def done(task: Any) -> None:
        ends.append(task.result())
        if len(ends) == 2:
            seen["gui"] = stage.shell.active_eventloop
            stage.quit()

    seen.update(main=main, done=done)
    for number in range(2):
        stage.type(f"seen[{number}] = seen['start'](seen['main'], {number}, done_callback=seen['done'])")
    stage.run()
    assert sorted(ends) == [0, 1]
    assert type(seen[0].host) is IPythonHost and seen[0].host is seen[1].host
    assert seen["gui"] == "asyncguest" or seen["gui"] is None
    assert stage.shell.active_eventloop is None, "the shell's event loop is given back"


def what_a_done_callback_raises_is_shown_as_a_cells_would_be(stage: Any) -> None:
    shown: list[Any] = []
    stage.shell.showtraceback = lambda what, **options: shown.append(what)

    def then(_: object) -> None:
        stage.quit()
        raise ZeroDivisionError("in done_callback")

    Run(stage, asyncio.sleep, 0.01, then=then)
    stage.run()
    assert [kind for kind, _, _ in shown] == [ZeroDivisionError]
    assert stage.shell.active_eventloop is None


def the_shell_is_left_first(stage: Any) -> None:
    """And clears its names then, which are those of the guest's code."""
    stage.run = stage.shell.mainloop
    ends_with(stage, "exit")


def clearing_the_names_shuts_the_guests_down(stage: Any) -> None:
    ends_with(stage, "%reset -f", "exit")


def ends_with(stage: Any, *lines: str) -> None:
    order: list[str] = []
    stage.shell.user_ns.update(
        asyncio=asyncio, order=order, start=lambda main: Run(stage, main, then=lambda _: order.append("done"))
    )
    stage.type("exec('async def main():\\n try: await asyncio.sleep(99)\\n finally: order.append(asyncio.__name__)')")
    stage.type("start(main)")
    for line in lines:
        stage.type(line)
    stage.run()
    assert order == ["asyncio", "done"], order
    assert stage.runs[0].done[0].cancelled()


def another_event_loop_at_the_prompt_is_refused(stage: Any) -> None:
    from asyncguest.hosts import ipython

    found = ipython.find()
    assert found is not None and found.what == "IPython" and found.running
    stage.shell.enable_gui("asyncio")
    assert ipython.find() is None, "that loop's host is the right one then"
    try:
        Run(stage, asyncio.sleep, 0)
    except asyncguest.GuestError as error:
        assert "'asyncio'" in str(error) and "%gui" in str(error)
    else:
        raise AssertionError("it was to be refused")
    assert stage.runs.pop().guest.state == "ended"
    stage.shell.enable_gui(None)
    try:
        ipython.IPythonHost(shell=object())
    except asyncguest.GuestError as error:
        assert "in Jupyter use asyncguest.hosts.asyncio" in str(error)
    else:
        raise AssertionError("what is no terminal's shell was to be refused")


def a_guest_goes_on_between_the_cells_of_a_jupyter_kernel(stage: Any) -> None:
    """USERS 16: a real kernel, by its own client. It is started in one cell, and lives on while others run."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "IPYTHONDIR": folder}
        child = subprocess.run([sys.executable, __file__], cwd=folder, env=environment, text=True, capture_output=True)
    assert child.returncode == 0, child.stdout + child.stderr
    stage.figures["ticks"] = child.stdout.strip()


EXTRA = {
    function.__name__: function
    for function in (
        start_finds_the_shell_and_a_second_one_joins,
        what_a_done_callback_raises_is_shown_as_a_cells_would_be,
        the_shell_is_left_first,
        clearing_the_names_shuts_the_guests_down,
        another_event_loop_at_the_prompt_is_refused,
        a_guest_goes_on_between_the_cells_of_a_jupyter_kernel,
    )
}


def talk_to_a_kernel() -> None:
    """The client, in a process of its own."""
    from jupyter_client.blocking import BlockingKernelClient
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env={**os.environ, "PYTHONWARNINGS": "default"})
    client: BlockingKernelClient = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=30)

    def cell(code: str) -> str:
        said: list[str] = []

        def output(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "error":
                raise AssertionError("\n".join(content["traceback"]))
            said.append(content.get("text") or content.get("data", {}).get("text/plain", ""))

        client.execute_interactive(code, timeout=10, output_hook=output)
        return "".join(said).strip()

    try:
        host = cell(KERNEL)
        assert host in ("'Tornado'", "'asyncio'"), host
        # Each cell lets the kernel's loop run, and so does the time between two.
        before, after = eval(cell("before = len(ticks); await asyncio.sleep(0.1); before, len(ticks)"))
        assert before >= 1 and after > before, (before, after)
        at_last = int(cell("all(ticks) and len(ticks)"))
        assert at_last >= after
        cell("guest.cancel(); await guest.host.wait(guest)")
        assert cell("guest.state, cleaned_up") == "('ended', True)"
        cell(KERNEL.replace("cleaned_up = True", f"open({str(Path('fin').resolve())!r}, 'w').close()"))
        print(at_last)
    finally:
        client.shutdown()
        client.stop_channels()
        manager.finish_shutdown()
        manager.cleanup_resources()
    assert Path("fin").exists(), "a guest that lives when the kernel ends is cleaned up too"


if __name__ == "__main__":
    talk_to_a_kernel()
