"""What PyInstaller has to know of this package. It finds this by the entry point in pyproject.toml.

Runs while a program is frozen, never in it.
"""

from __future__ import annotations

import os


def get_hook_dirs() -> list[str]:
    """The folders with the hooks of this package."""
    return [os.path.dirname(__file__)]
