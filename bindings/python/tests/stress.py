"""Random things that a program does, in a random order: guests that begin and end in one host, dialogs in dialogs, streams,
slots, scopes, events, threads, cancellations, and shutdowns at any moment.

What must hold whatever the order: a callback that was accepted runs once, in its turn, or its run has ended; no timer is early;
what a stream echoes is what was sent; tasks and callbacks find their own loop; a run's `done_callback` comes once, when all its
tasks are done. One seed is one episode: what is drawn depends on it, and when things happen on the machine.

    python stress.py FIRST_SEED COUNT
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import random
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import asyncguest
from asyncguest import Scope, event, events, slot
from asyncguest.hosts.queue import QueueHost
from stress_operations import OPERATIONS, Boom

BUSY = ("overlap", "drop", "restart", "queue")
STEPS = 60
# As long as anything may take on a machine that does other things too.
SECONDS = 30


class Signal:
    """Of no toolkit's."""

    def __init__(self):
        self.slots = []
        self.connect, self.disconnect = self.slots.append, self.slots.remove

    def emit(self, *args):
        for function in list(self.slots):
            function(*args)


class World:
    """One host, its guests, and what was wrong."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.host = QueueHost(self.rng.choice(["fd", "thread"]))
        self.thread = threading.get_ident()
        self.pool = ThreadPoolExecutor(2)
        self.signal = Signal()
        self.guests = []
        self.wrong = []
        #: What was done, for who looks for a fault.
        self.log = []
        #: How many dialogs are open.
        self.depth = 0
        self.steps = 0

    def play(self):
        """Returns what was wrong."""
        self.begin()
        while self.steps < STEPS and not self.wrong:
            self.host.post(self.handler)
            self.host.run_once(self.rng.choice([0, 0, 0.001, 0.003]))
        self.wait(lambda: not any(guest.owes() for guest in self.guests), "never came")
        for guest in self.guests:
            guest.end.set()
            if self.rng.random() < 0.5:
                guest.cancel()
        self.wait(lambda: all(guest.ended for guest in self.guests), "do not end")
        for guest in self.guests:
            if not guest.ended:
                guest.guest.shutdown(1)
        self.pool.shutdown()
        self.host.run_once(0)
        self.host.close()
        return self.wrong

    def wait(self, holds, otherwise):
        self.steps = STEPS  # nothing new is done
        until = time.monotonic() + SECONDS
        while not holds() and not self.wrong:
            self.host.run_once(0.01)
            if time.monotonic() > until:
                self.wrong.append(f"{otherwise}: {[(str(guest.guest), guest.owes()) for guest in self.guests]}")

    def check(self, holds, what):
        if not holds:
            self.wrong.append(f"{what}\n{''.join(traceback.format_stack(limit=12))}")

    def begin(self):
        if sum(not guest.ended for guest in self.guests) < 3:
            self.guests.append(Guest(self, len(self.guests)))
            self.guests[-1].guest.start(self.guests[-1].main)

    def living(self):
        return [guest for guest in self.guests if guest.is_alive]

    def handler(self):
        """The host's own, which may raise nothing."""
        try:
            for _ in range(self.rng.randint(1, 3)):
                self.act(None)
        except Exception:
            self.wrong.append(traceback.format_exc())

    def act(self, inside):
        """One random thing, in the code of the guest `inside`, or the host's."""
        if self.steps >= STEPS:
            return
        self.steps += 1
        living = self.living()
        if not living:
            if inside is None:
                self.begin()
            return
        guest, operation = self.rng.choice(living), self.rng.choice(OPERATIONS)
        where = f"{inside.number}" if inside else "the host"
        self.log.append(f"{operation.__name__} of {guest.number} in {where}, {self.depth} dialogs")
        operation(self, guest, inside)


class Guest:
    """One run of asyncio, and what it was promised."""

    def __init__(self, world, number):
        self.world, self.number, rng = world, number, world.rng
        self.ended = False
        #: Callbacks that have to come, by their tickets.
        self.owed = {}
        self.tickets = itertools.count()
        self.tasks = []
        self.sockets = []
        self.port = None
        self.end = asyncio.Event()
        #: The main function survives one cancellation.
        self.swallows = rng.random() < 0.2
        options = {"batch_budget": rng.choice([0.0002, 0.005]), "max_nesting": rng.choice([2, 64])}
        if rng.random() < 0.3:
            options["debug"] = True
        if sys.version_info >= (3, 12) and rng.random() < 0.3:
            options["loop_factory"] = self.eager
        self.guest = asyncguest.Guest(world.host, done_callback=self.done, name=f"g{number}", **options)

    @staticmethod
    def eager():
        loop = asyncguest.EventLoop()
        loop.set_task_factory(asyncio.eager_task_factory)
        return loop

    @property
    def is_alive(self):
        return self.port is not None and self.guest.state == "running" and not self.guest.task.done()

    def cancel(self):
        self.swallows = False
        return self.guest.cancel()

    def owes(self):
        return list(self.owed.values()) if self.is_alive else []

    async def main(self):
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self.trouble)
        self.slots = [slot(functools.partial(self.slotted, busy), busy=busy) for busy in BUSY]
        self.running = dict.fromkeys(BUSY, 0)
        self.scope = Scope()
        server = await asyncio.start_server(self.echo, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            try:
                await self.end.wait()
            except asyncio.CancelledError:
                if not self.swallows:
                    raise
                self.swallows = False
                await self.end.wait()
        finally:
            server.close()
            await asyncio.sleep(0)

    def done(self, task):
        check = self.world.check
        check(threading.get_ident() == self.world.thread, "done_callback on another thread")
        check(not self.ended, "done_callback twice")
        check(self.guest.loop.is_closed(), "done_callback before the loop was closed")
        check(all(each.done() for each in self.tasks), f"tasks are left: {self.tasks}")
        check(task.cancelled() or task.exception() is None, f"the main task has failed: {task}")
        self.ended = True
        for each in self.sockets:
            each.close()

    def trouble(self, loop, context):
        error = context.get("exception")
        if isinstance(error, (Boom, asyncguest.NestingLimit)):
            return
        if "transport creation" in context["message"] and isinstance(error, AssertionError):
            return  # asyncio's: a server was closed while it accepted
        if isinstance(error, asyncio.CancelledError) and sys.version_info < (3, 13):
            return  # asyncio's: a handler of streams was cancelled
        self.world.check(False, f"{context} {''.join(traceback.format_exception(error)) if error else ''}")

    def accept(self, what):
        """A callback that has to come once, in its turn. Its `ticket` takes that back."""
        ticket = next(self.tickets)
        self.owed[ticket] = what

        def come():
            check = self.world.check
            check(self.owed.pop(ticket, None) or self.ended, f"{what} came twice, or after it was cancelled")
            check(asyncio.get_running_loop() is self.guest.loop, f"{what} finds the running loop of another")

        come.ticket = ticket
        return come

    # ---- what tasks do

    def start(self, async_fn, *args, eager=True):
        self.tasks.append(self.guest.start_soon(async_fn, *args, eager=eager))

    async def work(self, kind="plain"):
        rng, loop = self.world.rng, self.guest.loop
        for _ in range(rng.randint(1, 4)):
            what = rng.choice(["sleep", "sleep", "sleep", "timeout", "group", "executor", "nothing"])
            if what == "sleep":
                await asyncio.sleep(rng.choice([0, 0, 0.0005, 0.002]))
            elif what == "timeout":
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.001):
                        await asyncio.sleep(rng.choice([0, 0.001, 1]))
            elif what == "group":
                async with asyncio.TaskGroup() as group:
                    for _ in range(2):
                        group.create_task(asyncio.sleep(rng.choice([0, 0.001])))
            elif what == "executor":
                await asyncio.to_thread(time.sleep, 0.0005)
            self.world.check(asyncio.get_running_loop() is loop, "a task finds the running loop of another")
            self.world.act(self)
        if kind == "boom":
            raise Boom
        try:
            await asyncio.sleep(0.001)
        finally:
            await asyncio.sleep(0)

    async def slotted(self, busy, *args):
        self.running[busy] += 1
        try:
            self.world.check(busy == "overlap" or self.running[busy] == 1, f"a slot with busy={busy} runs twice")
            await asyncio.sleep(self.world.rng.choice([0, 0, 0.001]))
            self.world.act(self)
            await asyncio.sleep(0)
        finally:
            self.running[busy] -= 1

    async def echo(self, reader, writer):
        try:
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def talk(self, port, lines, is_rude):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        try:
            for number in range(lines):
                data = b"%d:" % number + b"x" * self.world.rng.choice([1, 100, 70_000])
                writer.write(data)
                self.world.check(await reader.readexactly(len(data)) == data, "another echo than what was sent")
                if is_rude and number:
                    writer.transport.abort()
                self.world.act(self)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def listen(self, often):
        self.world.check(await event(self.world.signal) == 1, "an event has another value")
        with events(self.world.signal) as stream:
            for _ in range(often):
                self.world.check(await stream.next() == 1, "an event has another value")

    async def generate(self):
        async def numbers():
            try:
                for number in range(5):
                    yield number
                    await asyncio.sleep(0)
            finally:
                await asyncio.sleep(0)

        async for number in numbers():
            if number == 2:
                break


if __name__ == "__main__":
    first, count = map(int, sys.argv[1:])
    for seed in range(first, first + count):
        world = World(seed)
        if world.play():
            sys.exit(f"seed {seed}: {world.wrong[0]}\n" + "\n".join(world.log[-20:]))
