"""Contract 18, USERS 14: a host that drops, doubles, inlines, delays and refuses posts loses and doubles no callback.

Each test has four runs at once, on threads of their own and with seeds of their own. Their hosts ask for lost posts
again after 2 ms, so that a short test meets many faults; the last tests keep the library's own quarter of a second.
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import asyncguest
import pytest
from asyncguest.hosts.chaos import ChaosError, ChaosHost
from asyncguest.hosts.queue import QueueHost
from helpers import FULL

TICKS = 1_000_000 if FULL else 20_000
SEEDS = range(4)
FAULTS = {"dropped", "doubled", "inlined", "failed", "late"}


@pytest.fixture(autouse=True)
def quiet(caplog):
    """The library says that posts fail and threads are wrong. It is right."""
    caplog.set_level("CRITICAL", logger="asyncguest")


def run_in_chaos(main, drive, seed, budget=0.0005, repost_after=0.002, **shares):
    """`main()` in a chaos host: its outcome, the host's faults and how often `done_callback` came."""
    host = ChaosHost(QueueHost(drive), seed=seed, repost_after=repost_after, **shares)
    done = []

    def on_done(task):
        assert threading.get_ident() == thread
        done.append(task)
        host.inner.stop()

    thread = threading.get_ident()
    guest = asyncguest.Guest(host, done_callback=on_done, batch_budget=budget, debug=False)
    guest.start(main)
    host.inner.run()
    host.inner.run_once(0)  # what the end has left in the queue: deliveries of a guest that is over
    host.inner.close()
    assert len(done) == 1 and guest.state == "ended"
    return done[0].result(), host.faults


def run_all(main, drive, **options):
    """The same with each seed, at once; returns the outcomes, and the faults together."""
    with ThreadPoolExecutor(len(SEEDS)) as pool:
        runs = [pool.submit(run_in_chaos, main, drive, seed, **options) for seed in SEEDS]
        outcomes = [run.result() for run in runs]
    faults = sum((faults for _, faults in outcomes), start=type(outcomes[0][1])())
    return [outcome for outcome, _ in outcomes], faults


@pytest.mark.slow
@pytest.mark.timeout(600 if FULL else 60)
def test_ticks_all_come_in_order(drive):
    async def main():
        loop = asyncio.get_running_loop()
        seen = []
        for i in range(TICKS // len(SEEDS)):
            loop.call_soon(seen.append, i)
            await asyncio.sleep(0)
        return seen

    outcomes, faults = run_all(main, drive)
    assert all(seen == list(range(TICKS // len(SEEDS))) for seen in outcomes)
    assert faults["late"] > 10, faults


@pytest.mark.slow
def test_callbacks_from_four_threads_come_once_and_in_each_threads_order(drive):
    count = 20_000 if FULL else 500

    async def main():
        loop = asyncio.get_running_loop()
        seen = {name: [] for name in range(4)}
        all_sent = asyncio.Event()

        def send(name):
            pause = random.Random(name)
            for i in range(count):
                loop.call_soon_threadsafe(seen[name].append, i)
                if pause.random() < 0.01:
                    gate.wait(pause.random() * 0.002)
            if name == 3:
                for thread in threads[:3]:
                    thread.join()
                loop.call_soon_threadsafe(all_sent.set)

        gate = threading.Event()
        threads = [threading.Thread(target=send, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        await all_sent.wait()
        threads[3].join()
        return seen

    outcomes, _ = run_all(main, drive)
    for seen in outcomes:
        assert all(numbers == list(range(count)) for numbers in seen.values())


@pytest.mark.slow
def test_every_kind_of_source_survives_and_every_fault_has_happened(drive):
    async def echo(end, rounds):
        for _ in range(rounds):
            await end.sendall(await end.recv())

    class End:
        def __init__(self, sock):
            self._sock = sock
            self._loop = asyncio.get_running_loop()
            sock.setblocking(False)

        async def recv(self):
            return await self._loop.sock_recv(self._sock, 100)

        async def sendall(self, data):
            await self._loop.sock_sendall(self._sock, data)

    async def talk():
        ours, theirs = socket.socketpair()
        with ours, theirs:
            echoing = asyncio.create_task(echo(End(theirs), 60))
            end = End(ours)
            answers = []
            for i in range(60):
                await end.sendall(b"%d" % i)
                answers.append(int(await end.recv()))
            await echoing
            return answers

    async def sleep(seconds):
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        await asyncio.sleep(seconds)
        return loop.time() - due

    async def main():
        loop = asyncio.get_running_loop()
        dice = random.Random(5)
        answers = asyncio.create_task(talk())
        late = asyncio.gather(*(sleep(dice.random() * 0.2) for _ in range(40)))
        jobs = asyncio.gather(*(loop.run_in_executor(None, pow, 2, i) for i in range(20)))
        return await answers, await late, await jobs

    outcomes, faults = run_all(main, drive)
    for answers, late, jobs in outcomes:
        assert answers == list(range(60))
        assert min(late) > -1e-6, "a timer was early"
        assert jobs == [2**i for i in range(20)]
    assert set(faults) == FAULTS, faults


def test_cancelling_and_failing_main_tasks_end_cleanly(drive):
    async def cancelled():
        asyncio.get_running_loop().call_later(0.01, asyncio.current_task().cancel)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)

    async def failing():
        await asyncio.sleep(0.01)
        raise LookupError("on purpose")

    for main, error in ((cancelled, asyncio.CancelledError), (failing, LookupError)):
        with pytest.raises(error):
            run_in_chaos(main, drive, seed=3)


def test_inlined_posts_are_noticed_and_come_again_at_once():
    """The guest must not run on the posting thread; but a call there tells it at once that the post went wrong."""
    host = ChaosHost(
        seed=1, drop=0, double=0, fail=0, inline=0.3, repost_after=3600
    )  # to wait as for a lost one is to hang
    guest = asyncguest.Guest(host, done_callback=host.inner.stop)
    threads = set()

    async def main():
        for _ in range(30):
            await asyncio.sleep(0.001)
            threads.add(threading.get_ident())

    guest.start(main)
    host.inner.run()
    host.inner.close()
    assert threads == {threading.get_ident()}
    assert guest.stats().inlined_tokens == host.faults["inlined"] > 5


def test_a_dropped_or_refused_post_is_counted_and_posted_again():
    host = ChaosHost(seed=4, drop=0.3, fail=0.3, double=0, inline=0)
    guest = asyncguest.Guest(host, done_callback=host.inner.stop)

    async def main():
        for _ in range(4):
            await asyncio.sleep(0.001)

    guest.start(main)
    host.inner.run()
    host.inner.close()
    stats = guest.stats()
    assert stats.reposts >= host.faults["dropped"] + host.faults["failed"] > 0
    assert stats.post_failures == host.faults["failed"]


def test_bad_arguments():
    inner = QueueHost("thread")
    with pytest.raises(ValueError, match="at most 1"):
        ChaosHost(inner, drop=0.9, fail=0.2)
    with pytest.raises(ValueError, match="cannot watch"):
        ChaosHost(inner, drive="fd")
    with pytest.raises(ValueError, match='"fd" or "thread"'):
        ChaosHost(inner, drive="sideways")
    host = ChaosHost(inner, fail=1, drop=0, double=0, inline=0)
    with pytest.raises(ChaosError):
        host.post(print)
    inner.close()
