"""The load generator's program, compiled when it is needed. Owns: that file, beside the other temporary ones."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

_SOURCE = Path(__file__).with_name("load.c")


def load_generator() -> Path:
    """Its path. Named after the source's content, so that an old one is not taken for it."""
    name = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    program = Path(tempfile.gettempdir()) / f"asyncguest-load-{os.getuid()}-{name}"
    if not program.exists():
        part = program.with_suffix(f".{os.getpid()}")
        subprocess.run(["cc", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", part, _SOURCE], check=True)
        part.rename(program)  # at once, also if another cell does the same now
    return program
