"""What Tk's own handlers do with the guest: any loop method, at any time (USERS rows 2, 29, 31; contract 10 and 16)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
import tkinter

import asyncguest
import pytest
import tkhelp
from asyncguest.hosts.tk import TkHost
from tkhelp import TkRun

display, root = tkhelp.display, tkhelp.root


def test_the_host_wakes_without_help_whatever_a_handler_calls(root, drive):
    """USERS row 2: each call takes effect at once, though the guest sleeps and nothing else will wake it."""
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    current = []
    latency = {}
    loop = guest = None

    def clicked():
        current[0]()

    button = tkinter.Button(root, command=clicked)

    async def main():
        event, queue, condition = asyncio.Event(), asyncio.Queue(), asyncio.Condition()
        sleeper = asyncio.ensure_future(asyncio.sleep(3600))
        waiting = loop.create_future()

        async def just(effect):
            effect()

        async def after(awaitable, effect):
            try:
                await awaitable
            finally:
                effect()

        async def notify():
            async with condition:
                condition.notify()

        async def notified():
            async with condition:
                await condition.wait()

        def readable(effect):
            loop.remove_reader(near)
            near.recv(1)
            effect()

        def with_reader(effect):
            far.send(b"x")
            loop.add_reader(near, readable, effect)

        def with_writer(effect):
            loop.add_writer(near, lambda: (loop.remove_writer(near), effect()))

        def with_signal(effect):
            loop.add_signal_handler(signal.SIGUSR1, lambda: (loop.remove_signal_handler(signal.SIGUSR1), effect()))
            os.kill(os.getpid(), signal.SIGUSR1)

        def hide(awaitable):
            """Starts waiting before the click."""
            task = asyncio.ensure_future(awaitable)
            return lambda effect: task.add_done_callback(lambda _: effect())

        # What is done before the click, and the click.
        methods = {
            "call_soon": (None, lambda done: loop.call_soon(done)),
            "call_soon_threadsafe": (None, lambda done: loop.call_soon_threadsafe(done)),
            "call_later": (None, lambda done: loop.call_later(0.0001, done)),
            "call_at": (None, lambda done: loop.call_at(loop.time(), done)),
            "create_task": (None, lambda done: loop.create_task(just(done))),
            "asyncio.create_task": (None, lambda done: asyncio.create_task(just(done))),
            "ensure_future": (None, lambda done: asyncio.ensure_future(just(done))),
            "start_soon": (None, lambda done: guest.start_soon(after, asyncio.sleep(0), done)),
            "start_soon, not eager": (None, lambda done: guest.start_soon(just, done, eager=False)),
            "run_in_executor": (None, lambda done: loop.run_in_executor(None, int).add_done_callback(lambda _: done())),
            "getaddrinfo": (None, lambda done: loop.create_task(after(loop.getaddrinfo("127.0.0.1", 1), done))),
            "add_reader": (None, with_reader),
            "add_writer": (None, with_writer),
            "sock_recv": (None, lambda done: (loop.create_task(after(loop.sock_recv(near, 1), done)), far.send(b"x"))),
            "sock_sendall": (None, lambda done: loop.create_task(after(loop.sock_sendall(far, b""), done))),
            "add_signal_handler": (None, with_signal),
            "Task.cancel": (hide(after(sleeper, int)), lambda done: sleeper.cancel()),
            "Future.set_result": (hide(waiting), lambda done: waiting.set_result(None)),
            "Event.set": (hide(event.wait()), lambda done: event.set()),
            "Queue.put_nowait": (hide(queue.get()), lambda done: queue.put_nowait(1)),
            "Condition.notify": (hide(notified()), lambda done: loop.create_task(notify())),
            "run_coroutine_threadsafe": (None, lambda done: asyncio.run_coroutine_threadsafe(just(done), loop)),
            "asyncio.timeout": (
                None,
                lambda done: loop.create_task(after(asyncio.wait({sleeper}, timeout=0.0001), done)),
            ),
        }
        assert len(methods) >= 20
        for name, (before, click) in methods.items():
            effect = loop.create_future()
            at = []

            def done(effect=effect, at=at):
                at.append(time.perf_counter())
                effect.set_result(None)

            if before is not None:
                before(done)

            def handler(name=name, click=click, done=done):
                at.append(time.perf_counter())
                click(done)

            current[:] = [handler]
            root.after(3, button.invoke)
            await effect
            latency[name] = at[1] - at[0]

    run = TkRun(root, drive)
    guest = run.guest
    try:
        # `loop` has to be known at the first step
        async def begin():
            nonlocal loop
            loop = asyncio.get_running_loop()
            await main()

        run.start(begin)
        run.finish()
    finally:
        near.close()
        far.close()
    print({name: f"{seconds * 1e6:.0f} us" for name, seconds in latency.items()})
    assert len(latency) >= 20  # where a lost wake would take an hour


@pytest.mark.parametrize("count", [1, 1000])
def test_a_burst_from_a_handler_is_one_wake(root, count):
    """USERS row 31. In one of five: a delivery in which the thread stands still has a token for a nested loop."""
    run = TkRun(root, "thread")
    counts = []

    async def one():
        burst = asyncio.Event()
        ran = []

        def handler():
            before = run.guest.stats().tokens
            for _ in range(count):
                run.guest.loop.call_soon(ran.append, 1)
            run.guest.loop.call_soon(burst.set)
            root.after(20, lambda: tokens.append(run.guest.stats().tokens - before))

        tokens = []
        root.after(5, handler)
        await burst.wait()
        assert len(ran) == count
        while not tokens:
            await asyncio.sleep(0.03)
        return tokens[0]

    async def bursts():
        for _ in range(5):
            counts.append(await one())

    run.start(bursts)
    run.finish()
    assert min(counts) <= 2  # the burst; and one for the time when the main task sleeps on


def test_a_coroutine_starts_inside_the_click(root):
    """USERS row 29, contract 16."""
    seen = []

    async def clicked():
        seen.append((asyncio.get_running_loop(), asyncio.current_task().get_name()))
        await asyncio.sleep(0)
        seen.append("went on")

    async def main():
        def command():
            task = guest.start_soon(clicked, name="click")
            assert seen == [(guest.loop, "click")]
            task.add_done_callback(lambda _: over.set())

        over = asyncio.Event()
        root.after(1, tkinter.Button(root, command=command).invoke)
        await over.wait()
        return seen[1]

    run = TkRun(root)
    guest = run.guest
    run.start(main)
    assert run.finish() == "went on"


def test_a_host_handlers_exception_is_tkinters_and_a_done_callbacks_too(root, drive):
    def done(task):
        root.quit()
        raise ZeroDivisionError("from done_callback")

    def handler():
        guest.cancel()
        return 1 // 0

    guest = asyncguest.Guest(TkHost(root, drive), done_callback=done)
    guest.start(asyncio.sleep, 3600)
    root.after(1, handler)
    root.mainloop()
    assert [type(error) for error in root.reported] == [ZeroDivisionError] * 2
    assert str(root.reported.pop()) == "from done_callback"
    root.reported.clear()
