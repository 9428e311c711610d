"""The timers of the native core of the loop."""

from __future__ import annotations

import asyncio
import collections
import heapq
import weakref
from typing import Any

import asyncguest
import loophelp
import pytest
from loophelp import function, turn

loop = loophelp.loop


@pytest.mark.parametrize("when", (float("nan"), None, "soon", object()))
def test_what_is_no_time_is_refused_before_anything_is_stored(loop: asyncguest.EventLoop, when: Any) -> None:
    timer = loop.call_at(5, function)
    with pytest.raises((TypeError, ValueError)):
        loop.call_at(when, function)
    with pytest.raises((TypeError, ValueError)):
        loop.call_later(when, function)
    assert loop._scheduled == [timer]


def test_a_timer_whose_callback_cannot_be_shown_is_cancelled_all_the_same(loop: asyncguest.EventLoop) -> None:
    class Shy:
        def __call__(self) -> None: ...

        def __repr__(self) -> str:
            raise ZeroDivisionError

    loop.set_debug(True)
    timer = loop.call_later(1000, Shy())
    with pytest.raises(ZeroDivisionError):
        timer.cancel()
    assert timer.cancelled() and not loop._scheduled


@pytest.mark.parametrize("when", (float("inf"), 1e300, 10**300, 1 << 80))
def test_a_time_that_never_comes(loop: asyncguest.EventLoop, when: float) -> None:
    seen: list[int] = []
    timer = loop.call_at(when, seen.append, 1)
    assert timer.when() == when
    turn(loop, 3)
    assert seen == []
    loop.call_at(float("-inf"), seen.append, 2)
    turn(loop)
    assert seen == [2]


@pytest.mark.parametrize("delay", (0, 1, 300))
def test_cancelled_timers_are_not_kept(loop: asyncguest.EventLoop, delay: int) -> None:
    """Also within one iteration, and as a guest between two deliveries."""

    class Payload:
        """What a timer holds."""

    loop.set_debug(False)  # which remembers where each was made, and that takes long
    most, gone = 0, []
    alive: collections.deque[asyncio.TimerHandle] = collections.deque()
    for i in range(100_000):
        alive.append(loop.call_later(1000 + i % 7, function, Payload()))
        if i % 1000 == 0:
            gone.append(weakref.ref(alive[-1]))
        if len(alive) > delay:
            alive.popleft().cancel()
        most = max(most, len(loop._scheduled))
    # Half of them may be cancelled, or a hundred. The one that was asked for last is taken out at once.
    assert most <= (max(2 * (delay + 1), 101) if delay else 1)
    assert loop._timer_cancelled_count <= len(loop._scheduled) <= most
    assert sum(ref() is not None for ref in gone) <= 1


def test_a_heap_that_is_cancelled_in_any_order_keeps_its_order(loop: asyncguest.EventLoop) -> None:
    seen: list[int] = []
    base = loop.time() - 10_000
    timers = {(i * 7919) % 5000: None for i in range(5000)}
    handles = {i: loop.call_at(base + i, seen.append, i) for i in timers}
    for i in range(0, 5000, 3):
        handles[(i * 31) % 5000].cancel()
    left = sorted(i for i, handle in handles.items() if not handle.cancelled())
    turn(loop)
    assert seen == left and not loop._scheduled


def test_who_iterates_by_hand_finds_a_deque_and_a_heap(loop: asyncguest.EventLoop) -> None:
    seen: list[int] = []
    for i in (3, 1, 2):
        loop.call_at(i, seen.append, i)
    theirs = asyncio.TimerHandle(1.5, seen.append, (15,), loop)
    heapq.heappush(loop._scheduled, theirs)
    theirs._scheduled = True
    ready = loop._ready
    assert not ready and len(ready) == 0
    while loop._scheduled:
        handle = heapq.heappop(loop._scheduled)
        handle._scheduled = False
        ready.append(handle)
    ready.appendleft(asyncio.Handle(seen.append, (0,), loop))
    assert len(ready) == 5 and theirs in ready and list(ready)[2] is theirs and ready[-1].when() == 3
    assert ready.pop().when() == 3
    while ready:
        handle = ready.popleft()
        if not handle._cancelled:
            handle._run()
    assert seen == [0, 1, 15, 2]
    for take in (ready.pop, ready.popleft):
        with pytest.raises(IndexError):
            take()
    with pytest.raises(IndexError):
        ready[0]
    ready.extend([asyncio.Handle(seen.append, (9,), loop)])
    turn(loop)
    assert seen[-1] == 9
    ready.clear()


def test_asyncios_own_iteration_counts_cancelled_timers_down() -> None:
    loop = asyncguest.EventLoop()
    timer = asyncio.TimerHandle(loop.time() + 9, print, (), loop)
    loop._scheduled.append(timer)
    timer.cancel()
    loop._timer_cancelled_count = 0  # somebody else's count
    loop._timer_cancelled_count -= 1
    assert loop._timer_cancelled_count == 0
    loop.close()
