"""Windows: signals of the console, and Windows' own message loops."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import Any

import asyncguest
import pytest
from helpers import run_anywhere, run_guest
from test_windows import echo_server, pair, pytestmark  # noqa: F401  (the mark is this file's, too)

# ---- signals


@pytest.mark.parametrize("name", ["SIGINT", "SIGBREAK"])
def test_signal_handlers(where: str, name: str) -> None:
    number = getattr(signal, name)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        loop.add_signal_handler(number, arrived.set)
        signal.raise_signal(number)
        await arrived.wait()
        assert loop.remove_signal_handler(number)

    run_anywhere(where, main)


def test_a_signal_that_windows_does_not_send() -> None:
    async def main() -> None:
        with pytest.raises((OSError, RuntimeError, ValueError)):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print)

    asyncguest.run(main())


def test_ctrl_c_ends_a_run(drive: str) -> None:
    ended: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("cleaned up")

    with pytest.raises(asyncio.CancelledError):
        run_guest(main, drive=drive)
    assert ended == ["cleaned up"]


# A program in a console of its own, in which a key is pressed while the program sleeps.
CONSOLE = """
import asyncio, ctypes, signal, sys, threading
import asyncguest
from asyncguest.hosts.queue import QueueHost

where, key = sys.argv[1], int(sys.argv[2])
kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
kernel32.SetConsoleCtrlHandler(None, False)  # who has started it may have Ctrl-C ignored

def press():
    assert kernel32.GenerateConsoleCtrlEvent(key, 0), ctypes.get_last_error()

async def main():
    heard = asyncio.Event()
    if key == signal.CTRL_BREAK_EVENT:
        asyncio.get_running_loop().add_signal_handler(signal.SIGBREAK, heard.set)
    threading.Thread(target=press).start()
    try:
        await heard.wait()
        print("heard", flush=True)
    finally:
        print("cleaned up", flush=True)

if where == "alone":
    asyncguest.run(main())
else:
    host = QueueHost(where)
    asyncguest.Guest(host, done_callback=host.stop).start(main)
    host.run()
"""


def is_wine() -> bool:
    import ctypes

    library: Any = ctypes
    return sys.platform == "win32" and hasattr(library.windll.ntdll, "wine_get_version")


@pytest.mark.parametrize(
    "key",
    [
        "CTRL_C_EVENT",
        pytest.param(
            "CTRL_BREAK_EVENT", marks=pytest.mark.skipif(is_wine(), reason="Ctrl-Break does not come in wine's console")
        ),
    ],
)
def test_keys_of_a_console(where: str, key: str) -> None:
    """What the console sends comes on a thread of the system's, and wakes a guest that sleeps, or the loop without a host."""
    number = getattr(signal, key)
    ended = subprocess.run(
        [sys.executable, "-c", CONSOLE, where, str(int(number))],
        creationflags=getattr(subprocess, "CREATE_NEW_CONSOLE", 0),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if number == signal.CTRL_BREAK_EVENT:  # type: ignore[attr-defined]
        assert (ended.returncode, ended.stdout.split("\n")) == (0, ["heard", "cleaned up", ""]), ended.stderr
    elif where == "alone":
        assert ended.stdout == "cleaned up\n" and ended.stderr.splitlines()[-1] == "KeyboardInterrupt", ended.stderr
        assert ended.returncode == 0xC000013A  # STATUS_CONTROL_C_EXIT
    else:
        assert (ended.returncode, ended.stdout) == (0, "cleaned up\n"), ended.stderr


def test_the_wake_up_fd_of_the_program_stays(where: str) -> None:
    ours, theirs = pair()
    before = signal.set_wakeup_fd(ours.fileno())
    try:
        run_anywhere(where, lambda: asyncio.sleep(0))
        assert signal.set_wakeup_fd(-1) == ours.fileno()
    finally:
        signal.set_wakeup_fd(before)
        ours.close()
        theirs.close()


# ---- the message loops


def test_a_message_box_over_work_that_goes_on() -> None:
    """A modal loop of Windows' own, opened by a callback of the guest, which closes it from inside."""
    import ctypes

    from asyncguest.hosts.win32 import Win32Host

    windows: Any = ctypes
    user32 = windows.windll.user32
    title = f"asyncguest {os.getpid()}"
    host = Win32Host()
    echoes: list[int] = []

    async def main() -> int:
        async with echo_server() as address:
            reader, writer = await asyncio.open_connection(*address)

            async def beside() -> None:
                while True:
                    writer.write(b"x" * 1000)
                    await reader.readexactly(1000)
                    echoes.append(0)
                    if len(echoes) >= 20 and (window := user32.FindWindowW(None, title)):
                        user32.PostMessageW(window, 0x0010, 0, 0)  # WM_CLOSE
                        return

            task = asyncio.ensure_future(beside())
            user32.MessageBoxW(None, "text", title, 0)
            inside = len(echoes)
            await task
            writer.close()
            await writer.wait_closed()
            return inside

    results: list[int] = []
    guest = asyncguest.Guest(host, done_callback=lambda task: (results.append(task.result()), host.quit()))
    guest.start(main)
    assert host.run() == 0
    assert results[0] >= 20


def test_tk() -> None:
    tkinter = pytest.importorskip("tkinter", reason="this Python has no tkinter")
    root = tkinter.Tk()
    ticks = [0]

    def tick() -> None:
        ticks[0] += 1
        root.after(5, tick)

    async def main() -> int:
        async with echo_server() as address:
            for _ in range(20):
                reader, writer = await asyncio.open_connection(*address)
                writer.write(b"x" * 1000)
                await reader.readexactly(1000)
                writer.close()
                await writer.wait_closed()
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", "raise SystemExit(5)")
        return await child.wait()

    results: list[int] = []

    def done(task: asyncio.Task[int]) -> None:
        results.append(task.result())
        root.destroy()

    tick()
    asyncguest.start(main, done_callback=done)
    root.mainloop()
    assert results == [5] and ticks[0] > 1
