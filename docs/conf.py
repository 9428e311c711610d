"""How Sphinx builds these pages: `scripts/python.sh docs` runs it, with warnings as errors."""

from __future__ import annotations

import re
from pathlib import Path

import asyncguest

HERE = Path(__file__).resolve().parent

project = "libasyncguest"
author = "the libasyncguest authors"
release = version = asyncguest.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
default_role = "code"

html_theme = "furo"
html_title = f"libasyncguest {release}"
html_show_sphinx = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
templates_path: list[str] = []

# What the adapters import, and these pages do not need.
autodoc_mock_imports = ["gi", "wx", "pygame", "pyglet", "glfw", "webview", "IPython", "prompt_toolkit", "tornado"]
autodoc_mock_imports += ["kivy", "imgui_bundle", "urwid"]
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


def _group_the_hosts(app, docname, source):  # type: ignore[no-untyped-def]
    """The navigation has the pages of hosts by the sections of hosts/README.md, which GitHub shows too: what a section
    links to of its folder. Pages that are in none come last."""
    if docname != "index":
        return
    groups, left = [], {page.stem for page in HERE.glob("hosts/*.md")} - {"README"}
    for section in (HERE / "hosts" / "README.md").read_text().split("\n## ")[1:]:
        pages = [page for page in re.findall(r"\]\(([\w-]+)\.md\)", section) if page in left]
        left -= set(pages)
        groups.append((section.partition("\n")[0], pages))
    groups.append(("More hosts", sorted(left)))
    trees = [
        "\n".join(["```{toctree}", ":hidden:", f":caption: {title}", *(f"hosts/{page}" for page in pages), "```"])
        for title, pages in groups
        if pages
    ]
    source[0] = source[0].replace("<!-- the hosts, by the sections of hosts/README.md -->", "\n\n".join(trees))


def _name_what_is_elsewhere(app, docname, source):  # type: ignore[no-untyped-def]
    """Pages and folders outside of docs are not on the site, and are named instead of linked to. Sources are: they are
    copied."""
    folder = (HERE / docname).parent

    def named(link):  # type: ignore[no-untyped-def]
        text, path = link.groups()
        target = (folder / path.partition("#")[0]).resolve()
        if target.is_relative_to(HERE) or (target.is_file() and target.suffix != ".md"):
            return link[0]
        where = f"`{target.relative_to(HERE.parent)}`"
        return where if text.strip("`") == where.strip("`") else f"{text} ({where} in the repository)"

    source[0] = re.sub(r"\[([^\]\[]+)\]\((\.\./[^) ]+)\)", named, source[0])


def setup(app):  # type: ignore[no-untyped-def]
    app.connect("source-read", _group_the_hosts)
    app.connect("source-read", _name_what_is_elsewhere)
    app.connect("autodoc-skip-member", _is_for_the_package)
    app.connect("autodoc-process-docstring", _mark_up)
    app.connect("autodoc-process-signature", _without_tuples)
