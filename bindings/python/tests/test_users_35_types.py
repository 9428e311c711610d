"""USERS 35: no types. Here: a user's program passes `mypy --strict` against the installed package, and a wrong one does not."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import asyncguest
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed here"),
]

GOOD = """
from __future__ import annotations

import asyncio
import tkinter
from collections.abc import Callable
from typing import Any, assert_type

import asyncguest
from asyncguest.hosts.queue import QueueHost


async def fetch(url: str, retries: int) -> bytes:
    await asyncio.sleep(0)
    return url.encode() * retries


class Window(asyncguest.Host):
    name = "window"

    def post(self, job: Callable[[], object]) -> None:
        job()


def compute(report: asyncguest.Report, path: str) -> float:
    report(1, path)
    return 0.5


async def widgets(button: tkinter.Button, text: tkinter.StringVar) -> None:
    word: str = await asyncguest.event(text)
    with asyncguest.events(button, "<Key>", keep="latest") as keys:
        async for key in keys:
            assert_type(key, tkinter.Event[Any])
    assert_type(await asyncguest.in_thread(compute, word, on_progress=print), float)
    scope = asyncguest.Scope(button, deadline=1.0)
    fetched: asyncio.Task[bytes] = scope.start_soon(fetch, "url", 1)
    print(fetched, await asyncguest.dialog(button))


def done(task: asyncio.Task[bytes]) -> None:
    print(task.result().decode())


def main() -> None:
    host = QueueHost("fd")
    guest = asyncguest.Guest(host, done_callback=done, name="downloads", stall_after=1.0)
    task: asyncio.Task[bytes] = guest.start(fetch, "url", 3)
    other: asyncio.Task[bytes] = guest.start_soon(fetch, "url", 3, eager=False)
    body: bytes = other.result()
    state: str = guest.state
    loop: asyncio.AbstractEventLoop = guest.loop
    loop.call_soon(print, "x")
    ended: bool = guest.shutdown(1.0)
    figures: asyncguest.GuestStats = guest.stats()
    percentile: float = figures.delivery_latency.percentile(99)
    started: asyncio.Task[bytes] = asyncguest.start_guest_run(
        fetch, "url", 3, run_sync_soon_threadsafe=host.post, done_callback=done
    )
    current: asyncguest.Guest = asyncguest.current_guest()
    found: asyncguest.Guest = asyncguest.start(
        fetch, "url", 3, host=host, done_callback=done, name="downloads", on_stall=print, batch_budget=0.002
    )
    found.cancel()
    Window()
    clicked: Callable[..., None] = asyncguest.slot(fetch, "url", busy="drop")
    clicked(3)
    host.run()
    print(task, body, state, ended, percentile, started, current, asyncguest.run(fetch("url", 1)))
"""

# Each line that is wrong, with the kind of error that has to be found there.
BAD = """
import asyncio
import asyncguest
from asyncguest.hosts.queue import QueueHost

async def fetch(url: str) -> bytes:
    return url.encode()

guest = asyncguest.Guest(QueueHost())
guest.start(fetch("url"))  # [arg-type]
guest.start(print)  # [arg-type]
guest.start_soon(fetch, "url", egaer=True)  # [call-arg]
wrong: asyncio.Task[str] = guest.start(fetch, "url")  # [arg-type]
guest.start(fetch, 7)  # [arg-type]
asyncguest.Guest(7)  # [arg-type]
asyncguest.Guest(QueueHost(), batch_budget="soon")  # [arg-type]
guest.no_such_method()  # [attr-defined]
asyncguest.start_guest_run(fetch, "url", run_sync_soon_threadsafe=print)  # [call-arg]
asyncguest.start(fetch, "url", done_calback=print)  # [call-arg]
asyncguest.start(fetch, "url", done_callback="print")  # [arg-type]
asyncguest.start(fetch, "url", batch_budget="soon")  # [arg-type]
asyncguest.start(fetch, 7)  # [arg-type]
asyncguest.slot(print)  # [arg-type]
asyncguest.slot(fetch, busy="wait")  # [arg-type]
asyncguest.Scope(closing=True)  # [call-arg]
asyncguest.events(guest, "x", keep="newest")  # [call-overload]
asyncguest.in_thread(len, "x")  # [arg-type]
"""

GOOD_TRIO = """
from typing import assert_type

import asyncguest
from asyncguest.guests.trio import TrioGuest, start
from asyncguest.hosts.queue import QueueHost
from outcome import Outcome


async def fetch(url: str) -> bytes:
    return url.encode()


def done(outcome: Outcome[bytes]) -> None:
    print(outcome.unwrap().decode())


class Window(asyncguest.Host):
    def attached(self, guest: asyncguest.Resident) -> None:
        print(guest.host_thread, guest.state, guest.shutdown(1.0))


guest: TrioGuest[bytes] = start(fetch, "url", host=QueueHost(), done_callback=done, strict_exception_groups=True)
assert_type(guest.outcome.unwrap(), bytes)
Window().attached(guest)
Window().attached(asyncguest.Guest(QueueHost()))
"""

BAD_TRIO = """
from asyncguest.guests.trio import start

async def fetch(url: str) -> bytes:
    return url.encode()

start(fetch, 7)  # [arg-type]
start(fetch("url"))  # [arg-type]
start(fetch, "url", clok=None)  # [call-arg]
start(fetch, "url", done_callback="print")  # [arg-type]
start(fetch, "url").outcome.unwrap().no_such_method()  # [attr-defined]
"""


def mypy(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "program.py").write_text(textwrap.dedent(text))
    # In a source checkout the package is found by PYTHONPATH, which mypy does not read.
    root = Path(asyncguest.__file__).parent.parent
    environment = dict(os.environ)
    if root.name == "src":
        environment["MYPYPATH"] = str(root)
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--follow-imports=silent", "program.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert found.stderr == "", found.stderr
    return found.stdout.splitlines()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("good", "bad"), [(GOOD, BAD), (GOOD_TRIO, BAD_TRIO)], ids=["asyncio", "trio"])
def test_a_good_program_passes_and_a_bad_one_is_caught(good: str, bad: str, tmp_path: Path) -> None:
    """One run of mypy each, in one test: the second uses the first one's cache."""
    if good is GOOD_TRIO:
        pytest.importorskip("trio", reason="trio has no wheel for this interpreter")
    assert mypy(tmp_path, good) == []
    errors = mypy(tmp_path, bad)
    lines = textwrap.dedent(bad).splitlines()
    expected = {number: line.rsplit("# ", 1)[1] for number, line in enumerate(lines, 1) if "# [" in line}
    found = {int(error.split(":")[1]): error for error in errors if ": error:" in error}
    assert set(found) == set(expected), errors
    for number, kind in expected.items():
        assert kind in found[number] or "overload" in found[number], f"{found[number]} instead of {kind}"
