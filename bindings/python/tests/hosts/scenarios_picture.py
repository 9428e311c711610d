"""Looks at the window in mid-run, as a person would."""

from __future__ import annotations

import asyncio
import os
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


@scenario("close_window", unix="the picture is taken by the X server")
def a_picture_shows_the_window_in_mid_run(stage: Stage) -> None:
    """Two pictures, taken by the guest: neither is blank, and something has moved between them."""
    folder = Path(os.environ.get("ASYNCGUEST_PICTURES") or ".").resolve()

    async def shoot(name: str) -> str:
        path = str(folder / f"{stage.name}-{stage.drive}{name}.png")
        status, said = await output_of("import", "-window", "root", path)
        assert status == 0, said
        return path

    async def progress() -> None:
        number = 0
        while True:
            number += 1
            stage.text = f"{stage.name}, drive {stage.drive}: step {number}"
            await asyncio.sleep(0.01)

    async def main() -> None:
        steps = asyncio.create_task(progress())
        await asyncio.sleep(0.3)
        first = await shoot("-earlier")
        second = await shoot("")
        steps.cancel()
        status, colours = await output_of("identify", "-format", "%k", second)
        assert status == 0 and int(colours) >= 3, f"the picture is blank: {colours} colours"
        _, differing = await output_of("compare", "-metric", "AE", first, second, "null:")
        assert float(differing.split()[0]) > 20, f"{differing} pixels have changed"
        os.unlink(first)
        await output_of("mogrify", "-trim", "+repage", second)
        stage.figures.update(picture=os.path.basename(second), colours=int(colours))

    stage.play(main)
