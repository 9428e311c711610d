"""How a guest gets on stage, and that everything goes on from there."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from scenarios import BOTH, scenario
from stages import Run, Stage


@scenario()
def starts_before_the_loop(stage: Stage) -> None:
    order: list[str] = []

    async def main() -> str:
        order.append("first step")
        await asyncio.sleep(0)
        order.append("second step")
        await asyncio.sleep(0.01)
        return "done"

    def first() -> None:
        Run(stage, main)
        order.append("started")

    stage.enter(first)
    assert stage.runs[0].result() == "done"
    assert order == ["first step", "started", "second step"], order


@scenario("later", libraries=BOTH)
def starts_inside_the_loop(stage: Stage) -> None:
    async def main() -> str:
        await stage.library.sleep(0.01)
        return "done"

    assert stage.later is not None
    stage.enter(lambda: stage.later(0.02, lambda: Run(stage, main)))
    assert stage.runs[0].result() == "done"


@scenario()
def timers_and_sockets_go_on_while_the_window_moves(stage: Stage) -> None:
    chunk, chunks = bytes(8192), 128

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(chunks):
            writer.write(chunk)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def tick() -> None:
        for _ in range(20):
            await asyncio.sleep(0.01)

    async def download(address: tuple[str, int]) -> int:
        reader, writer = await asyncio.open_connection(*address)
        size = len(await reader.read(-1))
        writer.close()
        await writer.wait_closed()
        return size

    async def see_frames(wanted: int) -> int:
        while stage.frames and len(stage.frames) < wanted:  # without a window nothing moves
            await asyncio.sleep(0.005)
        return len(stage.frames)

    async def main() -> list[Any]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        before = len(stage.frames)
        done = await asyncio.gather(download(address), see_frames(before + 10), tick(), download(address))
        server.close()
        await server.wait_closed()
        return done

    began = monotonic()
    size, frames, _, size_again = stage.play(main)
    stage.figures.update(frames=frames, seconds=round(monotonic() - began, 2))
    assert size == size_again == chunks * len(chunk)


@scenario()
def two_guests_share_the_host(stage: Stage) -> None:
    order: list[str] = []

    async def main(name: str, ticks: int) -> str:
        for _ in range(ticks):
            await asyncio.sleep(0.01)
            order.append(name)
        return name

    def first() -> None:
        Run(stage, main, "short", 8)
        Run(stage, main, "long", 16)

    stage.enter(first)
    assert [run.result() for run in stage.runs] == ["short", "long"]
    assert order.count("short") == 8 and order.count("long") == 16
    assert order.index("long") < 8, "both go on at the same time"
    assert order[::-1].index("short") > 0, "the second one goes on when the first is over"


@scenario("is_found", "later", libraries=BOTH)
def start_finds_the_host_by_itself(stage: Stage) -> None:
    """An application or a window is found as soon as it is made; a host without one, when its loop runs."""

    async def main() -> str:
        await stage.library.sleep(0.01)
        return "done"

    guests, ends = [], []

    def done(end: Any) -> None:
        ends.append(end)
        stage.quit()

    def start() -> None:
        guests.append(stage.library.start_found(main, done))

    assert stage.later is not None
    stage.enter(start if stage.close_window is not None else lambda: stage.later(0.02, start))
    (guest,) = guests
    assert type(guest.host) is type(stage.host), f"{guest.host!r} was found"
    assert [stage.library.result(end) for end in ends] == ["done"]
