"""USERS 15: pinned to one processor, two guests and their threads: both make progress, and idle is idle."""

from __future__ import annotations

import asyncio
import os
import time

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, rests


@pytest.fixture
def one_cpu():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def two_guests(drive, *mains):
    host = QueueHost(drive)
    ended = []

    def done(task):
        ended.append(task)
        if len(ended) == 2:
            host.stop()

    guests = [asyncguest.Guest(host, done_callback=done, debug=False) for _ in mains]
    for guest, main in zip(guests, mains):
        guest.start(main)
    return host, guests


def test_both_make_progress(one_cpu, drive):
    ticks = [0, 0]

    def main(index):
        async def spin():
            while min(ticks) < 5000:
                await asyncio.sleep(0)
                ticks[index] += 1

        return spin

    host, guests = two_guests(drive, main(0), main(1))
    host.run()
    host.close()
    for guest in guests:
        guest.task.result()
    # Delivery by delivery: neither gets ten times what the other has.
    assert max(ticks) < 10 * min(ticks)


def test_a_busy_guest_does_not_hold_up_the_timers_of_the_other(one_cpu, drive):
    waited = []  # in deliveries of the other

    async def sleeper():
        await asyncio.sleep(0)
        for _ in range(50):
            began, deliveries = time.monotonic(), guests[1].stats().batches
            await asyncio.sleep(0.002)
            waited.append(guests[1].stats().batches - deliveries)
            assert time.monotonic() - began >= 0.002, "a timer was early"

    async def spin():
        while len(waited) < 50:
            await asyncio.sleep(0)

    host, guests = two_guests(drive, sleeper, spin)
    host.run()
    host.close()
    guests[0].task.result()
    assert sorted(waited)[25] <= 3, waited


def test_two_that_talk_through_a_socket(one_cpu, drive):
    import socket

    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)

    async def ping():
        loop = asyncio.get_running_loop()
        for i in range(300):
            await loop.sock_sendall(a, b"x")
            assert await loop.sock_recv(a, 1) == b"y"

    async def pong():
        loop = asyncio.get_running_loop()
        for i in range(300):
            assert await loop.sock_recv(b, 1) == b"x"
            await loop.sock_sendall(b, b"y")

    host, guests = two_guests(drive, ping, pong)
    host.run()
    host.close()
    a.close()
    b.close()
    for guest in guests:
        guest.task.result()


def test_idle_is_idle(one_cpu, drive):
    gates = []

    async def main():
        gates.append(asyncio.Event())
        await gates[-1].wait()

    host, guests = two_guests(drive, main, main)
    while len(gates) < 2:
        host.run_once(10)

    def figures():
        return [(stats.batches, stats.io_wakeups) for stats in (guest.stats() for guest in guests)]

    rests(host, figures)
    for gate in gates:
        gate.set()
    host.run()
    host.close()


def test_many_hand_overs_between_the_threads(one_cpu, drive):
    # Each executor job is two hand-overs; on one processor every one of them has to be a real wake-up.
    run = Run(drive, debug=False)

    async def main():
        for i in range(300):
            assert await asyncio.to_thread(lambda: i) == i

    run.start(main)
    run.finish()
