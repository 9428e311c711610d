"""What users are told when nobody can be raised at.

Owns: the logger "asyncguest". Any thread.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable

log = logging.getLogger("asyncguest")


def warn(message: str) -> None:
    """One RuntimeWarning; a log record instead where warnings are errors, since nobody could catch it here."""
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    except RuntimeWarning:
        log.error("%s", message)


def listed(names: Iterable[str]) -> str:
    """The names in order: the first twenty, and how many more there are."""
    known = sorted(names)
    more = [f"and {len(known) - 20} more"] if len(known) > 20 else []
    return ", ".join(known[:20] + more)
