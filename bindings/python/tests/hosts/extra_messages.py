"""A scenario for loops that draw all the time: a guest that talks.

Owns: nothing.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any


def sixty_frames_and_ten_thousand_messages_a_second(stage: Any) -> None:
    """A game whose guest talks: the frames come, the messages too."""
    rate, seconds = 10_000, 0.6
    received = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        while sent < rate * seconds:
            due = int((loop.time() - began) * rate) + 1
            while sent < min(due, rate * seconds):
                writer.write(b"%031d\n" % sent)
                sent += 1
            await writer.drain()
            await asyncio.sleep(0.001)
        writer.close()
        await writer.wait_closed()

    async def main() -> float:
        nonlocal received
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        await asyncio.sleep(0.1)
        stage.frames.clear()
        began = monotonic()
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        while line := await reader.readline():
            assert int(line) == received
            received += 1
        took = monotonic() - began
        writer.close()
        server.close()
        await server.wait_closed()
        return took

    took = stage.play(main, batch_budget=0.004)
    gaps = sorted(later - earlier for earlier, later in zip(stage.frames, stage.frames[1:]))
    stage.figures.update(
        messages_per_s=round(received / took),
        frames_per_s=round(len(stage.frames) / took),
        frame_ms_p50=round(gaps[len(gaps) // 2] * 1000, 1),
        frame_ms_p99=round(gaps[len(gaps) * 99 // 100] * 1000, 1),
    )
    assert received == rate * seconds
    assert len(stage.frames) >= 6, stage.figures  # of at least 0.6 s
