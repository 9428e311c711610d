"""A guest in a program that asyncio runs already: two event loops on one thread, side by side.

What for: code that wants a loop of its own (its own exception handler, debug mode, default executor, its own end with
everything cancelled) without a thread of its own.
"""

from __future__ import annotations

import asyncio

from asyncguest.hosts.asyncio import AsyncioHost


async def plugin(name: str) -> str:
    asyncio.create_task(asyncio.sleep(3600))  # forgotten by its author: ends with the plugin's run
    await asyncio.sleep(0.05)
    return f"{name} ran in {type(asyncio.get_running_loop()).__module__.split('.')[0]}"


async def heartbeat() -> None:
    while True:
        await asyncio.sleep(0.01)


async def program() -> None:
    host = AsyncioHost()
    beat = asyncio.create_task(heartbeat())  # the host's own tasks go on meanwhile
    print(await host.run(plugin, "a plugin"))
    print(await asyncio.gather(*(host.run(plugin, f"plugin {number}") for number in range(2))))
    print("the host runs in", type(asyncio.get_running_loop()).__module__.split(".")[0])
    beat.cancel()


asyncio.run(program())
