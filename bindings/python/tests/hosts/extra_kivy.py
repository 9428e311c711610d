"""What is Kivy's own: an app that is asynchronous itself, and one that is found before it runs.

Owns: nothing. Each function is a scenario on the stage of `stage_kivy`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncguest
from extra_threads import nothing_is_found_on_another_thread


def an_app_that_is_run_by_asyncio(stage: Any) -> None:
    """`await app.async_run()`: the host is asyncio, and Kivy is not in its way."""
    from asyncguest.hosts.asyncio import AsyncioHost

    found: list[Any] = []

    async def main() -> str:
        await asyncio.sleep(0.05)
        return "done"

    async def program() -> None:
        stage.later(0.05, start)
        await stage.app.async_run("asyncio")

    def start() -> None:
        found.append(asyncguest.start(main, done_callback=lambda task: stage.quit()))

    asyncio.run(program())
    assert type(found[0].host) is AsyncioHost and found[0].task.result() == "done"


def start_is_called_in_on_start(stage: Any) -> None:
    """The app is prepared, and its loop does not run yet."""
    from asyncguest.hosts.kivy import KivyHost

    found: list[Any] = []

    def started(app: Any) -> None:
        found.append(asyncguest.start(asyncio.sleep, 0.02, "done", done_callback=lambda task: stage.quit()))

    stage.app.bind(on_start=started)
    stage.app.run()
    assert type(found[0].host) is KivyHost and found[0].task.result() == "done"


def widgets_are_there_at_the_end(stage: Any) -> None:
    """A guest's clean-up may use them."""
    seen: list[bool] = []

    async def main() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            seen.append(stage.label in stage.window.children)

    guest = asyncguest.Guest(stage.host)
    guest.start(main)
    stage.later(0.05, stage.quit)
    stage.app.run()
    assert guest.state == "ended" and seen == [True]


EXTRA = {
    function.__name__: function
    for function in (
        an_app_that_is_run_by_asyncio,
        start_is_called_in_on_start,
        widgets_are_there_at_the_end,
        nothing_is_found_on_another_thread,
    )
}
