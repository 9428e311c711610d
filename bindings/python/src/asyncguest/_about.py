"""What a report of a bug has to say: versions, the system, and which main loops are installed.

Owns: nothing. Any thread. Nothing is imported to find out: a toolkit's import may want a display, or crash.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
from dataclasses import dataclass

from ._native import __version__
from ._toolkits import TOOLKITS, Toolkit

#: What is installed of a toolkit: distributions with their versions; modules that tell of none have None.
Parts = dict[str, str | None]


@dataclass(frozen=True)
class About:
    #: This package.
    version: str
    #: The tags of the wheel that it was installed from; none: it runs out of a folder of sources.
    wheel: tuple[str, ...]
    python: str
    system: str
    #: The hosts that `asyncguest.start` finds, with what is installed of each; empty: nothing.
    hosts: dict[str, Parts]

    def lines(self) -> list[str]:
        source = f"the wheel {', '.join(self.wheel)}" if self.wheel else "a folder of sources"
        installed = {label: parts for label, parts in self.hosts.items() if parts}
        absent = [label for label in self.hosts if label not in installed]
        hosts = [f"{label}: {_listed(parts)}" for label, parts in installed.items()]
        return [
            *_column("asyncguest", [f"{self.version}, from {source}"]),
            *_column("Python", [self.python]),
            *_column("system", [self.system]),
            *_column("hosts", [*hosts, *([f"not installed: {', '.join(absent)}"] if absent else [])]),
        ]


def about() -> About:
    return About(
        __version__,
        _wheel(),
        f"{platform.python_implementation()} {' '.join(sys.version.split())}",
        platform.platform(),
        {row.label: _installed(row) for row in TOOLKITS if row.system in (None, sys.platform)},
    )


def _wheel() -> tuple[str, ...]:
    try:
        installed = importlib.metadata.distribution("asyncguest")
        here = os.path.samefile(str(installed.locate_file("asyncguest")), os.path.dirname(__file__))
    except (importlib.metadata.PackageNotFoundError, OSError):
        return ()
    if not here:
        return ()  # another one is installed, and is not the one that runs
    lines = (installed.read_text("WHEEL") or "").splitlines()
    return tuple(line.partition(":")[2].strip() for line in lines if line.startswith("Tag:"))


def _installed(row: Toolkit) -> Parts:
    if not row.shown_by:
        return {platform.system(): platform.release()}  # it comes with the system
    names = row.parts or tuple(dict.fromkeys(name.partition(".")[0] for name in row.shown_by))
    found: Parts = {}
    for name in names:
        try:
            metadata = importlib.metadata.metadata(name)
            found[name] = metadata["Version"] if "Version" in metadata else None
        except Exception:  # it is not there; or in ruins, which is told of by an import
            pass
    # Some of Debian's packages, and what is Python's own, come without metadata.
    return found or {name: None for name in names if _is_there(name)}


def _is_there(module: str) -> bool:
    try:
        spec = importlib.util.find_spec(module)
        return spec is not None and spec.origin is not None  # not just a folder of that name
    except (ImportError, ValueError):  # whatever has put itself in its place
        return False


def _listed(parts: Parts) -> str:
    told = []
    for name, version in parts.items():
        if version is None:
            version = "of Python" if name in sys.stdlib_module_names else "of an unknown version"
        told.append(f"{name} {version}")
    return ", ".join(told)


def _column(title: str, lines: list[str]) -> list[str]:
    return [f"{'' if number else title:12}{line}" for number, line in enumerate(lines)]
