"""Looks at the window in mid-run, as a person would: ImageMagick does on an X server, Pillow on Windows.

There somebody has to ask for it, by ASYNCGUEST_PICTURES: under wine most often there is no screen to be seen.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from scenarios import scenario
from stages import Stage


async def output_of(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    stdout, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stdout.decode(errors="replace")


async def shoot(path: str) -> None:
    """The whole screen."""
    if sys.platform == "win32":
        from PIL import ImageGrab

        ImageGrab.grab().save(path)
    else:
        status, said = await output_of("import", "-window", "root", path)
        assert status == 0, said


async def compare(first: str, second: str) -> tuple[int, float]:
    """How many colours the second has, and how many pixels have changed."""
    if sys.platform == "win32":
        from PIL import Image, ImageChops

        with Image.open(first) as earlier, Image.open(second) as later:
            changed = ImageChops.difference(earlier.convert("RGB"), later.convert("RGB")).convert("L")
            return len(later.getcolors(1 << 24)), changed.width * changed.height - changed.histogram()[0]
    status, colours = await output_of("identify", "-format", "%k", second)
    assert status == 0, colours
    _, differing = await output_of("compare", "-metric", "AE", first, second, "null:")
    return int(colours), float(differing.split()[0])


async def trim(path: str) -> None:
    """Cuts off what is of one colour around the window."""
    if sys.platform == "win32":
        from PIL import Image, ImageChops

        with Image.open(path) as whole:
            ground = Image.new(whole.mode, whole.size, whole.getpixel((whole.width - 1, whole.height - 1)))
            whole.crop(ImageChops.difference(whole, ground).getbbox()).save(path)
    else:
        await output_of("mogrify", "-trim", "+repage", path)


@scenario("close_window", unix="" if "ASYNCGUEST_PICTURES" in os.environ else "nobody has asked for pictures")
def a_picture_shows_the_window_in_mid_run(stage: Stage) -> None:
    """Two pictures, taken by the guest: neither is blank, and something has moved between them."""
    folder = Path(os.environ.get("ASYNCGUEST_PICTURES") or ".").resolve()

    second = str(folder / f"{stage.name}-{stage.drive}.png")
    first = f"{second}-earlier.png"

    async def progress() -> None:
        number = 0
        while True:
            number += 1
            stage.text = f"{stage.name}, drive {stage.drive}: step {number}"
            await asyncio.sleep(0.01)

    async def main() -> None:
        steps = asyncio.create_task(progress())
        await asyncio.sleep(0.3)
        await shoot(first)
        await asyncio.sleep(0.1)
        await shoot(second)
        steps.cancel()
        colours, differing = await compare(first, second)
        assert colours >= 3, f"the picture is blank: {colours} colours"
        assert differing > 20, f"{differing} pixels have changed"
        os.unlink(first)
        await trim(second)
        stage.figures.update(picture=os.path.basename(second), colours=colours)

    stage.play(main)
