"""What the tests of AsyncioHost share, and some of it with those of TrioHost: asyncio programs to be its host, on CPython's
loop, on uvloop's and on our own.

A test file makes the fixtures known with `warm, host_loops, run_host = asynciohelp.warm, ...`.
"""

from __future__ import annotations

import asyncio

import asyncguest
import pytest

try:
    import uvloop
except ImportError:
    uvloop = None


@pytest.fixture(scope="module", autouse=True)
def warm():
    """libuv's own pipe for signals stays open from the first use on."""
    if uvloop is not None:
        loop = uvloop.new_event_loop()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


@pytest.fixture(params=["asyncio", "uvloop", "asyncguest"])
def host_loops(request):
    """Makes the host's loop."""
    if request.param == "uvloop":
        if uvloop is None:
            pytest.skip("uvloop has no wheel for this interpreter")
        return uvloop.new_event_loop
    return asyncguest.EventLoop if request.param == "asyncguest" else asyncio.new_event_loop


@pytest.fixture
def run_host(host_loops):
    """Runs a coroutine as the host program, and ends as `asyncio.run` does."""

    def run(program):
        loop = host_loops()
        try:
            return loop.run_until_complete(program)
        finally:
            try:
                cancel_all(loop)
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.run_until_complete(loop.shutdown_default_executor())
            finally:
                loop.close()

    return run


def cancel_all(loop):
    """What asyncio.run does at its end."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


async def inner(name):
    await asyncio.sleep(0.01)
    return f"hello {name}"


async def only_its_own_runs_are_waited_for(host, other):
    """A host program, of asyncio or Trio: two hosts of a kind, and a guest of the first."""
    guest = asyncguest.Guest(host)
    told = f"started in this {type(host).__name__}"
    with pytest.raises(asyncguest.GuestError, match=told):
        await host.wait(guest)
    guest.start(inner, "world")
    with pytest.raises(asyncguest.GuestError, match=told):
        await other.wait(guest)
    await host.wait(guest)
    await host.wait(guest)
    await other.wait(guest)  # it is over
    return guest.task.result()
