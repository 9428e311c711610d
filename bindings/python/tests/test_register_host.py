"""`asyncguest.register_host`, by the program itself and by the entry points of what is installed."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys

import asyncguest
import pytest
from asyncguest import _detect, _toolkits
from asyncguest.hosts.base import Found
from asyncguest.hosts.queue import QueueHost

#: A toolkit of somebody's, of two modules: the second one is what its package has for asyncguest.
TOOLKIT = "loops = []\n"
ADAPTER = """
import asyncguest
import sometoolkit
from asyncguest.hosts.base import Found


def find():
    return Found("a loop of sometoolkit", False, lambda: sometoolkit.loops[0]) if sometoolkit.loops else None


asyncguest.register_host("Some Toolkit", "sometoolkit", find)
"""
PROGRAM = """
import asyncio, sys

import asyncguest
import sometoolkit
from asyncguest.hosts.queue import QueueHost

host = QueueHost()
sometoolkit.loops.append(host)
assert "sometoolkit_guests" not in sys.modules
guest = asyncguest.start(asyncio.sleep, 0, "done", done_callback=host.stop)
host.run()
host.close()
print(guest.host is host, guest.task.result())
"""


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch):
    """None is registered, and none of the package's own is here."""
    monkeypatch.setattr(_detect, "TOOLKITS", ())
    monkeypatch.setattr(_toolkits, "_registered", {})


@pytest.fixture
def host():
    made = QueueHost()
    yield made
    made.close()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package: its modules by name, and its entry points."""
    for name in ("sometoolkit", "sometoolkit_guests"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    def put(entry_points="sometoolkit = sometoolkit_guests", **modules):
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text)
        info = tmp_path / "sometoolkit-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sometoolkit\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[asyncguest.hosts]\n{entry_points}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        return tmp_path

    yield put
    for name in ("sometoolkit", "sometoolkit_guests"):
        sys.modules.pop(name, None)


def refusal():
    with pytest.raises(asyncguest.GuestError) as caught:
        asyncguest.start(asyncio.sleep, 0)
    return str(caught.value)


# ---- by the program


def test_what_is_registered_is_found(host):
    asyncguest.register_host("Mine", "sys", lambda: Found("mine", False, lambda: host))
    guest = asyncguest.start(asyncio.sleep, 0, "done", done_callback=host.stop)
    host.run()
    assert guest.host is host and guest.task.result() == "done"


def test_it_is_looked_for_when_one_of_its_modules_is_imported(host):
    looked = []
    asyncguest.register_host("Mine", ["no_such_module", "nor_this_one"], lambda: looked.append(1))
    assert "not imported: Mine" in refusal() and not looked
    asyncguest.register_host("Mine", ["no_such_module", "sys"], lambda: looked.append(1))
    assert "Mine (imported, but no main loop" in refusal() and looked == [1]


def test_the_last_one_of_a_label_counts(host):
    """As when a cell of a notebook is run again."""
    for number in range(2):
        asyncguest.register_host("Mine", "sys", lambda number=number: Found(f"{number}", False, lambda: number))
    assert _detect.find_host() == 1


def test_it_stands_on_others(host):
    lower = QueueHost()
    asyncguest.register_host("Lower", "sys", lambda: Found("lower", True, lambda: lower))
    for stands_on in ("Lower", ["Qt", "Lower"]):
        asyncguest.register_host("Upper", "sys", lambda: Found("upper", True, lambda: host), stands_on=stands_on)
        assert _detect.find_host() is host
    asyncguest.register_host("Upper", "sys", lambda: Found("upper", True, lambda: host))
    message = refusal()
    assert (
        "lower (running), upper (running). Say which: give host=..., of the adapter for Lower or the adapter for Upper"
        in (message)
    )
    lower.close()


def test_it_takes_the_place_of_a_recipe(host, monkeypatch):
    monkeypatch.setitem(sys.modules, "dearpygui.dearpygui", asyncguest)
    assert "DearPyGui is imported: " in refusal()
    asyncguest.register_host("DearPyGui", "dearpygui.dearpygui", lambda: None)
    message = refusal()
    assert "DearPyGui is imported: " not in message and "DearPyGui (imported, but" in message


def test_one_that_fails_does_not_hide_another_one(host):
    asyncguest.register_host("Broken", "sys", functools.partial(divmod, 1, 0))
    assert "Broken (could not be looked at: ZeroDivisionError" in refusal()
    asyncguest.register_host("Mine", "sys", lambda: Found("mine", False, lambda: host))
    assert _detect.find_host() is host


async def find_async():
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "label must be a name for messages, not 1", (1, "sys", print)),
        (TypeError, "label must be a name for messages, not ''", ("", "sys", print)),
        (ValueError, "Qt has an adapter in asyncguest.hosts: give yours a label of its own", ("Qt", "sys", print)),
        (ValueError, "shown_by must name a module that the program has imported", ("Mine", (), print)),
        (TypeError, "shown_by must be the name of a module, or of several, not ''", ("Mine", "", print)),
        (TypeError, "shown_by must be the name of a module, or of several, not <module 'sys'", ("Mine", sys, print)),
        (TypeError, "shown_by must be the name of a module, or of several, not [<module", ("Mine", [sys], print)),
        (TypeError, "shown_by must be the name of a module, or of several, not None", ("Mine", None, print)),
        (TypeError, "find must be a plain function without arguments, not None", ("Mine", "sys", None)),
        (TypeError, "find must be a plain function without arguments, not <function", ("Mine", "sys", find_async)),
        (TypeError, "stands_on must be a label, or several, not 1", ("Mine", "sys", print, 1)),
        (TypeError, "stands_on must be a label, or several, not [None]", ("Mine", "sys", print, [None])),
    ],
)
def test_what_cannot_be_registered(error, message, arguments):
    with pytest.raises(error) as caught:
        asyncguest.register_host(*arguments)
    assert str(caught.value).startswith(message)
    assert not _toolkits._registered


# ---- by entry points


def test_an_installed_package_brings_its_adapter(install):
    """As a user's program sees it."""
    folder = install(sometoolkit=TOOLKIT, sometoolkit_guests=ADAPTER)
    (folder / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-X", "dev", "-W", "error", str(folder / "program.py")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True done\n", "")


def test_it_is_not_read_unless_its_toolkit_is_imported(install):
    install(sometoolkit=TOOLKIT, sometoolkit_guests="raise AssertionError")
    assert "sometoolkit" not in refusal()
    assert "sometoolkit_guests" not in sys.modules


def imported_and_refused():
    import sometoolkit  # type: ignore[import-not-found]  # noqa: F401

    return refusal()


def test_the_toolkit_is_imported_and_has_nothing_here(install):
    install(sometoolkit=TOOLKIT, sometoolkit_guests=ADAPTER)
    assert "Some Toolkit (imported, but no main loop" in imported_and_refused()


@pytest.mark.parametrize(
    ("entry_point", "adapter", "message"),
    [
        ("sometoolkit_guests", "1 / 0", "cannot be imported: ZeroDivisionError: division by zero)"),
        ("no_such_module", "", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module')"),
        ("sometoolkit_guests:none", "", "cannot be imported: AttributeError: "),
        ("sometoolkit_guests", "", "calls no asyncguest.register_host() with shown_by='sometoolkit')"),
        (
            "sometoolkit_guests",
            ADAPTER.replace('"sometoolkit"', '"other"'),
            "calls no asyncguest.register_host() with ",
        ),
    ],
)
def test_an_entry_point_that_is_wrong_is_named_and_hides_nothing(install, host, entry_point, adapter, message):
    install(f"sometoolkit = {entry_point}", sometoolkit=TOOLKIT, sometoolkit_guests=adapter)
    said = imported_and_refused()
    assert f"sometoolkit (its entry point '{entry_point}' {message}" in said
    asyncguest.register_host("Mine", "sys", lambda: Found("mine", False, lambda: host))
    assert _detect.find_host() is host


def test_of_a_package_that_is_there_twice_the_first_one_counts(install, tmp_path_factory, monkeypatch):
    """As one of a user's own, before an older one of the system's: that is not imported, nor told of."""
    older = tmp_path_factory.mktemp("older")
    install(sometoolkit=TOOLKIT, sometoolkit_guests=ADAPTER)
    info = older / "sometoolkit-0.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sometoolkit\nVersion: 0.9\n")
    (info / "entry_points.txt").write_text("[asyncguest.hosts]\nsometoolkit = of_the_older_one\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(older)])
    said = imported_and_refused()
    assert "Some Toolkit (imported, but no main loop" in said and "of_the_older_one" not in said


@pytest.mark.parametrize(
    ("entry_points", "message"),
    [
        (b"[asyncguest.hosts]\nsys = \xff\n", "broken (its entry points cannot be read: UnicodeDecodeError: "),
        # From CPython 3.15 on this is told when they are read.
        (b"[asyncguest.hosts]\nsys = no module at all\n", "'no module at all'"),
    ],
)
def test_metadata_that_cannot_be_read_hides_no_other_package(install, entry_points, message):
    folder = install(sometoolkit=TOOLKIT, sometoolkit_guests=ADAPTER)
    info = folder / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_bytes(entry_points)
    said = imported_and_refused()
    assert message in said
    assert "Some Toolkit (imported, but no main loop" in said


def test_metadata_without_a_name_that_cannot_be_read(install, host):
    folder = install()
    (folder / "sometoolkit-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff")
    (folder / "sometoolkit-1.0.dist-info" / "METADATA").write_bytes(b"\xff")
    assert "None (its entry points cannot be read: UnicodeDecodeError: " in refusal()
    asyncguest.register_host("Mine", "sys", lambda: Found("mine", False, lambda: host))
    assert _detect.find_host() is host
