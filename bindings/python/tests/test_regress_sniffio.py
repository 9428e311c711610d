"""Modules that another thread is importing just now: they are in `sys.modules` before they have their names."""

from __future__ import annotations

import asyncio
import gc
import sys
import types
import warnings

import asyncguest
import pytest
from asyncguest.hosts.queue import QueueHost
from helpers import Run, run_guest


async def two_deliveries():
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    return "fine"


def test_a_half_imported_sniffio_is_left_alone(drive, monkeypatch):
    monkeypatch.setitem(sys.modules, "sniffio", types.ModuleType("sniffio"))
    assert run_guest(two_deliveries, drive=drive) == "fine"


def test_a_sniffio_whose_import_ends_during_a_delivery(drive, monkeypatch):
    """What was not set when the delivery began is not put back at its end."""
    half = types.ModuleType("sniffio")
    monkeypatch.setitem(sys.modules, "sniffio", half)

    class Local:
        name = None

    async def main():
        half.thread_local = Local()
        await asyncio.sleep(0.001)
        return half.thread_local.name

    assert run_guest(main, drive=drive) == "asyncio"
    assert half.thread_local.name is None


def test_a_sniffio_that_is_replaced_during_a_delivery(drive, monkeypatch):
    """Each delivery gives back to what it has taken from."""
    sniffio = pytest.importorskip("sniffio")

    async def main():
        monkeypatch.setitem(sys.modules, "sniffio", types.ModuleType("sniffio"))
        await asyncio.sleep(0.001)
        return "fine"

    assert run_guest(main, drive=drive) == "fine"
    assert sniffio.thread_local.name is None


@pytest.mark.parametrize("how", ["start", "start_soon"])
def test_a_task_that_cannot_begin_leaves_no_coroutine(drive, monkeypatch, how):
    """What puts the guest's state in place has failed: nobody awaits the coroutine, and it is closed."""
    run, end = Run(drive), asyncio.Event()
    if how == "start_soon":
        run.start(end.wait)
    foreign = types.ModuleType("sniffio")
    foreign.thread_local = object()
    with monkeypatch.context() as there:
        there.setitem(sys.modules, "sniffio", foreign)
        with pytest.raises(AttributeError, match="name"), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            getattr(run.guest, how)(two_deliveries)
    gc.collect()
    assert [str(warning.message) for warning in warned] == []
    assert asyncio._get_running_loop() is (run.guest.loop if how == "start_soon" else None)
    if how == "start_soon":
        end.set()
        run.finish()
    else:
        assert run.guest.state == "ended"
        run.host.close()


@pytest.mark.parametrize("has_lowlevel", (False, True))
def test_a_half_imported_trio_is_no_trio(monkeypatch, has_lowlevel):
    trio = types.ModuleType("trio")
    if has_lowlevel:
        trio.lowlevel = types.ModuleType("trio.lowlevel")
    monkeypatch.setitem(sys.modules, "trio", trio)
    jobs = QueueHost("thread")
    done = []
    guest = asyncguest.Guest(
        asyncguest.CallbackHost(jobs.post), done_callback=lambda task: (done.append(task), jobs.stop())
    )
    guest.start(two_deliveries)
    jobs.run()
    jobs.close()
    assert done[0].result() == "fine"
