"""The Python blocks of a Markdown page, with what is to be done with each of them.

A block is a program of its own unless comments right before it say otherwise; they do not show on the page.

    <!-- before                 code that a fragment needs before it
    ...
    -->
    <!-- after                  and after it
    ...
    -->
    <!-- not run: REASON -->    another project's code, which is not installed
    <!-- file: NAME -->         it has this name, and later ones on the page import it
    <!-- terminal: TEXT, KEYS --> it is run in a terminal, where these keys are typed when that text is on the screen
    <!-- prints -->             the next block is not code: it is what the one before it prints, `...` for anything
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Block", "blocks_of", "is_like"]

_TOKEN = re.compile(
    r"^<!-- (?P<word>before|after|not run:|file:|terminal:|prints)(?P<text>.*?)-->\n"
    r"|^```(?P<language>\w*)\n(?P<code>.*?)^```\n",
    re.MULTILINE | re.DOTALL,
)


@dataclass
class Block:
    """One program."""

    page: Path
    line: int
    #: With what stands before and after it.
    code: str
    reason_not_to_run: str = ""
    prints: str = ""
    file: str = ""
    #: What is waited for on its terminal, and what is then typed; none: it needs no terminal.
    terminal: tuple[str, str] | None = None
    #: What it can import: those before it on the page, by name.
    files: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.page.stem}:{self.line}"

    def write(self, folder: Path) -> Path:
        """Puts the program there, with what it can import; returns its path."""
        program = folder / (self.file or "block.py")
        for path, code in [*((folder / name, code) for name, code in self.files.items()), (program, self.code)]:
            path.write_text(code)
        return program


def blocks_of(page: Path) -> list[Block]:
    """All Python blocks of a page. AssertionError where a comment has nothing to belong to."""
    text = page.read_text()
    found: list[Block] = []
    said: dict[str, str] = {}
    for token in _TOKEN.finditer(text):
        line = text.count("\n", 0, token.start()) + 1
        where = f"{page.name}:{line}"
        word, language, code = token["word"], token["language"], token["code"]
        if word is not None:
            assert word not in said, f"{where}: two comments of one kind"
            said[word] = token["text"].strip("\n") if word in ("before", "after") else token["text"].strip()
        elif "prints" in said:
            assert len(said) == 1 and found, f"{where}: a block is needed before what it prints"
            said.clear()
            found[-1].prints = code
        elif language == "python":
            parts = [said.pop("before", ""), code, said.pop("after", "")]
            block = Block(page, line, "\n".join(parts), said.pop("not run:", ""), file=said.pop("file:", ""))
            block.files = {other.file: other.code for other in found if other.file}
            if "terminal:" in said:
                shown, comma, keys = said.pop("terminal:").rpartition(", ")
                assert comma, f"{where}: a terminal needs the text that is waited for, and the keys"
                block.terminal = shown, keys
            found.append(block)
            assert not said, f"{where}: {said}"
        else:
            assert not said, f"{where}: {said} before a block that is not Python"
    assert not said, f"{page.name}: {said} at the end"
    return found


def is_like(said: str, pattern: str) -> bool:
    """Whether `said` is `pattern`, in which `...` stands for anything."""
    parts = [re.escape(part) for part in pattern.strip().split("...")]
    return re.fullmatch(".*?".join(parts), said.strip(), re.DOTALL) is not None
