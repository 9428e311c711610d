"""Who may handle completions? The same work for asyncio's proactor loop by two designs, and what each has lost of it.

    python handoff.py [--operations N] [--seed N] [guest|thread]

    guest    asyncguest: its thread waits until the completion port has something, and takes nothing from it
    thread   the principle of CPython's proposal: a second thread runs `select`, which takes completions and handles them,
             while the host thread may begin and cancel operations

The host is a queue, whose own code plays a user: in each turn it asks a peer for answers, begins to receive them, and cancels
half of that at once, from where it stands, as a button's handler does. Prints a line for each: how many operations were begun
and cancelled, and how many never ended. That is looked at when all are over: who waits for one in vain goes on with another
connection meanwhile, so that a design that loses many takes no longer.
For Windows; under wine: scripts/portability.sh in "wine /winpython/cp313/python.exe benches/windows/handoff.py".
"""

from __future__ import annotations

import argparse
import asyncio
import os
import queue
import random
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

CONNECTIONS = 32
#: Seconds after which a user who waits takes another connection.
PATIENCE = 0.5
#: Seconds at the end, after which an operation that should have ended counts as lost.
DEADLINE = 30.0


class Design(Protocol):
    """A loop as the guest of a queue of jobs."""

    loop: Any
    proactor: Any
    #: 1 if the loop has a self-pipe.
    reads_itself: int
    #: What has gone wrong outside of any operation, by its kind.
    errors: Counter[str]

    def spawn(self, coroutine: Any) -> asyncio.Task[Any]: ...
    def turn(self) -> None:
        """One turn of the host: the jobs that are there, or a short wait for one."""


class ByGuest:
    """`asyncguest`, in drive THREAD."""

    def __init__(self) -> None:
        import asyncguest
        from asyncguest.hosts.queue import QueueHost

        self.errors: Counter[str] = Counter()
        self.reads_itself = 0
        self._host = QueueHost("thread")
        self._guest = asyncguest.Guest(self._host, done_callback=self._host.stop)
        self._guest.start(self._main)
        self.loop: Any = self._guest.loop
        self.proactor = self.loop._proactor
        self.loop.set_exception_handler(lambda loop, context: self.errors.update([context["message"]]))

    async def _main(self) -> None:
        await asyncio.get_running_loop().create_future()

    def spawn(self, coroutine: Any) -> asyncio.Task[Any]:
        return self._guest.start_soon(lambda: coroutine)

    def turn(self) -> None:
        self._host.run_once(0.001)


class ByThread:
    """The loop's `select` runs on a thread of its own; then the host runs what is ready, and lets it select again."""

    def __init__(self) -> None:
        proactor_loop: Any = asyncio.ProactorEventLoop  # type: ignore[attr-defined]
        self.errors: Counter[str] = Counter()
        self.reads_itself = 1
        self.loop = proactor_loop()
        self.proactor = self.loop._proactor
        self.loop.set_exception_handler(lambda loop, context: self.errors.update([context["message"]]))
        self.loop._thread_id = threading.get_ident()
        self.loop.call_soon(self.loop._loop_self_reading)
        self._jobs: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._may_select = threading.Semaphore()
        threading.Thread(target=self._select, daemon=True).start()

    def _select(self) -> None:
        while self._may_select.acquire():
            try:
                events = self.loop._selector.select(0 if self.loop._ready else 0.05)
            except Exception as error:  # in the proposal the thread ends by it, and the guest stands still for good
                self.errors.update([f"{type(error).__name__} on the second thread"])
                events = []
            self._jobs.put(lambda events=events: self._run_ready(events))  # type: ignore[misc]

    def _run_ready(self, events: Any) -> None:
        asyncio._set_running_loop(self.loop)
        try:
            self.loop._process_events(events)
            for _ in range(len(self.loop._ready)):
                handle = self.loop._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio._set_running_loop(None)
            self._may_select.release()

    def spawn(self, coroutine: Any) -> asyncio.Task[Any]:
        asyncio._set_running_loop(self.loop)
        try:
            return asyncio.Task(coroutine, loop=self.loop, eager_start=True)
        finally:
            asyncio._set_running_loop(None)

    def turn(self) -> None:
        try:
            self._jobs.get(timeout=0.001)()
        except queue.Empty:
            pass


class User:
    """The host's own code: asks the peer for an answer, begins to receive it, and thinks better of it half of the time."""

    def __init__(self, design: Design, seed: int, address: tuple[str, int]) -> None:
        self.design = design
        self.address = address
        self.chance = random.Random(seed)
        self.socks = [self._connect() for _ in range(CONNECTIONS)]
        #: By connection: the receive under way, and since when.
        self.pending: list[tuple[asyncio.Task[Any], float] | None] = [None] * CONNECTIONS
        #: Those that a user waits for no longer.
        self.late: list[asyncio.Task[Any]] = []
        self.begun = self.cancelled = self.lost = 0
        self.failed: Counter[str] = Counter()

    def _connect(self) -> socket.socket:
        sock = socket.create_connection(self.address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        return sock

    def act(self) -> None:
        """What a user does in one turn."""
        now = time.monotonic()
        for number, sock in enumerate(self.socks):
            under_way = self.pending[number]
            if under_way is None:
                self._drain(sock)
                sock.send(b"x" * 16)
                task = self.design.spawn(self.design.loop.sock_recv(sock, 4096))
                self.begun += 1
                self.pending[number] = task, now
                if self.chance.random() < 0.5:
                    task.cancel()
            elif self._is_over(under_way[0]):
                self.pending[number] = None
            elif now - under_way[1] > PATIENCE:
                self.late.append(under_way[0])
                self.socks[number] = self._connect()
                self.pending[number] = None

    def _drain(self, sock: socket.socket) -> None:
        """Takes the answer to a receive that was cancelled, so that the next one waits."""
        try:
            sock.recv(4096)
        except BlockingIOError:
            pass

    def _is_over(self, task: asyncio.Task[Any]) -> bool:
        if not task.done():
            return False
        if task.cancelled():
            self.cancelled += 1
        elif (error := task.exception()) is not None:
            self.failed.update([type(error).__name__])
        return True

    def strays(self) -> int:
        """How many operations have not come back, cancelled or not, beside the reading of the loop's self-pipe."""
        return len(self.design.proactor._cache) - self.design.reads_itself

    def leave(self) -> None:
        """Waits for what is under way, and for what was cancelled, as long as it comes."""
        until = time.monotonic() + DEADLINE
        left = self.late + [under_way[0] for under_way in self.pending if under_way is not None]
        while (left or self.strays()) and time.monotonic() < until:
            self.design.turn()
            left = [task for task in left if not self._is_over(task)]
        self.lost = len(left)


def answer(ours: socket.socket) -> None:
    """The peer, a process of its own: sends back what comes."""
    with selectors.DefaultSelector() as selector:
        selector.register(ours, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is ours:
                    sock, _ = ours.accept()
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(sock, selectors.EVENT_READ)
                    continue
                sock = key.fileobj  # type: ignore[assignment]
                try:
                    data = sock.recv(65536)
                    sock.sendall(data)
                except ConnectionError:
                    data = b""
                if not data:
                    selector.unregister(sock)
                    sock.close()


DESIGNS: dict[str, Callable[[], Design]] = {"guest": ByGuest, "thread": ByThread}


def play(name: str, operations: int, seed: int, address: tuple[str, int]) -> None:
    design = DESIGNS[name]()
    user = User(design, seed, address)
    began = time.monotonic()
    while user.begun < operations:
        user.act()
        design.turn()
    user.leave()
    trouble = ", ".join(f"{count} x {what}" for what, count in (user.failed + design.errors).most_common())
    print(
        f"{name}: {user.begun} operations begun, {user.cancelled} cancelled, {user.lost} lost, {user.strays()} never came back "
        f"to the proactor; errors: {trouble or 'none'}; {time.monotonic() - began:.0f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--operations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("design", choices=[*DESIGNS, "both"], nargs="?", default="both")
    options = parser.parse_args()
    if options.peer:
        ours = socket.create_server(("127.0.0.1", 0))
        print(ours.getsockname()[1], flush=True)
        answer(ours)
    peer = subprocess.Popen([sys.executable, __file__, "--peer"], stdout=subprocess.PIPE)
    assert peer.stdout is not None
    address = "127.0.0.1", int(peer.stdout.readline())
    sys.setswitchinterval(1e-5)  # threads change places at every opportunity
    for name in DESIGNS if options.design == "both" else [options.design]:
        play(name, options.operations, options.seed, address)
    peer.kill()
    os._exit(0)  # a proactor that has lost an operation waits for it at its end


if __name__ == "__main__":
    main()
