"""The samples of all rounds, and the table made of them. Owns: the samples."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from process import Outcome
from rows import Cell, Row


class Samples:
    """What each cell has measured, by round. `judge`: the figures are good enough to be held against the goals."""

    def __init__(self, judge: bool) -> None:
        self._judge = judge
        self._figures: defaultdict[Cell, dict[int, dict[str, float]]] = defaultdict(dict)
        #: Cells that cannot be measured here, and why.
        self.left_out: dict[Cell, str] = {}
        #: Cells that went wrong.
        self.failed: dict[Cell, str] = {}

    def add(self, cell: Cell, round_number: int, outcome: Outcome) -> None:
        kind, found = outcome
        if isinstance(found, dict):
            self._figures[cell][round_number] = found
        else:
            (self.left_out if kind == "left out" else self.failed)[cell] = found

    def is_missing(self, cell: Cell) -> bool:
        """Nothing more will come of it."""
        return cell in self.left_out or cell in self.failed

    def of(self, cell: Cell, figure: str) -> list[float]:
        return [figures[figure] for figures in self._figures[cell].values()]

    def ratios(self, row: Row) -> list[float]:
        """Ours divided by the peer's, within each round."""
        assert row.peer is not None
        ours, theirs = self._figures[row.ours], self._figures[row.peer]
        both = ours.keys() & theirs.keys()
        return [ours[n][row.figure] / max(theirs[n][row.figure], 1e-9) for n in sorted(both)]

    def line(self, row: Row) -> str:
        """The row as a line of the table."""
        for cell in (row.ours, row.peer):
            if cell in self.failed:
                return f"| {row.title} | {row.peer or '-'} | {row.ours} | FAILED: {self.failed[cell]} | | |"
            if cell in self.left_out:
                return f"| {row.title} | {row.peer or '-'} | {row.ours} | left out: {self.left_out[cell]} | | |"
        unit = row.figure.rpartition("_")[2].replace("wakes", "")
        ours = self.of(row.ours, row.figure)
        peer = ratio = "-"
        if row.peer is None:
            judged = median(ours)
        else:
            ratios = self.ratios(row)
            judged = median(ratios)
            peer = f"{row.peer} {amount(median(self.of(row.peer, row.figure)), unit)}"
            ratio = f"{judged:.2f} {quartiles(ratios)}"
        goal = verdict = ""
        if row.goal is not None:
            goal = f"<= {row.goal:.2g}"
            verdict = "-" if not self._judge else "ok" if judged <= row.goal else "**MISSED**"
        spread = f" {quartiles(ours)}" if row.peer is None else ""
        return (
            f"| {row.title} | {peer} | {row.ours} {amount(median(ours), unit)}{spread} | {ratio} | {goal} | {verdict} |"
        )


HEAD = "| work | peer | asyncguest | ratio (less is better) | goal | met |\n|---|---|---|---|---|---|"


def amount(value: float, unit: str) -> str:
    """A figure for people."""
    return f"{value:.3g} {unit}".strip() if value < 1000 else f"{value:.0f} {unit}".strip()


def quartiles(values: list[float]) -> str:
    """The middle half of them, in brackets."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return f"({ordered[round(last * 0.25)]:.2f}-{ordered[round(last * 0.75)]:.2f})"
