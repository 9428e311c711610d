"""What the tests of Trio as a guest share: one run in a queue host. Skips those who import it where there is no Trio."""

from __future__ import annotations

import threading
from typing import Any

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost

trio = pytest.importorskip("trio", reason="trio has no wheel for this interpreter")

import sniffio  # noqa: E402
from asyncguest.guests.trio import GuestCancelled, TrioGuest, start  # noqa: E402

__all__ = ["GuestCancelled", "Run", "hello", "sleep_and_clean_up", "sniffio", "start", "trio"]

trio.run(trio.sleep, 0)  # Trio's entry queue opens nothing for good, but its first run imports the rest of it


class Run:
    """One run in a queue host, and what became of it."""

    def __init__(self, host: Any, async_fn: Any, *args: Any, **options: Any) -> None:
        self.host = host if isinstance(host, asyncguest.Host) else QueueHost(host)
        self.queue = getattr(self.host, "inner", self.host)
        self.thread = threading.get_ident()
        self.done: list[Any] = []
        self.guest: TrioGuest[Any] = start(async_fn, *args, host=self.host, done_callback=self._done, **options)
        assert not self.done, "done_callback inside start"

    def _done(self, outcome: Any) -> None:
        assert threading.get_ident() == self.thread, "done_callback on another thread"
        assert self.guest.state == "ended" and self.guest.outcome is outcome
        with pytest.raises(RuntimeError):
            trio.lowlevel.current_trio_token()  # it is really over
        self.done.append(outcome)
        self.queue.stop()

    def until(self, is_so: Any) -> None:
        """Lets the host go on until then."""
        while not is_so():
            self.queue.run_once(10)

    def finish(self) -> Any:
        """Lets the host go on until the end: returns or raises what the main function has."""
        if not self.done:
            self.queue.run()
        self.close()
        (outcome,) = self.done
        return outcome.unwrap()

    def close(self) -> None:
        self.queue.close()


async def sleep_and_clean_up(order: list[str], seconds: float = 0.01) -> None:
    try:
        order.append("begun")
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(seconds)
        order.append("cleaned up")


async def hello(name: str) -> str:
    await trio.sleep(0.001)
    return f"hello {name}"
