"""What the checks found, and how it reads. Any thread."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing about the adapter."""

    #: The check that met it first.
    check: str
    #: True: it breaks a rule that the guest lives by. False: good to know, the guest copes with it.
    wrong: bool
    #: What was seen.
    what: str
    #: What to do about it.
    remedy: str
    #: A stack or a traceback, if there is one that helps.
    where: str = ""

    def __str__(self) -> str:
        text = textwrap.fill(
            f"{'WRONG' if self.wrong else 'note'} [{self.check}] {self.what}", 110, subsequent_indent="      "
        )
        text += "\n" + textwrap.fill(self.remedy, 110, initial_indent="   -> ", subsequent_indent="      ")
        if self.where:
            text += "\n" + textwrap.indent(self.where.rstrip(), "      | ")
        return text


@dataclass(frozen=True)
class CheckResult:
    """How one check went."""

    #: With the drive in brackets where it was run in both.
    name: str
    #: "ok", "wrong", "hung", "failed" (it could not go on), "died" (its process did) or "skipped".
    outcome: str
    #: How long it took; for a skipped one 0.
    seconds: float
    #: Why it was skipped.
    why: str = ""

    def __str__(self) -> str:
        return f"{self.outcome:8}{self.name:24}" + (self.why or f"{self.seconds:.2f} s")


@dataclass(frozen=True)
class HostReport:
    """All that was found. It prints as text."""

    #: The adapter, as it describes itself.
    adapter: str
    checks: tuple[CheckResult, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Nothing is wrong; there may be notes."""
        return not any(finding.wrong for finding in self.findings)

    def __str__(self) -> str:
        lines = [str(finding) for finding in self.findings]
        ran = [check for check in self.checks if check.outcome != "skipped"]
        wrong = sum(finding.wrong for finding in self.findings)
        lines.append(
            f"{self.adapter}: {len(ran)} check{'' if len(ran) == 1 else 's'}, "
            + (f"{wrong} thing{'s' if wrong > 1 else ''} wrong" if wrong else "nothing wrong")
            + (f", {len(self.checks) - len(ran)} skipped" if len(ran) < len(self.checks) else "")
        )
        return "\n".join(lines)
