"""Follows every link of the built site that stays on it: pages, anchors, pictures, copied sources.

    python docs/check_site.py FOLDER    exit status 1, and a line for each link that leads nowhere

Sphinx has looked at those that the pages write, and `docs/check_snippets.sh` at the files that GitHub's readers follow; this
looks at what came out, with the navigation and what the theme adds.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page links to, and what can be linked to in it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors = {"", "top"}
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name == "id" and value:
                self.anchors.add(value)


def broken(folder: Path) -> tuple[int, list[str]]:
    """How many links were followed, and "PAGE: LINK" for those that lead nowhere."""
    pages = {file.resolve(): Page(file) for file in sorted(folder.rglob("*.html"))}
    found, followed = [], 0
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            followed += 1
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            there = pages[target].anchors if target in pages else {""}
            if not target.is_file() or unquote(parts.fragment) not in there:
                found.append(f"{file.relative_to(folder.resolve())}: {link}")
    return followed, found


def main(folder: Path) -> int:
    """The command. Returns its exit status."""
    followed, found = broken(folder)
    for line in found:
        print(line)
    print(f"{followed} links on the site, {len(found)} lead nowhere")
    return 1 if found or not followed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])) if len(sys.argv) == 2 else __doc__)
