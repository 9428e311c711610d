"""What is Qt's own: its many nested loops, its two dispatchers, QThreads, and who deletes what.

Owns: nothing. Each function is a scenario on a stage of `stage_qt`.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import asyncguest
from scenarios_dialog import Ticker
from scenarios_end import sleeper, stay
from stages import Run


def run_loop(thing: Any, *args: Any) -> Any:
    """Of PySide2, `exec_`."""
    return (thing.exec if hasattr(thing, "exec") else thing.exec_)(*args)


def others_tick_in_each_of_qts_nested_loops(stage: Any) -> None:
    """Each is closed by another task of the guest, which has to go on for that."""
    QtCore, QtWidgets = stage.QtCore, stage.QtWidgets

    def message_box(closed: list[Callable[[], object]]) -> None:
        box = QtWidgets.QMessageBox(stage.window)
        closed.append(box.accept)
        run_loop(box)

    def menu(closed: list[Callable[[], object]]) -> None:
        menu = QtWidgets.QMenu(stage.window)
        menu.addAction("Entry")
        closed.append(menu.close)
        run_loop(menu, stage.window.mapToGlobal(QtCore.QPoint(5, 5)))

    def event_loop(closed: list[Callable[[], object]]) -> None:
        loop = QtCore.QEventLoop()
        closed.append(loop.quit)
        run_loop(loop)

    def drag(closed: list[Callable[[], object]]) -> None:
        """As code does that follows the mouse until its button is let go."""
        over: list[int] = []
        closed.append(lambda: over.append(1))
        while not over:
            stage.app.processEvents(QtCore.QEventLoop.ProcessEventsFlag.WaitForMoreEvents)

    async def close(closed: list[Callable[[], object]], ticker: Ticker, ticks: int) -> None:
        while ticker.count < ticks:
            await asyncio.sleep(0.005)
        closed[0]()

    async def main() -> list[str]:
        ticker = Ticker(stage)
        me = asyncio.current_task()
        done = []
        for nested in (message_box, menu, event_loop, drag):
            closed: list[Callable[[], object]] = []
            closing = asyncio.create_task(close(closed, ticker, ticker.count + 3))
            nested(closed)
            assert closing.done() and asyncio.current_task() is me
            done.append(nested.__name__)
            await asyncio.sleep(0)
        await ticker.end()
        return done

    assert stage.play(main) == ["message_box", "menu", "event_loop", "drag"]


def loops_of_three_kinds_one_inside_the_other(stage: Any) -> None:
    QtCore, QtWidgets = stage.QtCore, stage.QtWidgets
    order: list[str] = []

    async def innermost() -> None:
        loop = QtCore.QEventLoop()
        stage.later(0.1, loop.quit)
        run_loop(loop)
        order.append("loop")

    async def middle() -> None:
        menu = QtWidgets.QMenu(stage.window)
        menu.addAction("Entry")
        task = asyncio.create_task(innermost())
        task.add_done_callback(lambda _: menu.close())
        run_loop(menu)
        order.append("menu")

    async def main() -> int:
        ticker = Ticker(stage)
        dialog = QtWidgets.QDialog(stage.window)
        task = asyncio.create_task(middle())
        task.add_done_callback(lambda _: dialog.accept())
        run_loop(dialog)
        order.append("dialog")
        await ticker.end()
        return ticker.count

    ticks = stage.play(main)
    assert order == ["loop", "menu", "dialog"], order
    assert ticks >= 1


def all_kinds_of_qts_own_work_have_turns_beside_a_busy_guest(stage: Any) -> None:
    """Zero timers, timers, and events of low priority; beside a guest that has one long delivery after the other, and
    beside one that has a short delivery in each round of the loop."""
    QtCore = stage.QtCore
    stage.moving = False  # nothing but what is counted here
    counts = {"zero": 0, "timer": 0, "low": 0}

    class Low(QtCore.QObject):
        def customEvent(self, event: object) -> None:
            counts["low"] += 1
            post()

    low = Low()

    def post() -> None:
        QtCore.QCoreApplication.postEvent(low, QtCore.QEvent(QtCore.QEvent.Type.User), -1)

    def count(name: str) -> Callable[[], None]:
        return lambda: counts.update({name: counts[name] + 1})

    zero, timer = QtCore.QTimer(), QtCore.QTimer()
    zero.timeout.connect(count("zero"))
    timer.timeout.connect(count("timer"))

    async def long_deliveries(host_had: Callable[[], int]) -> int:
        deliveries = 0
        while deliveries < 10 or host_had() < 3:
            await asyncio.sleep(0)
            deliveries += 1
        return deliveries

    async def short_deliveries(host_had: Callable[[], int]) -> int:
        ours, theirs = socket.socketpair()
        deliveries: list[int] = []
        theirs.send(b"x")
        asyncio.get_running_loop().add_reader(ours, deliveries.append, 1)
        while len(deliveries) < 10 or host_had() < 3:
            await asyncio.sleep(0.005)
        asyncio.get_running_loop().remove_reader(ours)
        ours.close()
        theirs.close()
        return len(deliveries)

    async def main() -> dict[str, dict[str, int]]:
        seen = {}
        while stage.timer.isActive():
            await asyncio.sleep(0.01)
        for busy in (long_deliveries, short_deliveries):
            for name, begin, end in (
                ("zero", lambda: zero.start(0), zero.stop),
                ("timer", lambda: timer.start(10), timer.stop),
                ("low", post, lambda: QtCore.QCoreApplication.removePostedEvents(low)),
            ):
                before = counts[name]
                begin()
                deliveries = await busy(lambda name=name, before=before: counts[name] - before)
                end()
                seen[f"{busy.__name__} {name}"] = {"deliveries": deliveries, "host": counts[name] - before}
        return seen

    seen = stage.play(main)
    stage.figures.update(seen)
    assert len(seen) == 6  # who starves hangs


def two_busy_guests_have_their_deliveries_one_by_one(stage: Any) -> None:
    """Qt has a round between them, so that they do not make one long delivery."""
    rounds: list[set[str]] = [set()]
    zero = stage.QtCore.QTimer()
    zero.timeout.connect(lambda: rounds.append(set()))

    async def main(name: str) -> None:
        zero.start(0)
        while min(had("one"), had("other")) < 10:  # or one hangs
            await asyncio.sleep(0)
            rounds[-1].add(name)
        zero.stop()

    def had(name: str) -> int:
        return sum(name in names for names in rounds)

    stage.moving = False
    stage.enter(lambda: (Run(stage, main, "one"), Run(stage, main, "other")))
    both = sum(len(names) == 2 for names in rounds)
    stage.figures.update(rounds=len(rounds), both=both)
    assert both <= 2 + len(rounds) / 4, f"both had deliveries in {both} of {len(rounds)} rounds"


def the_status_of_a_done_callback_without_the_hosts_exec(stage: Any) -> None:
    """`sys.exit(app.exec())` is right too."""
    Run(stage, sleeper, stage, lambda: sys.exit(3), then=lambda task: task.result())
    assert run_loop(stage.app) == 3

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    Run(stage, asyncio.sleep, 0.01, then=interrupted)
    assert run_loop(stage.app) == 130
    stage.runs.clear()
    Run(stage, asyncio.sleep, 0.01, then=lambda _: sys.exit("a message"))
    try:
        stage.host.exec()
    except SystemExit as error:
        assert error.code == "a message"
    else:
        raise AssertionError("SystemExit did not come out of host.exec()")


def exec_again_with_the_same_host(stage: Any) -> None:
    for number in range(3):
        stage.runs.clear()
        assert stage.play(asyncio.sleep, 0.01, number) == number
        run = Run(stage, asyncio.sleep, 3600, then=stay)
        stage.later(0.02, stage.app.quit)
        run_loop(stage.app)
        assert run.done[0].cancelled()


def guests_on_qthreads(stage: Any) -> None:
    """In `run`, by the host's exec and by the thread's own; and in a worker's slot, beside a guest of the application."""
    from asyncguest.hosts.qt import QtHost, find

    QtCore = stage.QtCore
    signal = getattr(QtCore, "pyqtSignal", None) or QtCore.Signal
    seen: list[Any] = []
    ends: list[bool] = []

    async def main() -> int:
        assert QtCore.QThread.currentThread() is not stage.app.thread()
        await asyncio.sleep(0.01)
        return threading.get_ident()

    async def endless(begun: Callable[[], object]) -> None:
        thread = threading.get_ident()
        try:
            await asyncio.sleep(0.01)
            begun()
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            ends.append(thread == threading.get_ident())

    class Thread(QtCore.QThread):
        begun = signal()

        def run(self) -> None:
            try:
                found = find()
                assert found is not None and not found.running
                host = QtHost(drive=stage.drive)
                guest = asyncguest.Guest(host, done_callback=lambda _: self.exit(5))
                guest.start(main)
                assert host.exec() == 5
                assert guest.task.result() == threading.get_ident()
                # One that the loop's end shuts down, inside exec.
                guest = asyncguest.Guest(host)
                guest.start(endless, lambda: self.exit(6))
                assert host.exec() == 6
                assert guest.task.cancelled()
                # And one by the end of the thread.
                asyncguest.Guest(host).start(endless, self.begun.emit)
                seen.append(run_loop(self))
            except BaseException as error:
                seen.append(error)

    class Worker(QtCore.QObject):
        go, begun = signal(), signal()

        def work(self) -> None:
            self.guest = asyncguest.Guest(QtHost(drive=stage.drive))
            self.guest.start(endless, self.begun.emit)

    async def program() -> None:
        loop = asyncio.get_running_loop()
        for make in (thread_that_runs, thread_of_a_worker):
            thread, begun, start = make()
            finished = loop.create_future()
            thread.finished.connect(lambda finished=finished: finished.set_result(None))
            begun.connect(lambda thread=thread: thread.exit(7))
            start()
            await finished
            assert await loop.run_in_executor(None, thread.wait)

    keep: list[Any] = []

    def thread_that_runs() -> tuple[Any, Any, Callable[[], object]]:
        thread = Thread()
        keep.append(thread)
        return thread, thread.begun, thread.start

    def thread_of_a_worker() -> tuple[Any, Any, Callable[[], object]]:
        thread, worker = QtCore.QThread(), Worker()
        keep.extend((thread, worker))
        worker.moveToThread(thread)
        worker.go.connect(worker.work)
        return thread, worker.begun, lambda: (thread.start(), worker.go.emit())

    stage.play(program)
    assert seen == [7], seen
    assert ends == [True, True, True], ends


def what_cannot_work_says_so(stage: Any) -> None:
    from asyncguest.hosts.qt import QtHost, find

    def refused(kind: type[BaseException], *words: str, make: Callable[[], object]) -> None:
        try:
            make()
        except kind as error:
            assert all(word in str(error) for word in words), error
        else:
            raise AssertionError(f"no {kind.__name__}")

    async def main() -> None:
        await asyncio.sleep(0.01)  # in the loop
        found = find()
        assert found is not None and found.running and found.what == f"Qt ({stage.binding})"
        assert isinstance(found.make(), QtHost)

    found = find()
    assert found is not None and not found.running
    stage.play(main)
    refused(TypeError, "QApplication", make=lambda: QtHost(stage.window))
    refused(ValueError, "drive", make=lambda: QtHost(drive="polling"))
    refused(asyncguest.GuestError, "none does", make=lambda: stage.host.post(bool))

    def elsewhere() -> None:
        assert find() is None
        refused(asyncguest.GuestError, "no loop on this thread", make=QtHost)
        guest = asyncguest.Guest(stage.host)
        refused(asyncguest.GuestError, "on the thread", make=lambda: guest.start(main))

    wrong: list[BaseException] = []

    def other() -> None:
        try:
            elsewhere()
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert not wrong, wrong

    sys.modules["PySide2.QtCore"] = stage.QtCore  # two bindings of one Qt, as of a distribution's packages
    refused(asyncguest.GuestError, "PySide2", "QtHost(app)", make=QtHost)
    assert QtHost(stage.app).watches_fds is (sys.platform != "win32")
    del sys.modules["PySide2.QtCore"]
    stage.destroy()
    assert find() is None
    refused(asyncguest.GuestError, stage.binding, "make a QApplication", make=QtHost)
    here = {name: sys.modules.pop(name) for name in list(sys.modules) if name == f"{stage.binding}.QtCore"}
    refused(asyncguest.GuestError, "import one of", make=QtHost)
    sys.modules.update(here)


def the_application_dies_when_its_program_lets_it_go(stage: Any) -> None:
    stage.play(asyncio.sleep, 0.01)
    gone = weakref.ref(stage.app)
    stage.runs.clear()
    for name in ("host", "timer", "bar", "label", "button", "window", "app"):
        setattr(stage, name, None)
    stage.destroy = None
    gc.collect()
    if stage.binding.startswith("PySide"):
        assert sys.getrefcount(gone()) <= 3, gc.get_referrers(gone())  # shiboken keeps it, and nobody else
    else:
        assert gone() is None, gc.get_referrers(gone())


EXTRA: dict[str, Callable[[Any], None]] = {
    function.__name__: function
    for function in (
        others_tick_in_each_of_qts_nested_loops,
        loops_of_three_kinds_one_inside_the_other,
        all_kinds_of_qts_own_work_have_turns_beside_a_busy_guest,
        two_busy_guests_have_their_deliveries_one_by_one,
        the_status_of_a_done_callback_without_the_hosts_exec,
        exec_again_with_the_same_host,
        guests_on_qthreads,
        what_cannot_work_says_so,
        the_application_dies_when_its_program_lets_it_go,
    )
}
