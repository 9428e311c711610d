"""Waiting for Qt's signals: what the bindings hand out, overloads, and other threads.

Owns: nothing. Each function is a scenario on a stage of `stage_qt`.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

from asyncguest import Scope, SourceGone, event, events, slot


def values_outlive_their_emission(stage: Any) -> None:
    """PyQt hands out references into it."""
    QtCore, QtWidgets = stage.QtCore, stage.QtWidgets

    async def main() -> None:
        rows = QtWidgets.QListWidget(stage.window)
        rows.addItems([str(number) for number in range(50)])
        with (
            events(rows.selectionModel().selectionChanged) as selections,
            events(rows.selectionModel().currentChanged) as indexes,
            events(stage.window.customContextMenuRequested) as points,
        ):
            for number in range(50):
                rows.setCurrentRow(number)
                stage.window.customContextMenuRequested.emit(QtCore.QPoint(number, 1))
            gc.collect()
            for number in range(50):
                selected, deselected = await selections.next()
                assert [index.row() for index in selected.indexes()] == [number]
                assert [index.row() for index in deselected.indexes()] == ([number - 1] if number else [])
                assert (await indexes.next())[0].row() == number
                assert (await points.next()).x() == number

    stage.play(main)


def what_a_signal_points_to_is_no_copy(stage: Any) -> None:
    QtCore, QtWidgets = stage.QtCore, stage.QtWidgets
    signal = getattr(QtCore, "pyqtSignal", None) or QtCore.Signal

    class Sender(QtCore.QObject):  # type: ignore[misc, name-defined]
        told = signal(object, list, dict)
        variant = signal("QVariant")

    async def main() -> None:
        tree = QtWidgets.QTreeWidget(stage.window)
        item = QtWidgets.QTreeWidgetItem(tree, ["one"])
        with events(tree.itemClicked) as stream:
            tree.itemClicked.emit(item, 0)
            got, column = await stream.next()
            assert got is item and column == 0
        sender, thing = Sender(), object()
        with events(sender.told) as stream:
            sender.told.emit(thing, [thing], {"key": 1})
            assert await stream.next() == (thing, [thing], {"key": 1})
        # Qt's own, which Python holds no more than a pointer to.
        things = (tree.header(), stage.QtWidgets.QApplication.clipboard(), tree.headerItem())
        with events(sender.told) as stream, events(sender.variant) as variants:
            for thing in things:
                sender.told.emit(thing, [], {})
                sender.variant.emit(thing)
                assert (await stream.next())[0] is thing
                assert await variants.next() is thing

    stage.play(main)


def an_overload_is_chosen_by_its_type(stage: Any) -> None:
    async def main() -> None:
        box = stage.QtWidgets.QCheckBox(stage.window)
        with events(box.clicked[bool]) as stream:
            box.click()
            assert await stream.next() is True

    stage.play(main)


def emitted_on_another_thread(stage: Any) -> None:
    """By an object that lives there, in whose thread the filter runs, and by one that lives here."""
    QtCore = stage.QtCore
    signal = getattr(QtCore, "pyqtSignal", None) or QtCore.Signal

    class Worker(QtCore.QThread):  # type: ignore[misc, name-defined]
        done = signal(int)

        def run(self) -> None:
            self.done.emit(7)

    async def main() -> None:
        me = threading.get_ident()
        worker = Worker()
        with events(worker.done) as stream, events(worker.finished) as finished:
            worker.start()
            assert await stream.next() == 7
            assert threading.get_ident() == me
            await finished.next()
        await asyncio.get_running_loop().run_in_executor(None, worker.wait)

    stage.play(main)


def a_filter_that_raises_is_raised_where_it_is_waited_for(stage: Any) -> None:
    """In an emission PyQt would abort."""

    def wrong(*_: object) -> bool:
        raise ZeroDivisionError

    async def main() -> None:
        asyncio.get_running_loop().call_soon(stage.button.click)
        try:
            await event(stage.button.clicked, filter=wrong)
        except ZeroDivisionError:
            pass
        else:
            raise AssertionError("no ZeroDivisionError")

    stage.play(main)


def a_window_that_the_program_lets_go_ends_its_scope(stage: Any) -> None:
    """Nobody else holds it: a scope, its tasks, a slot and who waits for its signals do not."""

    class Window(stage.QtWidgets.QWidget):  # type: ignore[misc, name-defined]
        async def clicked(self) -> None:
            raise AssertionError("nobody has clicked")

    async def main() -> None:
        window = Window()
        button = stage.QtWidgets.QPushButton(window)
        scope = Scope(window, closes=True)
        button.clicked.connect(slot(window.clicked, scope=scope))
        tasks = [scope.start_soon(asyncio.sleep, 3600), scope.start_soon(event, button.clicked)]
        window.show()
        await asyncio.sleep(0.01)
        del window, button
        gc.collect()
        await asyncio.wait(tasks)
        assert all(task.cancelled() or isinstance(task.exception(), SourceGone) for task in tasks)
        assert scope.empty

    stage.play(main)


EVENTS: dict[str, Callable[[Any], None]] = {
    function.__name__: function
    for function in (
        values_outlive_their_emission,
        what_a_signal_points_to_is_no_copy,
        an_overload_is_chosen_by_its_type,
        emitted_on_another_thread,
        a_filter_that_raises_is_raised_where_it_is_waited_for,
        a_window_that_the_program_lets_go_ends_its_scope,
    )
}
