"""How Sphinx builds these pages: `scripts/python.sh docs` runs it, with warnings as errors."""

from __future__ import annotations

import re

import asyncguest

project = "asyncguest"
author = "the libasyncguest authors"
release = version = asyncguest.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["requirements.txt"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
default_role = "code"

html_theme = "furo"
html_title = f"asyncguest {release}"
html_show_sphinx = False
html_copy_source = False
templates_path: list[str] = []

# What the adapters import, and these pages do not need.
autodoc_mock_imports = ["gi", "wx", "pygame", "pyglet", "glfw", "webview", "IPython", "prompt_toolkit", "tornado"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
python_maximum_signature_line_length = 90


def _is_for_the_package(app, what, name, obj, skip, options):  # type: ignore[no-untyped-def]
    doc = getattr(obj, "__doc__", None) or ""
    return True if re.search(r"For the package( itself)?\.", doc) else None


def _mark_up(app, what, name, obj, options, lines):  # type: ignore[no-untyped-def]
    """Docstrings are plain text: a line "`name`: what it is" is an item of a list, an indented paragraph is code."""
    made: list[str] = []
    inside = ""
    for line in lines:
        if re.match(r"`\w+(\(\w*\))?`: ", line):
            if inside != "list":
                made.append("")
            inside = "list"
            made.append(f"* {line}")
        elif line.startswith("    ") and inside != "list":
            if inside != "code":
                made += [".. code-block:: python", ""]
            inside = "code"
            made.append(line)
        elif inside == "list" and line.strip():
            made.append(f"  {line}")
        else:
            if line.strip() or inside == "list":
                inside = ""
            made.append(line)
    lines[:] = made


def _without_tuples(app, what, name, obj, options, signature, returns):  # type: ignore[no-untyped-def]
    """`*args: Unpack[Ts]` is for type checkers; people know what `*args` are."""
    for theirs, ours in (("*args: Unpack[Ts]", "*args"), ("Callable[[Unpack[Ts]], ", "Callable[..., ")):
        signature = signature and signature.replace(theirs, ours)
    return signature, returns


def setup(app):  # type: ignore[no-untyped-def]
    app.connect("autodoc-skip-member", _is_for_the_package)
    app.connect("autodoc-process-docstring", _mark_up)
    app.connect("autodoc-process-signature", _without_tuples)
