"""Contract 17: counters and histograms, asyncio's debug mode, and the tools that look at tasks."""

from __future__ import annotations

import asyncio
import gc
import io
import re
import subprocess
import sys
import threading
import time

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, rests, run_guest, settle


def test_counters_grow_and_stay_after_the_end(drive):
    run = Run(drive)

    async def main():
        for _ in range(20):
            await asyncio.sleep(0.001)

    run.start(main)
    before = run.guest.stats()
    run.finish()
    after = run.guest.stats()
    assert after.batches > before.batches
    assert after.events >= before.events + 20 - 5
    assert after.polls > 0
    assert after.delivery_duration.total == after.batches
    assert 0 < after.delivery_duration.percentile(50) < 1
    assert after.stale_tokens == after.inlined_tokens == after.post_failures == after.stalls == 0
    if drive == "thread":
        # One may be on its way when the run ends: the last delivery was long, or has left something queued.
        assert 0 < after.tokens <= after.batches + 1
        assert after.delivery_latency.total > 0
        assert 0 < after.delivery_latency.percentile(99) < 5
    assert run.guest.stats() == after, "the last figures stay"
    for name in asyncguest.GuestStats.__dataclass_fields__:
        if not name.startswith("delivery") and name != "live_sources":
            assert getattr(after, name) >= getattr(before, name), name


def test_the_last_token_of_a_run_has_no_delivery_if_something_is_left_queued():
    run = Run("thread")

    async def main():
        loop = asyncio.get_running_loop()

        def again():
            loop.call_soon(again)

        again()
        await asyncio.sleep(0.001)

    run.start(main)
    run.finish()
    figures = run.guest.stats()
    assert figures.tokens == figures.batches + 1


def test_the_budget_is_counted_and_nesting_too(drive):
    async def main():
        guest = asyncguest.current_guest()
        while not guest.stats().budget_spent:
            await asyncio.sleep(0)
        assert guest.stats().nested == 0
        is_open = [True]
        asyncio.get_running_loop().call_later(0.02, is_open.clear)
        while is_open:
            guest.host.run_once()
        return guest.stats().nested

    assert run_guest(main, drive=drive, batch_budget=0.001) > 0


def test_idle_counts_nothing(drive):
    run = Run(drive)
    gate = []

    async def main():
        event = asyncio.Event()
        gate.append(event)
        await event.wait()

    run.start(main)

    def figures():
        stats = run.guest.stats()
        return stats.batches, stats.io_wakeups, stats.tokens

    rests(run.host, figures)
    gate[0].set()
    run.finish()


def test_stats_from_another_thread(drive):
    run, seen = Run(drive), []

    async def main():
        while len(seen) < 50:
            await asyncio.sleep(0)

    def look():
        for _ in range(50):
            seen.append(run.guest.stats().batches)

    run.start(main)
    thread = threading.Thread(target=look)
    thread.start()
    run.finish()
    thread.join()
    assert seen == sorted(seen)


def test_the_process_knows_its_runs(drive):
    host = QueueHost(drive)

    async def main():
        await asyncio.sleep(60)

    guests = [asyncguest.Guest(host) for _ in range(3)]
    assert asyncguest.stats().guests == ()
    for guest in guests:
        guest.start(main)
    live = asyncguest.stats()
    assert set(live.guests) == set(guests) and live.loops == 3
    assert live.threads == (3 if drive == "thread" else 0)
    for guest in guests:
        guest.shutdown()
    host.close()
    gc.collect()
    assert asyncguest.stats().loops == 0


def test_an_empty_histogram():
    empty = asyncguest.Histogram((0,) * 64)
    assert empty.total == 0 and empty.percentile(99) == 0.0
    one = asyncguest.Histogram((0, 0, 3, 1))
    assert one.total == 4
    assert one.percentile(50) == pytest.approx(7e-9)
    assert one.percentile(100) == pytest.approx(15e-9)


# ---- debug mode


def test_debug_mode_names_a_slow_callback(drive, caplog):
    async def main():
        loop = asyncio.get_running_loop()
        assert loop.get_debug()
        loop.slow_callback_duration = 0.02

        def dawdle():
            time.sleep(0.03)

        loop.call_soon(dawdle)
        await asyncio.sleep(0.001)

    run_guest(main, drive=drive, debug=True)
    assert re.search(r"dawdle.* took \d+\.\d{3} seconds", caplog.text)
    caplog.clear()


def test_debug_mode_names_where_a_forgotten_coroutine_came_from(drive, recwarn):
    async def forgotten():
        pass

    async def main():
        await asyncio.sleep(0)
        forgotten()
        gc.collect()

    run_guest(main, drive=drive, debug=True)
    text = [str(w.message) for w in recwarn.list if "never awaited" in str(w.message)]
    assert len(text) == 1 and "Coroutine created at" in text[0] and "in main" in text[0]


def test_debug_mode_refuses_call_soon_from_another_thread(drive):
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(RuntimeError, match="Non-thread-safe"):
            await asyncio.to_thread(loop.call_soon, print)

    run_guest(main, drive=drive, debug=True)


@pytest.mark.parametrize("debug", [True, False])
def test_origin_tracking_is_the_guests_own(drive, debug):
    # The host's coroutines, here made between the deliveries, are not the guest's business.
    depth = sys.get_coroutine_origin_tracking_depth()
    inside = []

    async def main():
        inside.append(sys.get_coroutine_origin_tracking_depth())
        asyncio.get_running_loop().set_debug(not debug)
        await asyncio.sleep(0.001)
        inside.append(sys.get_coroutine_origin_tracking_depth())

    run_guest(main, drive=drive, debug=debug)
    assert [bool(depth) for depth in inside] == [debug, not debug]
    assert sys.get_coroutine_origin_tracking_depth() == depth


def test_origin_tracking_that_is_turned_off_in_the_last_moment_of_a_delivery_is_the_guests_own(drive):
    """asyncio turns it off by a callback, which comes with the next delivery: the host has its turn before."""
    depth = sys.get_coroutine_origin_tracking_depth()
    seen = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        while not sys.get_coroutine_origin_tracking_depth():
            await asyncio.sleep(0)
        loop.set_debug(False)
        turns = len(seen)
        while len(seen) == turns:
            await asyncio.sleep(0)

    def look():
        seen.append(sys.get_coroutine_origin_tracking_depth())
        if not run.done:
            run.host.post(look)

    run = Run(drive, debug=False, batch_budget=1e-9)
    run.host.post(look)
    run.start(main)
    run.finish()
    assert set(seen) == {depth} and sys.get_coroutine_origin_tracking_depth() == depth


@pytest.mark.parametrize("pause", [0, 0.001])
@pytest.mark.parametrize("dialog", ["on", "off", "on and off"])
def test_origin_tracking_that_changes_behind_a_dialog_is_the_guests_own(drive, dialog, pause):
    depth = sys.get_coroutine_origin_tracking_depth()
    seen = []

    async def main():
        loop = asyncio.get_running_loop()
        for debug in (True, False):
            loop.set_debug(debug)
            if ("on" if debug else "off") in dialog:
                run.host.run_once(0.001)
                loop.call_soon(int)
                run.host.run_once(0.001)
            await asyncio.sleep(pause)

    run = Run(drive, debug=False)
    run.start(main)
    while not run.done:
        run.host.run_once()
        seen.append(sys.get_coroutine_origin_tracking_depth())
    run.finish()
    assert set(seen) == {depth}


# ---- tasks, looked at


def test_all_tasks_and_stacks_between_deliveries(drive):
    run = Run(drive)
    seen = {}

    async def inner():
        seen["event"] = asyncio.Event()
        await seen["event"].wait()

    async def main():
        side = asyncio.get_running_loop().create_task(inner(), name="side")
        await side

    def look():
        loop = run.guest.loop
        tasks = {task.get_name(): task for task in asyncio.all_tasks(loop)}
        seen["names"] = set(tasks)
        seen["current"] = asyncio.current_task(loop)
        seen["frame"] = tasks["side"].get_stack()[0].f_code.co_name
        out = io.StringIO()
        tasks["main"].print_stack(file=out)
        seen["printed"] = out.getvalue()
        seen["repr"] = repr(tasks["side"])
        seen["event"].set()

    run.start(main)
    run.guest.task.set_name("main")
    settle(run)
    run.host.post(look)
    run.finish()
    assert seen["names"] == {"main", "side"}
    assert seen["current"] is None
    assert seen["frame"] == "inner" and "in main" in seen["printed"]
    assert "wait_for" in seen["repr"]


def test_inside_a_dialog_the_parked_task_is_still_a_task(drive):
    run = Run(drive)

    async def looks():
        loop = asyncio.get_running_loop()
        assert asyncio.current_task().get_name() == "looks"
        return {task.get_name() for task in asyncio.all_tasks(loop)}

    async def main():
        asyncio.current_task().set_name("in a dialog")
        task = asyncio.get_running_loop().create_task(looks(), name="looks")
        while not task.done():
            run.host.run_once(5)
        assert asyncio.current_task().get_name() == "in a dialog"
        return task.result()

    run.start(main)
    assert run.finish() == {"in a dialog", "looks"}


@pytest.mark.skipif(sys.version_info < (3, 14), reason="asyncio looks into other processes from 3.14 on")
@pytest.mark.parametrize("command", ["ps", "pstree"])
def test_asyncio_sees_a_guests_tasks_from_outside(drive, command, tmp_path):
    program = tmp_path / "app.py"
    program.write_text(
        f"""
import asyncio, sys, asyncguest
from asyncguest.hosts.queue import QueueHost

async def fetch():
    await asyncio.Event().wait()

async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(fetch(), name="mails")
        await asyncio.sleep(0)
        host.post(lambda: print("waits", flush=True))

host = QueueHost({drive!r})
asyncguest.Guest(host, name="the window's guest").start(main)
host.run()
"""
    )
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "waits\n"
            look = [sys.executable, "-m", "asyncio", command, str(process.pid)]
            done = subprocess.run(look, capture_output=True, text=True, timeout=60)
        finally:
            process.kill()
    if "ermission" in done.stderr:
        pytest.skip("this system lets no process look into another one")
    assert done.returncode == 0, done
    for name in ("the window's guest", "mails", "fetch", "main"):
        assert name in done.stdout


@pytest.mark.skipif(sys.version_info < (3, 14), reason="call graphs came with 3.14")
def test_a_call_graph_between_deliveries(drive):
    run = Run(drive)
    out = io.StringIO()

    async def main():
        await asyncio.get_running_loop().create_future()

    run.start(main)
    settle(run)
    asyncio.print_call_graph(run.guest.task, file=out)
    run.guest.cancel()
    with pytest.raises(asyncio.CancelledError):
        run.finish()
    assert "main()" in out.getvalue() and __file__ in out.getvalue()
