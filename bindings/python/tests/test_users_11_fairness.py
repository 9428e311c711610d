"""USERS 11: a guest with very much to do starves neither the host's window nor itself."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import deque

import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run

BUDGET = 0.004


CALLBACK = 5e-6


def spend(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


class Window(QueueHost):
    """A queue host that notes how many callbacks of the guest come between two of its turns.

    That is what a repaint waits for. Each callback takes CALLBACK at least by the clock of the budget: on a machine that
    does other things too there are fewer of them, never more.
    """

    def __init__(self, drive):
        super().__init__(drive)
        self.turns = []
        self.callbacks = 0

    def spend(self):
        spend(CALLBACK)
        self.callbacks += 1

    def run_once(self, timeout=None):
        before = self.callbacks
        super().run_once(timeout)
        self.turns.append(self.callbacks - before)

    def check(self, total):
        assert self.callbacks == total
        assert max(self.turns) <= (BUDGET + 0.001) / CALLBACK, sorted(self.turns)[-5:]


@pytest.mark.once
@pytest.mark.slow
def test_20_000_callbacks_of_5_us(drive):
    host = Window(drive)
    run = Run(host=host, batch_budget=BUDGET, debug=False)

    async def main():
        loop = asyncio.get_running_loop()
        finished = loop.create_future()
        for _ in range(20_000):
            loop.call_soon(host.spend)
        loop.call_soon(finished.set_result, None)
        await finished

    run.start(main)
    run.finish()
    host.check(20_000)


@pytest.mark.once
@pytest.mark.slow
def test_a_storm_of_sleep_0(drive):
    host = Window(drive)
    run = Run(host=host, batch_budget=BUDGET, debug=False)

    async def storm():
        for _ in range(20_000):
            host.spend()
            await asyncio.sleep(0)

    run.start(storm)
    run.finish()
    host.check(20_000)


def test_a_socket_is_heard_in_the_storm(drive):
    # Fairness inside the guest: readiness and timers come between the ticks of the storm.
    import socket

    run = Run(drive)
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)

    async def main():
        loop = asyncio.get_running_loop()
        stop = False

        async def storm():
            while not stop:
                await asyncio.sleep(0)

        storms = [loop.create_task(storm()) for _ in range(5)]
        for i in range(50):
            a.send(bytes([i]))
            assert await asyncio.wait_for(loop.sock_recv(b, 1), 10) == bytes([i])
            await asyncio.sleep(0.0005)
        stop = True
        await asyncio.gather(*storms)

    run.start(main)
    run.finish()
    a.close()
    b.close()


def test_the_hosts_jobs_keep_their_order_and_get_their_turns_in_the_storm(drive):
    run, jobs = Run(drive, batch_budget=BUDGET), []

    async def main():
        while len(jobs) < 100:
            await asyncio.sleep(0)

    def job():
        jobs.append(len(jobs))
        if len(jobs) < 100:
            run.host.post(job)

    run.start(main)
    run.host.post(job)
    run.finish()
    assert jobs == list(range(100))


def test_one_burst_is_cut_and_keeps_its_order(drive):
    run, order = Run(drive, batch_budget=0.001), []
    jobs_seen_at = deque()

    async def main():
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        for i in range(2000):
            loop.call_soon(lambda i=i: (order.append(i), spend(5e-6)))
        loop.call_soon(done.set_result, None)
        await done

    def job():
        jobs_seen_at.append(len(order))
        if not run.done:
            run.host.post(job)

    run.host.post(job)
    run.start(main)
    run.finish()
    assert order == list(range(2000))
    assert any(0 < n < 2000 for n in jobs_seen_at), "the host had no turn inside the burst"
    assert run.guest.stats().budget_spent > 3


def test_no_thread_is_starved_by_a_loop_that_is_never_at_rest(drive):
    """The lock changes hands between two deliveries: what a host's polls leave of it is too short for a thread to wake up."""
    enough, hands = 20, 0
    run = Run(drive)

    def other():
        nonlocal hands
        while hands < enough and not run.done:
            time.sleep(0.0005)  # without the lock, for which it then waits
            hands += 1

    async def main():
        while hands < enough and run.guest.stats().budget_spent < 10 * enough:
            spend(CALLBACK)
            await asyncio.sleep(0)

    thread = threading.Thread(target=other)
    before = sys.getswitchinterval()
    sys.setswitchinterval(60)  # no thread gets it by asking
    try:
        run.start(main)
        thread.start()
        run.finish()
    finally:
        sys.setswitchinterval(before)
    thread.join()
    assert hands == enough, f"{hands} times in {run.guest.stats().budget_spent} deliveries that were full"
