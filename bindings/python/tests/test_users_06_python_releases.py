"""USERS 6: breakage at each Python release. CPython's own `test.test_asyncio` of every interpreter found is the test of it:
`make conformance` runs all of it, `make test` a selection. Here stands only what tells early that a release has moved something.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import asyncguest


def test_this_interpreter_is_one_that_compat_is_good_for() -> None:
    """A new release is to be looked at, not guessed: raise the bound in these files after `make conformance` has run on it."""
    for name in ("_compat.py", "_cpython_loop.py"):
        text = (Path(asyncguest.__file__).parent / name).read_text()
        assert "3.11 to 3.15" in (ast.get_docstring(ast.parse(text)) or ""), name
    assert (3, 11) <= sys.version_info[:2] <= (3, 15)


def test_the_private_hooks_are_still_called() -> None:
    """The four names of BaseEventLoop that are overridden by name exist, so that the override does override."""
    from asyncio import SelectorEventLoop

    for name in ("_run_once", "_write_to_self", "_timer_handle_cancelled", "_make_socket_transport"):
        assert callable(getattr(SelectorEventLoop, name)), name
        assert getattr(asyncguest.EventLoop, name) is not getattr(SelectorEventLoop, name), f"{name} is not overridden"
