"""The adapter on the page "How to write a host", which is all that its author has read, and what holds for every adapter."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import asyncguest
import pytest
from asyncguest.hosts import base
from blocks import blocks_of

HERE = Path(__file__).resolve().parent
PACKAGE = Path(asyncguest.__file__).parent
PAGE = HERE.parents[2] / "docs" / "python" / "writing_a_host.md"
ADAPTERS = sorted(path for path in (PACKAGE / "hosts").glob("[a-z]*.py") if path.stem != "base")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with the page's files."""
    for block in blocks_of(PAGE):
        if block.file:
            block.write(tmp_path)
    return tmp_path


@pytest.mark.once
@pytest.mark.slow
def test_the_adapter_of_the_page_passes_every_check_in_both_drives(written: Path) -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-m", "asyncguest.hostcheck", "small_check:small"]
    done = subprocess.run(command, cwd=written, text=True, capture_output=True)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    *checks, last = done.stdout.splitlines()
    assert [line.split()[0] for line in checks] == ["ok"] * 20, done.stdout
    assert "20 checks, nothing wrong" in last


@pytest.mark.once
def test_the_page_names_every_piece() -> None:
    page = PAGE.read_text()
    reference = (PAGE.parent / "reference.md").read_text()
    assert [name for name in base.__all__ if f"`{name}" not in page and f"hosts.base.{name}" not in reference] == []


@pytest.mark.once
@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: path.stem)
def test_adapters_have_no_piece_that_a_users_adapter_cannot_have(path: Path) -> None:
    """Of this package's hosts they import the public pieces, another adapter, or what knows their own toolkit."""
    ours = {
        node.module
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
    }
    pieces = {"_awaited", "_jobhost", "_loophost", "_notifier", "_yielding"}
    assert pieces == {where.rpartition(".")[2] for where in modules_of_base()}
    assert not ours & pieces


@pytest.mark.once
@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: path.stem)
def test_adapters_are_shallow(path: Path) -> None:
    """Between an adapter and `Host` are at most two pieces, and one other adapter."""
    try:
        module = importlib.import_module(f"asyncguest.hosts.{path.stem}")
    except ImportError as error:
        pytest.skip(f"its toolkit is not here: {error}")
    for kind in vars(module).values():
        if isinstance(kind, type) and issubclass(kind, asyncguest.Host) and kind.__module__ == module.__name__:
            above = kind.__mro__[1 : kind.__mro__.index(asyncguest.Host)] if kind is not asyncguest.Host else ()
            pieces = [each for each in above if getattr(base, each.__name__, None) is each]
            adapters = [each for each in above if each not in pieces]
            assert len(pieces) <= 2 and len(adapters) <= 1
            assert all(each.__name__[0] != "_" for each in above)


def modules_of_base() -> set[str]:
    """Where the pieces are."""
    things = [getattr(base, name) for name in base.__all__]
    return {thing.__module__ for thing in things if getattr(thing, "__module__", "").startswith("asyncguest.hosts.")}
