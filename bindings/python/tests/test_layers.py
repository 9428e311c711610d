"""The package has no circle of imports: each file can be read, and changed, with those alone that it names.

Imports for type checkers and those inside of functions count as well. That a package's `__init__` runs before its modules
does not: it is where they are put together.
"""

from __future__ import annotations

import ast
import graphlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import asyncguest
import pytest
from asyncguest._toolkits import TOOLKITS
from asyncguest.sources.find import ROWS

PACKAGE = Path(asyncguest.__file__).parent

pytestmark = pytest.mark.once


def modules(package: Path) -> dict[str, Path]:
    """All modules by name."""
    return {
        ".".join(("asyncguest", *path.relative_to(package).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in package.rglob("*.py")
        if path.stem.isidentifier()  # not PyInstaller's hooks
    }


def imports(name: str, path: Path) -> Iterator[tuple[str, list[str]]]:
    """What a module imports: the full name of a module, and what is taken out of it."""
    parents = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, []
        elif isinstance(node, ast.ImportFrom):
            above = parents[: len(parents) + 1 - node.level] if node.level else []
            yield ".".join([*above, *filter(None, [node.module])]), [alias.name for alias in node.names]


def arrows(package: Path) -> dict[str, set[str]]:
    """Each module, and those of the package that it imports."""
    known = modules(package)
    found: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        for module, names in imports(name, path):
            inner = {f"{module}.{each}" for each in names}
            found[name] |= inner & known.keys()
            if module in known and not (names and inner <= known.keys()):
                found[name].add(module)
    # By names that their tables know.
    found["asyncguest._toolkits"] |= {row.module for row in TOOLKITS if row.module}
    found["asyncguest.sources.find"] |= {f"asyncguest.sources.{row.module}" for row in ROWS}
    return found


def circle(package: Path) -> list[str]:
    """The modules of one circle in order, each imported by the one before it or by the one after; empty if there is none."""
    try:
        graphlib.TopologicalSorter(arrows(package)).prepare()
    except graphlib.CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_nothing_is_imported_in_a_circle() -> None:
    assert circle(PACKAGE) == []


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("_guest", "_hosted"),
        ("_hosted", "_exit"),  # `from . import`
        ("_exit", "_base_run"),  # for type checkers
        ("_hostcheck", "_hostcheck._parent"),  # inside of a function
        ("_hostcheck._check_run", "_guest"),  # `from ..`
        ("hosts.trio", "hosts.base"),
        ("demo.app", "hosts.tk"),  # by its full name
        ("_toolkits", "hosts.qt"),  # by name
        ("sources.find", "sources._qt"),
    ],
)
def test_each_way_to_import_is_seen(importer: str, imported: str) -> None:
    assert f"asyncguest.{imported}" in arrows(PACKAGE)[f"asyncguest.{importer}"]


def test_trio_is_imported_by_its_own_modules_alone() -> None:
    """And these by nobody."""
    theirs = {"trio", "outcome", "sniffio", "anyio"}
    importers = {
        name
        for name, path in modules(PACKAGE).items()
        if any(module.partition(".")[0] in theirs for module, _ in imports(name, path))
    }
    guests = {"asyncguest.guests.trio", "asyncguest.guests._trio_run", "asyncguest.guests._trio_waiting"}
    assert importers == {*guests, "asyncguest.hosts.trio"}
    assert {name for name, imported in arrows(PACKAGE).items() if imported & guests} <= guests


def test_the_arrows_are_counted() -> None:
    found = arrows(PACKAGE)
    assert len(found) > 80 and sum(map(len, found.values())) > 200


@pytest.mark.parametrize(
    ("file", "seed", "through"),
    [
        ("_run.py", "if TYPE_CHECKING:\n    from ._guest import Guest", "asyncguest._guest"),
        ("_exit.py", "from . import _hosted", "asyncguest._hosted"),
        ("_hostcheck/_spy.py", "from ._check_run import CheckRun", "asyncguest._hostcheck._check_run"),
        ("hosts/_loophost.py", "def late():\n    import asyncguest.hosts.qt", "asyncguest.hosts.qt"),
        ("_host.py", "from . import Guest", "asyncguest"),
        ("_errors.py", "from ._errors import GuestError", "asyncguest._errors"),
    ],
)
def test_a_circle_is_found(file: str, seed: str, through: str, tmp_path: Path) -> None:
    package = tmp_path / "asyncguest"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    assert circle(package) == []
    with (package / file).open("a") as source:
        source.write(f"\n{seed}\n")
    assert through in circle(package)
