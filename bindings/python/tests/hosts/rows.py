"""What has become of the scenarios, and how it reads.

Owns: nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Row", "best_of", "line_of", "indented", "is_well", "remarks_on", "text_of"]

COLUMNS = ("host", "version", "drive", "passed", "failed", "skipped", "hostcheck")


@dataclass
class Row:
    """One stage in one drive, or what another language's tests have written."""

    host: str
    drive: str
    version: str = ""
    check: str = ""
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    #: What cannot be counted: the host is not to be had, or its player has died.
    remark: str = ""

    def count(self, outcome: str) -> int:
        return sum(each["outcome"] == outcome for each in self.outcomes)

    def cells(self) -> list[str]:
        counts = [str(self.count(outcome)) for outcome in ("passed", "failed", "skipped")]
        return [self.host, self.version or "-", self.drive, *counts, self.check or "-"]

    def remarks(self) -> Iterator[str]:
        """What is to be said about it below the table."""
        if self.remark:
            yield self.remark
        reasons: dict[str, list[str]] = {}
        for each in self.outcomes:
            name = each["scenario"].replace("_", " ")
            if each["outcome"] == "failed":
                yield f"FAILED {name}: {each['why']}"
            elif each["outcome"] == "skipped":
                reasons.setdefault(each["why"], []).append(name)
            elif "first" in each:
                yield f"at the second try: {name}"
        for why, names in reasons.items():
            yield f"skipped: {why} ({names[0] if len(names) == 1 else f'{len(names)} scenarios'})"


def is_well(check: str) -> bool:
    """Whether hostcheck has found nothing wrong, by what it said last."""
    return check in ("", "-") or "all well" in check


def remarks_on(rows: list[Row]) -> list[str]:
    """All of them; what holds for several drives of a host is said once."""
    drives: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for remark in row.remarks():
            drives.setdefault((row.host, remark), []).append(row.drive)
    return [f"{host} ({', '.join(where)}): {remark}" for (host, remark), where in drives.items()]


def best_of(outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One outcome for each name, and none that is skipped if it was played elsewhere."""
    found: dict[str, dict[str, Any]] = {}
    for outcome in outcomes:
        if found.get(outcome["scenario"], outcome)["outcome"] in ("skipped", outcome["outcome"]):
            found[outcome["scenario"]] = outcome
    return list(found.values())


def line_of(outcome: dict[str, Any]) -> str:
    """One scenario in a log: figures, and of a failure all that was printed."""
    figures = ", ".join(f"{name} {value}" for name, value in outcome.get("figures", {}).items())
    text = f"{outcome['outcome']:8}{outcome.get('seconds', 0):6.2f} s  {outcome['scenario']}  {figures}{outcome['why']}"
    if "first" in outcome:
        text += "\n  first try:\n" + indented(outcome["first"]["why"] + "\n" + outcome["first"].get("said", ""))
    if outcome.get("said"):
        text += "\n" + indented(outcome["said"])
    return text


def indented(text: str) -> str:
    return textwrap.indent(text.strip(), "      | ")


def text_of(cells: list[list[str]]) -> str:
    """A table that reads well as it is and as Markdown."""
    rows = [list(COLUMNS), *cells]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
