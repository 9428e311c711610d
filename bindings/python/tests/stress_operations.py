"""What `stress.py` draws from. Each operation: `(world, guest, inside)`, the guest that it is about, and the one in whose code it
happens, None for the host's.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import time

import asyncguest


class Boom(Exception):
    """What guest code raises on purpose."""


def call_soon(world, guest, inside):
    first = [guest.accept("call_soon") for _ in range(world.rng.randint(1, 5))]
    for each in first:
        guest.guest.loop.call_soon(each)


def call_soon_in_order(world, guest, inside):
    came = []
    done = guest.accept("in order")

    def come(number):
        came.append(number)
        if number == 4:
            world.check(came == list(range(5)), f"call_soon out of order: {came}")
            done()

    for number in range(5):
        guest.guest.loop.call_soon(come, number)


def call_later(world, guest, inside):
    loop = guest.guest.loop
    for _ in range(world.rng.randint(1, 3)):
        come, when = guest.accept("call_later"), loop.time() + world.rng.choice([-1, 0, 0.0003, 0.002, 0.01])

        def due(come=come, when=when):
            world.check(loop.time() >= when - 1e-6, f"a timer is early by {when - loop.time()}")
            come()

        handle = loop.call_at(when, due)
        if world.rng.random() < 0.3:
            handle.cancel()
            del guest.owed[come.ticket]


def from_a_thread(world, guest, inside):
    come, loop = guest.accept("call_soon_threadsafe"), guest.guest.loop

    def send():
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(come)

    world.pool.submit(send)


def task(world, guest, inside):
    guest.start(guest.work, world.rng.choice(["plain", "plain", "boom"]), eager=world.rng.random() < 0.7)


def create_task(world, guest, inside):
    if guest is inside:
        guest.tasks.append(asyncio.create_task(guest.work()))


def cancel_task(world, guest, inside):
    if guest.tasks:
        world.rng.choice(guest.tasks).cancel()


def dialog(world, guest, inside):
    if world.depth >= 6:
        return
    until = time.monotonic() + world.rng.choice([0, 0.002, 0.01])
    world.depth += 1
    try:
        if world.rng.random() < 0.5:
            world.host.post(world.handler)
        while time.monotonic() < until:
            world.host.run_once(0.005)
    finally:
        world.depth -= 1


def dialog_in_a_callback(world, guest, inside):
    come = guest.accept("dialog")

    def callback():
        come()
        dialog(world, guest, guest)

    guest.guest.loop.call_soon(callback)


def talk(world, guest, inside):
    other = world.rng.choice(world.living())
    guest.start(guest.talk, other.port, world.rng.randint(1, 4), world.rng.random() < 0.3)


def reader(world, guest, inside):
    left, right = socket.socketpair()
    left.setblocking(False)
    loop, come = guest.guest.loop, guest.accept("reader")

    def readable():
        left.recv(10)
        loop.remove_reader(left)
        come()

    guest.sockets += left, right
    loop.add_reader(left, readable)
    right.send(b"x")


def click(world, guest, inside):
    for _ in range(world.rng.randint(1, 3)):
        world.rng.choice(guest.slots)()


def scoped(world, guest, inside):
    guest.tasks.append(guest.scope.start_soon(guest.work))


def cancel_scope(world, guest, inside):
    guest.scope.cancel()


def listen(world, guest, inside):
    guest.start(guest.listen, world.rng.randint(0, 2))


def emit(world, guest, inside):
    for _ in range(world.rng.randint(1, 3)):
        world.signal.emit(1)


def generator(world, guest, inside):
    guest.start(guest.generate)


def collect(world, guest, inside):
    gc.collect(0)


def cancel(world, guest, inside):
    if world.rng.random() < 0.3:
        guest.cancel()


def cancel_from_a_thread(world, guest, inside):
    if world.rng.random() < 0.2:
        world.pool.submit(guest.cancel)


def shutdown(world, guest, inside):
    if world.rng.random() > 0.3:
        return
    guest.swallows = False
    with contextlib.suppress(asyncguest.GuestError):  # it is its own code
        world.check(guest.guest.shutdown(30) and guest.ended, "shutdown() has returned, and the run has not ended")


def stop(world, guest, inside):
    if world.rng.random() < 0.2:
        guest.guest.loop.stop()


def end(world, guest, inside):
    if world.rng.random() < 0.3:
        guest.end.set()


def begin(world, guest, inside):
    if inside is None:
        world.begin()


def step(world, guest, inside):
    guest.guest.deliver()


#: What is there twice or more comes as often.
OPERATIONS = (
    [call_soon, call_later, from_a_thread, task, dialog, talk, click, emit] * 2
    + [call_soon_in_order, task, create_task, cancel_task, dialog_in_a_callback, reader, scoped, cancel_scope, listen]
    + [generator, collect, cancel, cancel_from_a_thread, shutdown, stop, end, begin, step]
)
