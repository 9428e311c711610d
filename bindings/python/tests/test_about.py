"""`python -m asyncguest`: what it tells, that it imports nothing to find out, and that its status tells what does not work."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncguest
import pytest
from asyncguest._self_test import DRIVES, self_test
from asyncguest._toolkits import TOOLKITS

pytestmark = pytest.mark.twice

HERE = Path(asyncguest.__file__).parent
PAGE = Path(__file__).resolve().parents[3] / "docs" / "python" / "troubleshooting.md"


def command(*arguments: str, before: str = "", path: Path | None = None, options: tuple[str, ...] = ()) -> Any:
    """The command in a fresh interpreter, after `before` has run there, with `path` before all others."""
    program = f"""
import runpy, sys
sys.path.insert(0, {str(path)!r}) if {path is not None} else None
{before}
sys.argv = ["asyncguest", *{arguments!r}]
runpy.run_module("asyncguest", run_name="__main__", alter_sys=True)
"""
    return subprocess.run(
        [sys.executable, "-W", "error", *options, "-c", program],
        capture_output=True,
        text=True,
        timeout=50,
    )


def told(**how: Any) -> dict[str, Any]:
    """What it tells of, as JSON."""
    done = command("--json", **how)
    assert (done.returncode, done.stderr) == (0, ""), done
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def copy_to(folder: Path) -> None:
    shutil.copytree(HERE, folder / "asyncguest", ignore=shutil.ignore_patterns("__pycache__"))


def test_it_says_what_a_report_needs() -> None:
    done = subprocess.run([sys.executable, "-m", "asyncguest"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"asyncguest  {asyncguest.__version__}, from ")
    assert " ".join(lines[1].split()) == f"Python CPython {' '.join(sys.version.split())}"
    assert lines[2].startswith(f"system      {sys.platform.capitalize()}")
    assert lines[3].startswith("hosts       ")
    assert lines[-3:] == [f"self-test   drive {drive}: passed" for drive in DRIVES]


def test_as_json_it_says_the_same() -> None:
    facts, text = told(), command().stdout
    assert facts["version"] == asyncguest.__version__ and facts["python"] in text and facts["system"] in text
    assert list(facts["hosts"]) == [row.label for row in TOOLKITS if row.system in (None, sys.platform)]
    assert facts["hosts"]["asyncio"] == {"asyncio": None} and "asyncio: asyncio of Python\n" in text
    assert facts["passed"] is True and facts["failures"] == dict.fromkeys(DRIVES, "")


# ---- what is installed


def test_toolkits_are_told_of_and_not_imported(tmp_path: Path) -> None:
    for module in ("PySide6", "PyQt6", "pygame", "gi", "wx", "webview", "pyglet"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('imported')")
    copy_to(tmp_path)
    for name, version in (("PySide6", "6.1.2"), ("PyQt6", "6.3"), ("pygame_ce", "2.5"), ("webview_python", "1.0")):
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    hosts = told(path=tmp_path, options=("-S",))["hosts"]  # without what this environment has
    assert hosts["Qt"] == {"PySide6": "6.1.2", "PyQt6": "6.3"}
    assert hosts["SDL"] == {"pygame-ce": "2.5"}
    assert hosts["GLib"] == {"gi": None} and hosts["wx"] == {"wx": None} and hosts["pyglet"] == {"pyglet": None}
    assert hosts["pywebview"] == {}, "webview_python is imported by the same name"
    text = command(path=tmp_path, options=("-S",)).stdout
    assert "Qt: PySide6 6.1.2, PyQt6 6.3" in text and "gi of an unknown version" in text
    assert re.search(r"not installed: .*pywebview", text)


def test_tkinter_without_its_module_in_c_is_not_there() -> None:
    assert told(before="sys.modules['_tkinter'] = None")["hosts"]["Tk"] == {}


def test_what_stands_in_for_a_toolkit_does_no_harm(tmp_path: Path) -> None:
    """A fake one of a user's tests, which has no spec."""
    copy_to(tmp_path)
    fake = "sys.modules['wx'] = type(sys)('wx')"
    assert told(path=tmp_path, options=("-S",), before=fake)["hosts"]["wx"] == {}


def test_ruins_of_a_distribution_do_no_harm(tmp_path: Path) -> None:
    copy_to(tmp_path)
    (tmp_path / "wxPython-4.2.dist-info").mkdir()
    (tmp_path / "pyglet-2.0.dist-info").mkdir()
    (tmp_path / "pyglet-2.0.dist-info" / "METADATA").write_text("Name: pyglet\n")
    hosts = told(path=tmp_path, options=("-S",))["hosts"]
    assert hosts["pyglet"] == {"pyglet": None} and set(hosts["wx"].values()) <= {None}


def test_it_names_the_wheel_that_runs(tmp_path: Path) -> None:
    copy_to(tmp_path)
    assert told(path=tmp_path)["wheel"] == [], "another one is installed, and is not the one that runs"
    assert "from a folder of sources" in command(path=tmp_path).stdout
    info = tmp_path / f"asyncguest-{asyncguest.__version__}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: asyncguest\nVersion: {asyncguest.__version__}\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp311-abi3-here\nTag: cp311-abi3-there\n")
    assert told(path=tmp_path)["wheel"] == ["cp311-abi3-here", "cp311-abi3-there"]
    assert "from the wheel cp311-abi3-here, cp311-abi3-there\n" in command(path=tmp_path).stdout


# ---- the self-test


@pytest.mark.parametrize("drive", DRIVES)
def test_the_self_test_passes_and_leaves_nothing(drive: str) -> None:
    assert self_test(drive) == ""


BROKEN_HOST = """
from asyncguest.hosts.queue import QueueHost
def watch(self, fd, ready): raise OSError("no fds today")
QueueHost.watch = watch
"""


def test_what_does_not_work_is_shown_and_is_the_status() -> None:
    done = command(before=BROKEN_HOST)
    assert done.returncode == 1 and not done.stderr
    assert "self-test   drive fd: Traceback" in done.stdout and "OSError: no fds today" in done.stdout
    assert "self-test   drive thread: passed\nself-test   drive run: passed\n" in done.stdout
    done = command("--json", before=BROKEN_HOST)
    facts = json.loads(done.stdout)
    assert done.returncode == 1 and facts["passed"] is False
    assert "no fds today" in facts["failures"]["fd"] and facts["failures"]["run"] == ""


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("_self_test._work = lambda: leave()", "left behind"),
        ("_self_test.threading = threading_elsewhere", "on the loop's thread"),
        ("_self_test._work = asyncio.current_task", "no running event loop"),
        ("_self_test._work = cancelled", "CancelledError"),
    ],
)
def test_each_of_its_faults_is_seen(fault: str, says: str) -> None:
    before = f"""
import asyncio, types, asyncguest
from asyncguest import _self_test
kept = []
async def leave(): kept.append(asyncguest.EventLoop())
async def cancelled(): asyncio.current_task().cancel(); await asyncio.sleep(1)
threading_elsewhere = types.SimpleNamespace(get_ident=lambda: 1)
{fault}
"""
    done = command("--json", before=before, options=("-O",))
    assert done.returncode == 1 and says in json.loads(done.stdout)["failures"]["fd"], done


@pytest.mark.parametrize("streams", ["", "sys.stdout = sys.stderr = None", "sys.stdout = sys.stderr = io.StringIO()"])
def test_one_that_hangs_shows_where_and_ends(streams: str) -> None:
    """Also where there is nothing to show it on, as in a program without a console."""
    before = """
from asyncguest import __main__ as cli
from asyncguest.hosts.queue import QueueHost
QueueHost.watch = QueueHost.unwatch = lambda *args: None
cli.LIMIT = 0.5
"""
    program = f"import io, sys\n{before}\n{streams}\nsys.argv = ['asyncguest']\nsys.exit(cli.main())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
    assert done.returncode == 1
    if streams:
        return
    assert done.stdout.startswith("asyncguest ") and "self-test" not in done.stdout
    assert "Timeout" in done.stderr and "in _run_as_guest" in done.stderr


# ---- a wrong call


@pytest.mark.parametrize("wrong", ["--js", "report.txt"])
def test_a_wrong_option_is_named(wrong: str) -> None:
    done = command(wrong)
    assert done.returncode == 2 and not done.stdout
    assert (
        f"unrecognized arguments: {wrong}" in done.stderr and "usage: python -m asyncguest [-h] [--json]" in done.stderr
    )


def test_without_anything_to_write_to_it_still_has_its_status() -> None:
    """As a program without a console has it on Windows."""
    assert command(before="sys.stdout = sys.stderr = None").returncode == 0
    assert command(before=f"{BROKEN_HOST}\nsys.stdout = sys.stderr = None").returncode == 1


# ---- the page


def test_the_page_shows_what_it_prints() -> None:
    """By the first words of each line."""
    (sample,) = re.findall(r"^\$ python -m asyncguest\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    titles = [{line[:12].strip() for line in text.splitlines()} for text in (sample, command().stdout)]
    assert titles[0] == titles[1] and len(titles[0]) == 6
