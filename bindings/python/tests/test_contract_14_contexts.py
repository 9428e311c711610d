"""Contract 14: a context cannot be entered twice, so what shares that of a callback in a dialog waits, and is not lost."""

from __future__ import annotations

import asyncio
import contextvars

from helpers import Dialog, Run


def test_two_tasks_that_share_a_context(drive):
    run = Run(drive)
    # A context cannot be entered twice: what belongs to it waits until the dialog is closed, and is not lost.
    context = contextvars.copy_context()
    var = contextvars.ContextVar("var")
    dialog = Dialog(run.host)
    order = []

    async def other():
        for i in range(3):
            await asyncio.sleep(0)
            order.append(i)
        dialog.close()
        return var.get()

    async def main():
        loop = asyncio.get_running_loop()
        var.set("shared")

        def start_other_and_open_a_dialog():
            loop.call_soon(order.append, "sharer of the context", context=context)
            dialog.show()
            order.append("dialog returned")

        loop.call_soon(start_other_and_open_a_dialog, context=context)
        unrelated = loop.create_task(other())
        assert await unrelated == "shared"
        await asyncio.sleep(0.01)

    run.start(main)
    run.finish()
    assert order.index("dialog returned") < order.index("sharer of the context")
    assert order.index(2) < order.index("dialog returned")


def test_what_waited_comes_when_nothing_else_is_ready(drive):
    # The dialog lasts longer than the delivery's budget, and the only thing left is what waits for its context.
    run, waited = Run(drive), []
    context = contextvars.copy_context()
    dialog = Dialog(run.host)

    async def main():
        loop = asyncio.get_running_loop()
        came = loop.create_future()

        def open_dialog():
            loop.call_soon(came.set_result, "not lost", context=context)
            loop.call_later(0.02, dialog.close)
            dialog.show()
            waited.append(not came.done())

        loop.call_soon(open_dialog, context=context)
        return await came

    run.start(main)
    assert run.finish() == "not lost" and waited == [True]


def test_what_waits_for_a_context_keeps_its_order(drive):
    run = Run(drive)
    context = contextvars.copy_context()
    dialog = Dialog(run.host)
    order = []

    async def main():
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def open_dialog():
            for i in range(20):
                loop.call_soon(order.append, i, context=context)
            loop.call_later(0.003, dialog.close)
            dialog.show()
            loop.call_soon(order.append, 20, context=context)
            loop.call_soon(done.set)

        loop.call_soon(open_dialog, context=context)
        await done.wait()

    run.start(main)
    run.finish()
    assert order == list(range(21))


def test_a_cancelled_handle_that_waited_is_not_run(drive):
    run = Run(drive)
    context = contextvars.copy_context()
    dialog = Dialog(run.host)
    ran = []

    async def main():
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def open_dialog():
            handle = loop.call_soon(ran.append, "cancelled", context=context)
            loop.call_later(0.003, lambda: (handle.cancel(), dialog.close()))
            dialog.show()
            loop.call_soon(done.set)

        loop.call_soon(open_dialog, context=context)
        await done.wait()
        await asyncio.sleep(0)

    run.start(main)
    run.finish()
    assert ran == []
