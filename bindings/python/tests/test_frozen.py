"""Frozen programs (USERS row 39): PyInstaller takes what they need of the package, and nothing else, and they run.

One program of Tk in a file, one of Qt in a folder. Each is frozen once, without any option about asyncguest, and run in
several ways.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tkhelp
from asyncguest._toolkits import TOOLKITS

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]
display = tkhelp.display

COMMON = """
import asyncio, concurrent.futures, importlib.util, multiprocessing.resource_tracker, os, sys
import asyncguest

def square(number):
    return number * number

async def main():
    child = await asyncio.create_subprocess_exec("echo", "from a child", stdout=asyncio.subprocess.PIPE)
    said = (await child.communicate())[0].decode().strip()
    spawning = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, spawning) as pool:
        of_process = await asyncio.get_running_loop().run_in_executor(pool, square, 4)
    # Nobody else waits for this process, and a program in one file removes what it has unpacked when it ends.
    multiprocessing.resource_tracker._resource_tracker._stop()
    return said, await asyncio.to_thread(square, 3), of_process

async def stay():
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0)
        print("cleaned up", flush=True)

def show(guest):
    print(type(guest.host).__name__, getattr(sys, "frozen", False), *guest.task.result(), flush=True)

async def inside():
    over = asyncio.Event()
    guest = asyncguest.start(main, done_callback=lambda task: over.set())
    await over.wait()
    show(guest)
"""

TK = (
    COMMON
    + """
import tkinter

def in_window():
    root = tkinter.Tk()
    guest = asyncguest.start(main, done_callback=lambda task: root.destroy())
    root.mainloop()
    show(guest)

def ends_first():
    root = tkinter.Tk()
    asyncguest.start(stay, done_callback=lambda task: print("done", task.cancelled(), flush=True))
    root.after(1, root.quit)
    root.mainloop()

def check_a_host():
    asyncguest.hostcheck(tkinter.Tk)

def look():
    print(*[name for name in sys.argv[2:] if importlib.util.find_spec(name)])

if __name__ == "__main__":
    multiprocessing.freeze_support()
    what = sys.argv[1]
    asyncio.run(inside()) if what == "inside" else globals()[what]()
"""
)

QT = (
    COMMON
    + """
def in_window():
    from PyQt6.QtWidgets import QApplication, QWidget
    app = QApplication([])
    window = QWidget()
    window.show()
    guest = asyncguest.start(main, done_callback=lambda task: app.quit())
    app.exec()
    show(guest)

async def trios():
    over = trio.Event()
    guest = asyncguest.start(main, done_callback=lambda task: over.set())
    await over.wait()
    show(guest)

if __name__ == "__main__":
    multiprocessing.freeze_support()
    if sys.argv[1] == "in_window":
        in_window()
    else:
        import trio
        trio.run(trios)
"""
)

Frozen = Callable[..., "subprocess.CompletedProcess[str]"]


def freeze(folder: Path, source: str, *options: str) -> Frozen:
    """Freezes a program; returns a function that runs it."""
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed")
    (folder / "program.py").write_text(source)
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", *options, "program.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if "PythonLibraryNotFoundError" in done.stderr:
        pytest.skip("this interpreter has no shared libpython, which PyInstaller needs (Debian: libpython3.x)")
    assert done.returncode == 0, done.stderr[-3000:]
    program = folder / "dist/program"
    if program.is_dir():
        program /= "program"
    # Nothing of the interpreter that has frozen it is to be found from the outside.
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments],
            cwd="/",
            env={**outside, "PATH": "/usr/bin:/bin", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.fixture(scope="module")
def not_ours() -> list[str]:
    """The toolkits that the adapters are for."""
    shown_by = {name.partition(".")[0] for row in TOOLKITS for name in row.shown_by}
    return sorted({*shown_by, "prompt_toolkit"} - {"asyncio", "tkinter"})


@pytest.fixture(scope="module")
def of_tk(display: str, not_ours: list[str], tmp_path_factory: pytest.TempPathFactory) -> Frozen:
    """In one file, which unpacks itself when it is started; where all toolkits seem to be installed, and ctypes is not."""
    folder = tmp_path_factory.mktemp("tk")
    for name in [*not_ours, "gi.repository.GLib", "tornado.ioloop", "prompt_toolkit.application.current"]:
        package = folder.joinpath("toolkits", *name.split("."))
        package.mkdir(parents=True, exist_ok=True)
        for each in (package, *package.parents):
            if each.name == "toolkits":
                break
            (each / "__init__.py").touch()
    return freeze(folder, TK, "--onefile", "--exclude-module", "ctypes", "--paths", "toolkits")


@pytest.fixture(scope="module")
def of_qt(tmp_path_factory: pytest.TempPathFactory) -> Frozen:
    """In a folder."""
    for name in ("PyQt6.QtWidgets", "trio"):
        pytest.importorskip(name, reason=f"{name} is not installed", exc_type=ImportError)
    run = freeze(tmp_path_factory.mktemp("qt"), QT, "--onedir")
    return lambda *arguments: run(*arguments, QT_QPA_PLATFORM="offscreen")


def ended(done: subprocess.CompletedProcess[str]) -> str:
    """What it has printed, if it has ended well and without a word on stderr."""
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.strip()


def test_start_finds_tk(of_tk: Frozen) -> None:
    assert ended(of_tk("in_window")) == "TkHost True from a child 9 16"


def test_start_finds_asyncio(of_tk: Frozen) -> None:
    assert ended(of_tk("inside")) == "AsyncioHost True from a child 9 16"


def test_start_finds_qt(of_qt: Frozen) -> None:
    assert ended(of_qt("in_window")) == "QtHost True from a child 9 16"


def test_start_finds_trio(of_qt: Frozen) -> None:
    assert ended(of_qt("in_trio")) == "TrioHost True from a child 9 16"


def test_the_interpreter_ends_first(of_tk: Frozen) -> None:
    done = of_tk("ends_first")
    assert (done.returncode, done.stdout) == (0, "cleaned up\ndone True\n"), done
    assert done.stderr.count("RuntimeWarning: asyncguest: the host ended before") == 1, done.stderr


def test_a_toolkit_is_there_only_if_the_program_imports_it(of_tk: Frozen, not_ours: list[str]) -> None:
    tools = ["asyncguest.demo", "asyncguest._hostcheck._parent", "asyncguest._pyinstaller"]
    assert len(not_ours) > 10 and ended(of_tk("look", *not_ours, *tools, "ctypes")) == ""


def test_each_adapter_that_start_may_ask_for_is_there(of_tk: Frozen) -> None:
    adapters = [row.module for row in TOOLKITS if row.module and row.system in (None, sys.platform)]
    assert ended(of_tk("look", *adapters)).split() == adapters


def test_hostcheck_says_that_it_needs_an_interpreter(of_tk: Frozen) -> None:
    done = of_tk("check_a_host")
    assert done.returncode == 1
    assert "hostcheck starts interpreters, and a frozen program has none: check the adapter unfrozen" in done.stderr
