"""USERS 17: fifty guests on one thread, and eight threads with guests: all finish, each with its own state."""

from __future__ import annotations

import asyncio
import random
import threading

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import FULL, run_guest

RUNS = 1000 if FULL else 200


async def work(index, count):
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    rng = random.Random(index)
    for _ in range(count):
        await asyncio.sleep(rng.choice((0, 0, 0.001, 0.002)))
        assert asyncio.get_running_loop() is loop and asyncio.current_task() is task
    return await asyncio.to_thread(lambda: index)


def many_on_this_thread(drive, guests, count, first=0):
    host = QueueHost(drive)
    ended = []

    def done(task):
        ended.append(task.result())
        if len(ended) == guests:
            host.stop()

    for index in range(first, first + guests):
        asyncguest.Guest(host, done_callback=done, debug=False).start(work, index, count)
    host.run()
    host.close()
    assert sorted(ended) == list(range(first, first + guests))


@pytest.mark.slow
def test_fifty_guests_on_one_thread(drive):
    many_on_this_thread(drive, 50, 20)


@pytest.mark.once
@pytest.mark.slow
def test_eight_threads_with_guests(drive):
    failed = []

    def thread(number):
        try:
            for _ in range(3):
                many_on_this_thread(drive, 4, 10, number * 100)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=thread, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failed == []


def test_guests_of_several_threads_call_each_other(drive):
    # call_soon_threadsafe and run_coroutine_threadsafe from one guest's thread into another's.
    count = 4
    loops, ready = [None] * count, threading.Barrier(count)
    results, failed = [0] * count, []

    async def add(index, n):
        await asyncio.sleep(0)
        results[index] += n

    async def main(index):
        loops[index] = asyncio.get_running_loop()
        await asyncio.to_thread(ready.wait)
        for _ in range(20):
            for other in range(count):
                if other != index:
                    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(add(other, 1), loops[other]))
        await asyncio.to_thread(ready.wait)

    def thread(index):
        try:
            run_guest(main, index, drive=drive, debug=False)
        except BaseException as error:
            failed.append(error)
            ready.abort()

    threads = [threading.Thread(target=thread, args=(index,)) for index in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failed == []
    assert results == [20 * (count - 1)] * count


@pytest.mark.slow
def test_many_short_runs_one_after_the_other(drive):
    # Nothing grows: fds and threads are looked at by the fixture around each test.
    async def main(n):
        await asyncio.sleep(0)
        return n

    host = QueueHost(drive)
    ended = []

    def start():
        asyncguest.Guest(host, done_callback=done, debug=False).start(main, len(ended))

    def done(task):
        ended.append(task.result())
        host.post(start) if len(ended) < RUNS else host.stop()

    start()
    host.run()
    host.close()
    assert ended == list(range(RUNS))
