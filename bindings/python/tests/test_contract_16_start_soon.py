"""Contract point 16: start_soon runs inside the click handler up to the first suspension; tasks are kept alive until done."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import weakref
from collections.abc import Iterator

import asyncguest
import pytest
from helpers import Run, host_until, settle

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")


@pytest.fixture
def run(drive: str) -> Iterator[Run]:
    """A guest that sleeps until the test is over."""
    end = asyncio.Event()
    made = Run(drive)
    made.start(end.wait)
    settle(made)
    yield made
    end.set()
    made.finish()


def test_it_has_begun_when_the_call_returns(run: Run) -> None:
    steps: list[str] = []

    async def clicked(name: str) -> str:
        steps.append(name)
        await asyncio.sleep(0.001)
        steps.append("later")
        return name

    task = run.guest.start_soon(clicked, "begun", name="the click")
    assert steps == ["begun"] and not task.done()
    assert task.get_name() == "the click"
    host_until(run, task.done)
    assert steps == ["begun", "later"] and task.result() == "begun"


def test_one_that_never_suspends_is_done_when_the_call_returns(run: Run) -> None:
    async def clicked() -> int:
        return 7

    task = run.guest.start_soon(clicked)
    assert task.done() and task.result() == 7


def test_an_error_in_the_first_step_is_the_tasks(run: Run) -> None:
    async def clicked() -> None:
        raise LookupError("in the click")

    task = run.guest.start_soon(clicked)
    assert isinstance(task.exception(), LookupError)


def test_loop_task_and_context_are_right_inside_and_restored_after(run: Run) -> None:
    saw: dict[str, object] = {}

    async def clicked() -> None:
        saw.update(loop=asyncio.get_running_loop(), task=asyncio.current_task(), variable=variable.get())
        variable.set("the click's")
        await asyncio.sleep(0)
        saw["kept"] = variable.get()

    token = variable.set("the handler's")
    task = run.guest.start_soon(clicked)
    assert saw == {"loop": run.guest.loop, "task": task, "variable": "the handler's"}
    assert variable.get() == "the handler's"
    assert asyncio.current_task(run.guest.loop) is None
    host_until(run, task.done)
    assert saw["kept"] == "the click's"
    variable.reset(token)


def test_a_context_of_ones_own(run: Run) -> None:
    context = contextvars.copy_context()
    context.run(variable.set, "given")

    async def clicked() -> str:
        before = variable.get()
        variable.set("changed")
        await asyncio.sleep(0)
        return before

    task = run.guest.start_soon(clicked, context=context)
    host_until(run, task.done)
    assert task.result() == "given" and variable.get() == "default"
    assert context[variable] == "changed"


def test_a_context_that_the_handler_runs_in(run: Run) -> None:
    """It is entered already and cannot be twice, so the first step waits for the guest's delivery; it may not get lost."""
    context = contextvars.copy_context()

    async def clicked() -> str:
        await asyncio.sleep(0)
        return "done"

    def handler() -> asyncio.Task[str]:
        return run.guest.start_soon(clicked, context=context)

    task = context.run(handler)
    host_until(run, task.done)
    assert task.result() == "done"


def test_not_eager_waits_for_the_guests_delivery(run: Run) -> None:
    steps: list[str] = []

    async def clicked() -> None:
        steps.append("begun")

    task = run.guest.start_soon(clicked, eager=False)
    assert steps == []
    host_until(run, task.done)
    assert steps == ["begun"]


def test_inside_guest_code_the_outer_task_goes_on_undisturbed(drive: str) -> None:
    order: list[str] = []

    async def inner() -> None:
        order.append("inner begins")
        assert asyncio.current_task() is not outer_task[0]
        await asyncio.sleep(0)
        order.append("inner ends")

    outer_task: list[asyncio.Task[object] | None] = []

    async def main() -> None:
        await asyncio.sleep(0)
        outer_task.append(asyncio.current_task())
        task = asyncguest.current_guest().start_soon(inner)
        assert asyncio.current_task() is outer_task[0]
        order.append("outer")
        await task

    run = Run(drive)
    run.start(main)
    run.finish()
    assert order == ["inner begins", "outer", "inner ends"]


async def waits_for_what_nobody_else_holds(ended: list[str], held: list[object]) -> None:
    """The task and its future hold each other; asyncio holds neither."""
    future = asyncio.get_running_loop().create_future()
    held.append(weakref.ref(future))
    try:
        await future
    finally:
        ended.append("ended")


@pytest.mark.parametrize("how", ["start_soon", "start_soon, not eager", "loop.create_task", "asyncio.create_task"])
def test_tasks_of_host_handlers_are_kept_alive(run: Run, how: str) -> None:
    ended: list[str] = []
    held: list[weakref.ref[asyncio.Future[None]]] = []
    arguments = (ended, held)

    def handler() -> None:
        if how.startswith("start_soon"):
            run.guest.start_soon(waits_for_what_nobody_else_holds, *arguments, eager=how == "start_soon")  # type: ignore[arg-type]
        elif how == "loop.create_task":
            run.guest.loop.create_task(waits_for_what_nobody_else_holds(*arguments))  # type: ignore[arg-type]
        else:
            asyncio.create_task(waits_for_what_nobody_else_holds(*arguments))  # type: ignore[arg-type]

    run.host.post(handler)
    host_until(run, lambda: held)
    for _ in range(3):
        gc.collect()
    assert ended == [], "it was collected"
    future = held[0]()
    assert future is not None
    future.set_result(None)
    del future
    host_until(run, lambda: ended)


def test_what_is_done_is_let_go(run: Run) -> None:
    task = run.guest.start_soon(asyncio.sleep, 0.001)
    reference = weakref.ref(task)
    host_until(run, task.done)
    settle(run)
    del task
    gc.collect()
    assert reference() is None


def test_timers_of_the_first_step_wake_a_sleeping_guest(run: Run) -> None:
    async def clicked() -> str:
        return await asyncio.wait_for(asyncio.sleep(0.002, "woke"), 30)

    task = run.guest.start_soon(clicked)
    host_until(run, task.done)
    assert task.result() == "woke"


def test_generators_born_in_the_first_step_belong_to_the_guest(drive: str) -> None:
    ended: list[str] = []

    async def generator():  # type: ignore[no-untyped-def]
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            ended.append("ended")

    items = generator()

    async def clicked() -> int:
        return await items.__anext__()

    run = Run(drive)
    run.start(asyncio.sleep, 0.005)
    task = run.guest.start_soon(clicked)
    assert task.result() == 1
    run.finish()
    assert ended == ["ended"]


def test_a_task_factory_that_fails_leaves_nothing(run: Run) -> None:
    def fails(loop: object, coro: object, **_: object) -> object:
        raise LookupError("no task today")

    async def clicked() -> None:
        raise AssertionError("it ran")

    for eager in (True, False):
        run.guest.loop.set_task_factory(fails)  # type: ignore[arg-type]
        with pytest.raises(LookupError):
            run.guest.start_soon(clicked, eager=eager)
        run.guest.loop.set_task_factory(None)
    assert run.guest.start_soon(asyncio.sleep, 0) is not None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_with_an_eager_task_factory(run: Run) -> None:
    steps: list[int] = []

    async def clicked() -> None:
        for number in range(3):
            steps.append(number)
            await asyncio.sleep(0)

    run.guest.loop.set_task_factory(asyncio.eager_task_factory)
    task = run.guest.start_soon(clicked)
    assert steps == [0], "one step, not two"
    host_until(run, task.done)
    run.guest.loop.set_task_factory(None)
    assert steps == [0, 1, 2]


class Overriding(asyncguest.EventLoop):
    def create_task(self, coro, **options):  # type: ignore[no-untyped-def]
        made.append("override")
        return super().create_task(coro, **options)


def by_a_factory(loop: asyncio.AbstractEventLoop, coro: object, **options: object) -> asyncio.Task[None]:
    made.append("factory")
    return asyncio.Task(coro, loop=loop, **options)  # type: ignore[arg-type]


def patched(create_task):  # type: ignore[no-untyped-def]
    def patch(self, coro, **options):  # type: ignore[no-untyped-def]
        made.append("patch")
        return create_task(self, coro, **options)

    return patch


class Task(asyncio.Task):  # type: ignore[type-arg]
    pass


made: list[str] = []


@pytest.mark.parametrize("way", ["override", "factory", "the class", "the instance", "asyncio's", "the type of tasks"])
def test_tasks_are_made_as_create_task_makes_them(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subclasses override it, programs set factories, tools patch any of it. Debug mode goes another way."""
    run = Run(loop_factory=Overriding if way == "override" else asyncguest.EventLoop, debug=False)
    run.start(asyncio.sleep, 3600)
    loop, tasks = run.guest.loop, []

    async def click() -> None:
        tasks.append(asyncio.current_task())

    if way == "factory":
        loop.set_task_factory(by_a_factory)
    elif way == "the class":
        monkeypatch.setattr(asyncguest.EventLoop, "create_task", patched(asyncguest.EventLoop.create_task))
    elif way == "the instance":
        monkeypatch.setattr(loop, "create_task", lambda coro, **options: patched(type(loop).create_task)(loop, coro))
    elif way == "asyncio's":
        monkeypatch.setattr(asyncio.BaseEventLoop, "create_task", patched(asyncio.BaseEventLoop.create_task))
    elif way == "the type of tasks":
        monkeypatch.setattr(asyncio.tasks, "Task", Task)
    made.clear()
    run.guest.start_soon(click)
    asyncguest.slot(click)()
    assert len(tasks) == 2
    assert made == [way if way in ("override", "factory") else "patch"] * 2 or way == "the type of tasks"
    assert all(isinstance(task, Task) for task in tasks) == (way == "the type of tasks")
    monkeypatch.undo()
    loop.set_task_factory(None)
    run.guest.cancel()
    with pytest.raises(asyncio.CancelledError):
        run.finish()
