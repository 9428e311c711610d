"""Writes src/asyncguest/_native.pyi from the same declarations that the module is made of.

    python -m build_support.stub      in bindings/python; a test compares the file with what this would write

cffi modules have no type hints of their own, and a hand-kept list of fifty functions would drift from the header.
"""

import re
from pathlib import Path

from build_support import declarations

PROJECT = Path(__file__).resolve().parents[1]
STUB = PROJECT / "src/asyncguest/_native.pyi"

TOP = '''\
"""asyncguest._native, as type checkers see it. Written by build_support/stub.py from include/asyncguest.h; do not edit."""

from collections.abc import Callable
from typing import Any, TypeVar, type_check_only

_F = TypeVar("_F", bound=Callable[..., Any])

@type_check_only
class CData:
    """A C value: a pointer, a struct or an array. What is in it, only C knows."""

    def __bool__(self) -> bool: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...
    def __setitem__(self, index: int, value: Any, /) -> None: ...
    def __getattr__(self, field: str, /) -> Any: ...
    def __setattr__(self, field: str, value: Any, /) -> None: ...

@type_check_only
class _FFI:
    NULL: CData
    def new(self, cdecl: str, init: Any = None, /) -> CData: ...
    def cast(self, cdecl: str, value: CData | int, /) -> CData: ...
    def sizeof(self, what: str | CData, /) -> int: ...
    def offsetof(self, cdecl: str, field: str, /) -> int: ...
    def typeof(self, what: str | CData, /) -> Any: ...
    def addressof(self, what: Any, name: str = ..., /) -> CData: ...
    def string(self, text: CData, maxlen: int = -1, /) -> bytes: ...
    def unpack(self, array: CData, length: int, /) -> list[int]: ...
    def new_handle(self, value: object, /) -> CData: ...
    def from_handle(self, handle: CData, /) -> Any: ...
    def gc(self, value: CData, destructor: Callable[[CData], object] | None, size: int = 0) -> CData: ...
    def def_extern(self, name: str = ..., error: Any = ..., onerror: Callable[..., Any] = ...) -> Callable[[_F], _F]: ...

@type_check_only
class _Lib:
'''

BOTTOM = """
ffi: _FFI
lib: _Lib
"""


def stub() -> str:
    """The text of _native.pyi."""
    header = next(
        path
        for path in (PROJECT / "rust/include/asyncguest.h", PROJECT.parents[1] / "include/asyncguest.h")
        if path.is_file()
    )
    text = declarations.abi(header.read_text("utf-8"))
    # Python code never calls what C code calls in Python.
    text += "".join(line + "\n" for line in declarations.HELPERS.splitlines() if not line.startswith("extern"))
    constants = [f"    {name}: int\n" for name in re.findall(r"^#define (\w+)", text, re.MULTILINE)]
    functions = [function(*match) for match in re.findall(r"^([\w *]+?)(\w+)\(([^()]*)\);", text, re.MULTILINE)]
    return TOP + "".join(constants + functions) + BOTTOM


def function(result: str, name: str, parameters: str) -> str:
    """A method of lib. cffi takes arguments by position alone."""
    arguments = []
    for parameter in parameters.split(","):
        if parameter.strip() != "void":
            words = re.findall(r"\w+", parameter)
            arguments.append(f"{words[-1]}: {python_type(parameter)}")
    listed = ", ".join(["self", *arguments, "/"] if arguments else ["self"])
    return f"    def {name}({listed}) -> {python_type(result)}: ...\n"


def python_type(declaration: str) -> str:
    if "*" in declaration or re.search(r"_fn\b", declaration):
        return "CData"
    return "None" if declaration.strip() == "void" else "int"


if __name__ == "__main__":
    STUB.write_text(stub(), "utf-8")
