"""The screenshot: Tk has none of its own, so ImageMagick takes it, or else Pillow.

Both ways leave the thread alone, so that the animation goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import tkinter
from pathlib import Path
from typing import Any


class PictureError(Exception):
    """No screenshot can be taken; the message says what to do."""


def check() -> None:
    """Raises `PictureError` if nothing here can take one."""
    if shutil.which("import") is None and importlib.util.find_spec("PIL") is None:
        raise PictureError("a screenshot takes ImageMagick (Debian's imagemagick) or Pillow: install one of them")


async def take(root: tkinter.Tk, file: Path) -> None:
    """The part of the screen where `root` is, with what stands over it."""
    x, y, width, height = root.winfo_rootx(), root.winfo_rooty(), root.winfo_width(), root.winfo_height()
    if (command := shutil.which("import")) is not None:
        where = ["-display", root.winfo_screen() if ":" in root.winfo_screen() else f":{root.winfo_screen()}"]
        process = await asyncio.create_subprocess_exec(
            command, "-silent", *where, "-window", "root", "-crop", f"{width}x{height}+{x}+{y}", "+repage", str(file),
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, error = await process.communicate()
        if process.returncode != 0:
            raise PictureError(f"ImageMagick's import failed: {error.decode(errors='replace').strip()}")
    else:
        grab: Any = importlib.import_module("PIL.ImageGrab")
        loop = asyncio.get_running_loop()
        try:
            picture = await loop.run_in_executor(None, lambda: grab.grab(bbox=(x, y, x + width, y + height)))
            await loop.run_in_executor(None, picture.save, str(file))
        except (OSError, ValueError) as error:
            raise PictureError(f"Pillow took no screenshot: {error}") from error
