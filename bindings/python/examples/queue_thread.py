"""asyncio on a worker thread of its own, with other threads that send it work."""

from __future__ import annotations

import asyncio
import threading

import asyncguest
from asyncguest.hosts.queue import QueueHost


class Worker:
    """A thread with a guest. `close` ends it, after the clean-up of whatever still runs."""

    def __init__(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,))
        self._thread.start()
        ready.wait()

    def _run(self, ready: threading.Event) -> None:
        host = QueueHost()
        self.guest = asyncguest.Guest(host, done_callback=host.stop)
        self.guest.start(asyncio.Event().wait)  # until it is cancelled
        ready.set()
        host.run()
        host.close()

    def close(self) -> None:
        self.guest.cancel()  # may be called on any thread
        self._thread.join()


async def square(number: int) -> int:
    await asyncio.sleep(0.01)
    return number * number


worker = Worker()
futures = [asyncio.run_coroutine_threadsafe(square(number), worker.guest.loop) for number in range(5)]
print([future.result() for future in futures])
worker.close()
