"""What users are told when nobody can be raised at.

Owns: the logger "asyncguest". Any thread.
"""

from __future__ import annotations

import logging
import warnings

log = logging.getLogger("asyncguest")


def warn(message: str) -> None:
    """One RuntimeWarning; a log record instead where warnings are errors, since nobody could catch it here."""
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    except RuntimeWarning:
        log.error("%s", message)
